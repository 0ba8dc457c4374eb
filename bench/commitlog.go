package main

import (
	"os"
	"path/filepath"
)

// A commitLog is the floor of a durable write: records are appended to a file,
// and all that wait are synced together.
type commitLog struct {
	file    *os.File
	records chan record
	ended   chan struct{}
}

type record struct {
	data []byte
	done chan error
}

func newCommitLog(dir string) (*commitLog, error) {
	f, err := os.Create(filepath.Join(dir, "floor.log"))
	if err != nil {
		return nil, err
	}
	c := &commitLog{file: f, records: make(chan record, senders), ended: make(chan struct{})}
	go c.commit()
	return c, nil
}

// close must come after the last write.
func (c *commitLog) close() {
	close(c.records)
	<-c.ended
	c.file.Close()
}

func (c *commitLog) commit() {
	defer close(c.ended)
	for first := range c.records {
		group, text := []record{first}, first.data
		for more := true; more; {
			select {
			case r, ok := <-c.records:
				if more = ok; ok {
					group, text = append(group, r), append(text, r.data...)
				}
			default:
				more = false
			}
		}
		_, err := c.file.Write(text)
		if err == nil {
			err = c.file.Sync()
		}
		for _, r := range group {
			r.done <- err
		}
	}
}

// writers each append a record of 200 bytes and wait until it is on disk.
func (c *commitLog) writers(n int) []worker {
	workers := make([]worker, n)
	for i := range workers {
		done := make(chan error, 1)
		workers[i] = func(uint64) error {
			c.records <- record{make([]byte, 200), done}
			return <-done
		}
	}
	return workers
}
