package step

import (
	"testing"
	"time"
)

func TestSpans(t *testing.T) {
	c := New()
	for n := range 3 {
		at := c.epoch.Add(time.Duration(n) * time.Hour)
		for p := range points {
			c.PassedAt(p, at)
			at = at.Add(time.Duration(p+1) * time.Millisecond)
		}
	}
	spans := c.Spans()
	if len(spans) != int(points)-1 {
		t.Fatalf("%d spans", len(spans))
	}
	for i, s := range spans {
		if want := time.Duration(i+1) * 3 * time.Millisecond; s.Took != want || s.Passed != 3 || s.To != Point(i+1) {
			t.Errorf("%+v to %s, want %v", s, s.To, want)
		}
	}
}

// TestOverflow: sums of years of invocations do not fit, their differences do.
func TestOverflow(t *testing.T) {
	c := New()
	c.sums[Arrived].nanos.Store(1<<64 - 5)
	c.sums[Routed].nanos.Store(1<<64 - 5)
	c.PassedAt(Arrived, c.epoch.Add(3))
	c.PassedAt(Routed, c.epoch.Add(10))
	if took := c.Spans()[0].Took; took != 7 {
		t.Error(took)
	}
}

func TestNoClock(t *testing.T) {
	var c *Clock
	c.Pass(Done)
	c.PassedAt(Done, time.Now())
	if c.Spans() != nil {
		t.Error("nothing was noted")
	}
}

func BenchmarkPass(b *testing.B) {
	c := New()
	for b.Loop() {
		c.Pass(Sent)
	}
}
