package pool

import "slices"

// shelf returns the shelf for c, which may have been drained before: then it is
// a new one.
func (p *Pool) shelf(c Class) *shelf {
	sh := p.shelves[c.Key]
	if sh == nil {
		sh = &shelf{class: c}
		p.shelves[c.Key] = sh
	}
	return sh
}

// pop takes the slot to use next: a provisioned one, or else the one that was
// used last.
func (sh *shelf) pop() *Slot {
	for _, list := range []*[]*Slot{&sh.kept, &sh.idle} {
		if n := len(*list); n > 0 {
			s := (*list)[n-1]
			(*list)[n-1] = nil
			*list = (*list)[:n-1]
			return s
		}
	}
	return nil
}

func (sh *shelf) push(s *Slot) {
	if s.Provisioned {
		sh.kept = append(sh.kept, s)
	} else {
		sh.idle = append(sh.idle, s)
	}
}

// remove takes s off the shelf, if it is there.
func (sh *shelf) remove(s *Slot) {
	is := func(o *Slot) bool { return o == s }
	sh.kept = slices.DeleteFunc(sh.kept, is)
	sh.idle = slices.DeleteFunc(sh.idle, is)
}

func (sh *shelf) forget(w *waiter) {
	sh.waiters = slices.DeleteFunc(sh.waiters, func(o *waiter) bool { return o == w })
}

// tidy forgets a shelf with nothing on it.
func (p *Pool) tidy(sh *shelf) {
	if p.shelves[sh.class.Key] == sh && len(sh.waiters)+sh.slots+sh.starting+sh.want+sh.have == 0 {
		delete(p.shelves, sh.class.Key)
	}
}
