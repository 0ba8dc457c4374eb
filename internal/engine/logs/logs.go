// Package logs collects what a sandbox writes: the last 4 KB for the caller,
// all of it for a sink.
package logs

import "time"

// An Event is one entry of a log stream.
type Event struct {
	Time    time.Time
	Message string
}

// A Sink keeps log events. Put keeps the order of events within a stream, makes
// the group and the stream when they are not there, and does not wait for the
// disk. It may be called from any goroutine.
type Sink interface {
	Put(group, stream string, events []Event)
}

// Discard is a Sink that keeps nothing.
type Discard struct{}

// Put implements Sink.
func (Discard) Put(string, string, []Event) {}
