package identity

import (
	"context"
	"sync"

	"github.com/mayfly-faas/mayfly/internal/policy"
	"github.com/mayfly-faas/mayfly/internal/store"
)

// maxSeen bounds how many keys are remembered.
const maxSeen = 4096

// A sight is what Lookup found for a key.
type sight struct {
	token   string // that came with it
	secret  string
	who     Principal
	expires int64 // of a token, in seconds since 1970; 0 for never
	used    int64 // when its last use was noted, in seconds since 1970
}

// seen is what has been looked up, by the key's id, so that a key in use costs
// no query. Every change of a Book drops it before it is acknowledged, and while
// one is under way nothing is remembered: who was told that a key is deleted
// must not meet it again. That memory is the process's own: with several nodes
// on one database each must be told of the others' changes.
type seen struct {
	mu       sync.RWMutex // guards what follows
	keys     map[string]sight
	changing int    // changes under way
	age      uint64 // counts the changes that have begun or ended

	mandates  map[string]*mandate         // by a role's ARN or a user's id
	documents map[string]*policy.Document // of sessions: by text, and by a managed policy's ARN
}

// find answers what is remembered, and an age for keep.
func (s *seen) find(id, token string) (k sight, ok bool, age uint64) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	k, ok = s.keys[id]
	return k, ok && k.token == token, s.age
}

// keep remembers k, unless there was a change since age: k may be of before it.
func (s *seen) keep(id string, k sight, age uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.age != age || s.changing > 0 {
		return
	}
	if s.keys == nil || len(s.keys) >= maxSeen {
		s.keys = map[string]sight{}
	}
	s.keys[id] = k
}

// note remembers that the last use of a key was noted.
func (s *seen) note(id string, at int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if k, ok := s.keys[id]; ok {
		k.used = at
		s.keys[id] = k
	}
}

// forget drops everything until remember is called, once for each forget.
func (s *seen) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keys, s.mandates, s.documents = nil, nil, nil
	s.changing++
	s.age++
}

func (s *seen) remember() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.changing--
	s.age++
}

// update changes what the Book keeps.
func (b *Book) update(ctx context.Context, fn func(store.Tx) error) error {
	b.seen.forget()
	defer b.seen.remember()
	return b.db.Update(ctx, fn)
}
