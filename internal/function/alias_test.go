package function

import (
	"encoding/json"
	"testing"

	"github.com/mayfly-faas/mayfly/internal/engine"
)

func TestCheckWeights(t *testing.T) {
	for _, c := range []struct {
		version string
		weights map[string]float64
		ok      bool
	}{
		{"1", nil, true}, {"1", map[string]float64{"2": 0.5}, true}, {"$LATEST", nil, true},
		{"1", map[string]float64{"1": 0.5}, false}, {"$LATEST", map[string]float64{"1": 0.5}, false},
		{"1", map[string]float64{"2": 0.1, "3": 0.1}, false},
	} {
		if err := checkWeights(c.version, c.weights); (err == nil) != c.ok {
			t.Errorf("%s, %v: %v", c.version, c.weights, err)
		}
	}
}

// FuzzWeights: an alias that is taken routes every draw to one of its versions.
func FuzzWeights(f *testing.F) {
	f.Add("1", `{"2":0.25}`, 0.1)
	f.Add("$LATEST", `{}`, 0.9)
	f.Fuzz(func(t *testing.T, version, doc string, x float64) {
		var weights map[string]float64
		if json.Unmarshal([]byte(doc), &weights) != nil || checkWeights(version, weights) != nil {
			return
		}
		r := &route{arms: []arm{{&engine.Unit{Version: version}, 1}}}
		for v, w := range weights {
			r.arms = append(r.arms, arm{&engine.Unit{Version: v}, w})
		}
		if _, other := weights[r.pick(x).Version]; !other && r.pick(x).Version != version {
			t.Fatal("routed to a version that the alias does not have")
		}
	})
}

func TestPick(t *testing.T) {
	r := &route{arms: []arm{{&engine.Unit{Version: "1"}, 1}, {&engine.Unit{Version: "2"}, 0.25}}}
	for x, want := range map[float64]string{0: "2", 0.2499: "2", 0.25: "1", 0.999: "1"} {
		if got := r.pick(x).Version; got != want {
			t.Errorf("%v goes to %s, want %s", x, got, want)
		}
	}
}
