package ramp

import (
	"testing"
	"time"
)

func TestItGrowsWhileThereIsRoom(t *testing.T) {
	r := New(1000)
	if r.Limit() != 5 {
		t.Errorf("it begins with %d", r.Limit())
	}
	for range 2000 {
		r.Went()
	}
	if r.Limit() != 1000 {
		t.Errorf("it ends at %d", r.Limit())
	}
	if small := New(2); small.Limit() != 2 {
		t.Errorf("a small one begins with %d", small.Limit())
	}
}

func TestItShrinksWhenThrottled(t *testing.T) {
	r := New(1000)
	for range 100 {
		r.Went()
	}
	if wait := r.Throttled(80); wait != 0 || r.Limit() != 52 {
		t.Errorf("with others running it waits %v, limit %d", wait, r.Limit())
	}
	if r.Throttled(3); r.Limit() != 3 {
		t.Errorf("the limit is %d, beside 3 that run", r.Limit())
	}
	var waits []time.Duration
	for range 11 {
		waits = append(waits, r.Throttled(0))
	}
	if r.Limit() != 1 || waits[0] != time.Second || waits[1] != 2*time.Second || waits[8] != 256*time.Second || waits[9] != 5*time.Minute || waits[10] != 5*time.Minute {
		t.Errorf("alone it waits %v, limit %d", waits, r.Limit())
	}
	r.Went()
	if wait := r.Throttled(0); wait != time.Second {
		t.Errorf("after a success it waits %v", wait)
	}
	if Backoff(1<<40) != 5*time.Minute || Backoff(0) != time.Second {
		t.Error("backoff out of bounds")
	}
}
