package stream

import (
	"fmt"
	"slices"
	"testing"

	"github.com/mayfly-faas/mayfly/internal/event/source"
)

// TestLanesNeverChange holds the lanes of keys to what they were: marks on disk
// count on it.
func TestLanesNeverChange(t *testing.T) {
	var got []int
	for _, key := range []string{"", "a", "b", "customer-1", "customer-2", "ключ"} {
		got = append(got, laneOf(key, 10), laneOf(key, 3))
	}
	want := []int{5, 0, 4, 1, 1, 1, 4, 2, 1, 2, 5, 0}
	if !slices.Equal(got, want) {
		t.Errorf("the lanes are %v, want %v", got, want)
	}
}

func TestLanesAreUsedAlike(t *testing.T) {
	for factor := 2; factor <= 10; factor++ {
		n := make([]int, factor)
		for i := range 1000 * factor {
			n[laneOf(fmt.Sprint("user-", i), factor)]++
		}
		if slices.Min(n) < 800 || slices.Max(n) > 1200 {
			t.Errorf("factor %d: %v", factor, n)
		}
	}
}

func TestWhatIsDone(t *testing.T) {
	k := mark{From: "5", Ahead: []ahead{{Factor: 1, Lanes: []source.Place{"7"}}, {Factor: 2, Lanes: []source.Place{"", ""}}}}
	k.Ahead[1].Lanes[laneOf("a", 2)] = "12"
	b := "b"
	for laneOf(b, 2) == laneOf("a", 2) {
		b += "b"
	}
	for behind, want := range map[source.Place][2]bool{"6": {true, true}, "7": {true, true}, "8": {true, false}, "12": {true, false}, "13": {false, false}} {
		if got := [2]bool{k.done("a", behind), k.done(b, behind)}; got != want {
			t.Errorf("the record before %s is done: %v, want %v", behind, got, want)
		}
	}
	k.From = "9"
	k.trim()
	if len(k.Ahead) != 1 || k.Ahead[0].Factor != 2 {
		t.Errorf("trimmed, it is %+v", k)
	}
	k.From = "99"
	k.trim()
	if len(k.Ahead) != 1 {
		t.Error("the lanes of now are forgotten")
	}
}
