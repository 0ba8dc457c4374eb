package main

import (
	"math"
	"testing"
)

func TestStepsBetween(t *testing.T) {
	before, after := map[string]float64{}, map[string]float64{}
	for i, s := range spans {
		name := `{to="` + s[0] + `"}`
		before["mayfly_steps_total"+name], after["mayfly_steps_total"+name] = 5, 15
		before["mayfly_steps_seconds_total"+name], after["mayfly_steps_seconds_total"+name] = 1, 1+float64(i+1)*1e-5
	}
	facts := stepsBetween(before, after)
	if len(facts) != len(spans) {
		t.Fatalf("%v", facts)
	}
	for i, f := range facts {
		if math.Abs(f.Value-float64(i+1)) > 1e-6 || f.Name != spans[i][1] || f.Unit != "us" {
			t.Errorf("%+v", f)
		}
	}
	after[`mayfly_steps_total{to="sent"}`]--
	if facts := stepsBetween(before, after); facts != nil {
		t.Errorf("not all were sent, but %v", facts)
	}
	if facts := stepsBetween(nil, nil); facts != nil {
		t.Errorf("of nothing: %v", facts)
	}
}
