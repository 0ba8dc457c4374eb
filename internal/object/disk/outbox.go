package disk

import (
	"context"
	"encoding/json"
	"errors"
	"sync"

	"github.com/mayfly-faas/mayfly/internal/object"
	"github.com/mayfly-faas/mayfly/internal/store"
)

// news wakes those who wait for changes.
type news struct {
	mu   sync.Mutex // guards what is below
	came chan struct{}
	over bool
}

// wait returns what is closed with the next change.
func (n *news) wait() (came <-chan struct{}, over bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.came, n.over
}

func (n *news) tell() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if !n.over {
		close(n.came)
		n.came = make(chan struct{})
	}
}

func (n *news) end() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if !n.over {
		n.over = true
		close(n.came)
	}
}

// errClosed is the error of who waits when the store is closed.
var errClosed = errors.New("object: closed")

// note writes down what happened to an object if anybody wants to know, and reports
// whether.
func (b bucket) note(tx store.Tx, c object.Change) (bool, error) {
	for _, r := range b.Notification.Rules {
		if r.Wants(c.Event, c.Object.Key) {
			c.Rules = append(c.Rules, r)
		}
	}
	c.EventBridge = b.Notification.EventBridge
	if len(c.Rules) == 0 && !c.EventBridge {
		return false, nil
	}
	c.Owner, c.Region = b.Owner, b.Region
	c.Object.Meta, c.Object.Tags, c.Object.Parts = object.Meta{}, nil, nil // no event tells them
	doc, err := json.Marshal(c)
	if err != nil {
		return false, err
	}
	seq, err := count(tx)
	if err != nil {
		return false, err
	}
	_, err = tx.Exec(`INSERT INTO object_change (seq, doc) VALUES (?, ?)`, seq, string(doc))
	return true, err
}

// Changes implements object.Outbox.
func (s *Store) Changes(ctx context.Context, after int64, limit int) ([]object.Change, error) {
	for {
		came, over := s.news.wait()
		if over {
			return nil, errClosed
		}
		found, err := store.Read(ctx, s.db, func(tx store.Tx) ([]object.Change, error) {
			return store.All(tx, scanChange, `SELECT seq, doc FROM object_change WHERE seq > ? ORDER BY seq LIMIT ?`, after, limit)
		})
		if err != nil || len(found) > 0 {
			return found, err
		}
		select {
		case <-came:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func scanChange(scan func(...any) error) (object.Change, error) {
	var c object.Change
	var seq int64
	var doc string
	if err := scan(&seq, &doc); err != nil {
		return c, err
	}
	err := json.Unmarshal([]byte(doc), &c)
	c.Seq = seq
	return c, err
}

// Told implements object.Outbox.
func (s *Store) Told(ctx context.Context, seqs ...int64) error {
	return s.db.Update(ctx, func(tx store.Tx) error {
		for _, seq := range seqs {
			if _, err := tx.Exec(`DELETE FROM object_change WHERE seq = ?`, seq); err != nil {
				return err
			}
		}
		return nil
	})
}
