package main

import "testing"

func TestSpread(t *testing.T) {
	if low, high := spread([]float64{9, 1, 2, 8, 3, 3, 4, 4, 5, 7}); low != 3 || high != 9 {
		t.Errorf("got %v to %v", low, high)
	}
	if low, high := spread([]float64{1, 2}); low != 0 || high != 0 {
		t.Errorf("of too few: %v to %v", low, high)
	}
	steady := []float64{5, 5, 5, 5, 5}
	if low, high := spread(steady); low != 5 || high != 5 {
		t.Errorf("of the same: %v to %v", low, high)
	}
}

func TestSpreadKeepsTheOrder(t *testing.T) {
	ms := []float64{5, 1, 4, 2, 3}
	spread(ms)
	if ms[0] != 5 || ms[4] != 3 {
		t.Errorf("sorted what is in the order of time: %v", ms)
	}
}

func TestRatio(t *testing.T) {
	if r := (Row{P50: 6, RivalP50: 3}).Ratio(); r != 2 {
		t.Errorf("of times: %v", r)
	}
	if r := (Row{P50: 6, RivalP50: 3, PerSec: 10, RivalPerSec: 40}).Ratio(); r != 0.25 {
		t.Errorf("of throughput: %v", r)
	}
}
