package logs

import (
	"slices"
	"sync"
)

// indexes bounds how much of the slices' indexes is in memory at a time. The
// zero value but for its budget is ready.
type indexes struct {
	budget int // entries

	mu    sync.Mutex     // guards what follows; a slice's mu may be taken inside it
	order []*slice       // those with an index in memory, oldest first
	sizes map[*slice]int // how many entries of each are counted in total
	total int
}

// load indexes s.
func (x *indexes) load(s *slice) error {
	n, err := s.index()
	if n > 0 {
		x.track(s)
	}
	return err
}

// track counts the index of s as it is now, and drops the oldest others if
// that is too much.
func (x *indexes) track(s *slice) {
	x.mu.Lock()
	defer x.mu.Unlock()
	had, known := x.sizes[s]
	if !known {
		x.order = append(x.order, s)
		if x.sizes == nil {
			x.sizes = map[*slice]int{}
		}
	}
	n := s.weight()
	x.sizes[s] = n
	if x.total += n - had; x.total <= x.budget {
		return
	}
	x.order = slices.DeleteFunc(x.order, func(o *slice) bool {
		if o == s || x.total <= x.budget {
			return false
		}
		o.forget()
		x.uncount(o)
		return true
	})
}

func (x *indexes) uncount(s *slice) {
	x.total -= x.sizes[s]
	delete(x.sizes, s)
}

// drop forgets s, which is gone.
func (x *indexes) drop(s *slice) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if _, known := x.sizes[s]; known {
		x.order = slices.DeleteFunc(x.order, func(o *slice) bool { return o == s })
		x.uncount(s)
	}
}
