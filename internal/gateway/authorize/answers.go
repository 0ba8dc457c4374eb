package authorize

import (
	"container/list"
	"crypto/sha256"
	"sync"
	"time"
)

// What is remembered of functions' answers at most. The one that was not used
// for longest goes first.
const (
	maxAnswers     = 1 << 16
	maxAnswerBytes = 64 << 20
	answerOverhead = 512 // bytes of memory beside the answer's own, about
)

type answerKey [sha256.Size]byte

// answers are what functions said, for as long as it counts.
type answers struct {
	now func() time.Time

	mu    sync.Mutex // guards what follows
	byKey map[answerKey]*list.Element
	used  list.List // of *answered, last used first
	bytes int
}

type answered struct {
	key   answerKey
	said  *saying
	until time.Time
	bytes int
}

func (m *answers) find(k answerKey) (*saying, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	e := m.byKey[k]
	if e == nil {
		return nil, false
	}
	a := e.Value.(*answered)
	if !m.now().Before(a.until) {
		m.drop(e)
		return nil, false
	}
	m.used.MoveToFront(e)
	return a.said, true
}

func (m *answers) keep(k answerKey, s *saying, size int, ttl time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.byKey == nil {
		m.byKey = map[answerKey]*list.Element{}
	}
	if e := m.byKey[k]; e != nil { // somebody else asked at the same time
		m.drop(e)
	}
	a := &answered{k, s, m.now().Add(ttl), size + answerOverhead}
	m.byKey[k] = m.used.PushFront(a)
	m.bytes += a.bytes
	for len(m.byKey) > maxAnswers || m.bytes > maxAnswerBytes {
		m.drop(m.used.Back())
	}
}

func (m *answers) drop(e *list.Element) {
	a := m.used.Remove(e).(*answered)
	delete(m.byKey, a.key)
	m.bytes -= a.bytes
}
