package pool

// A list holds slots in the order in which they became idle. A slot is on one
// list at most.
type list struct {
	first, last *Slot
	n           int
}

// push adds s as the last.
func (l *list) push(s *Slot) {
	s.on, s.prev, s.next = l, l.last, nil
	if l.last == nil {
		l.first = s
	} else {
		l.last.next = s
	}
	l.last = s
	l.n++
}

// remove takes s off, if it is on l.
func (l *list) remove(s *Slot) {
	if s.on != l {
		return
	}
	if s.prev == nil {
		l.first = s.next
	} else {
		s.prev.next = s.next
	}
	if s.next == nil {
		l.last = s.prev
	} else {
		s.next.prev = s.prev
	}
	s.on, s.prev, s.next = nil, nil, nil
	l.n--
}
