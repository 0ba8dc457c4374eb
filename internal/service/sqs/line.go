package sqs

import "slices"

// timed is a heap of items by time; items of one time in their order.
type timed []*item

func (t timed) Len() int { return len(t) }
func (t timed) Less(i, j int) bool {
	return t[i].at < t[j].at || t[i].at == t[j].at && t[i].seq < t[j].seq
}
func (t timed) Swap(i, j int) {
	t[i], t[j] = t[j], t[i]
	t[i].pos, t[j].pos = i, j
}

// Push is the heap's.
func (t *timed) Push(x any) {
	it := x.(*item)
	it.pos = len(*t)
	*t = append(*t, it)
}

// Pop is the heap's.
func (t *timed) Pop() any {
	n := len(*t) - 1
	it := (*t)[n]
	(*t)[n] = nil
	*t = (*t)[:n]
	return it
}

// A line is a first-in-first-out queue in one slice.
type line[T any] struct {
	s    []T
	head int
}

func (l *line[T]) len() int { return len(l.s) - l.head }

func (l *line[T]) push(v T) { l.s = append(l.s, v) }

func (l *line[T]) pop() T {
	v := l.s[l.head]
	var zero T
	l.s[l.head] = zero
	l.head++
	if l.head == len(l.s) && cap(l.s) <= 1024 {
		l.s, l.head = l.s[:0], 0
	} else if l.head > 1024 && l.head >= len(l.s)/2 {
		l.s, l.head = slices.Clone(l.s[l.head:]), 0
	}
	return v
}

// filter drops what drop says.
func (l *line[T]) filter(drop func(T) bool) {
	l.s, l.head = slices.DeleteFunc(l.s[l.head:], drop), 0
}
