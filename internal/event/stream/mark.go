package stream

import (
	"hash/fnv"
	"slices"

	"github.com/mayfly-faas/mayfly/internal/event/source"
)

// A mark is how far a mapping has come in a shard: all before From is done, and
// of what is behind it, what Ahead says.
type mark struct {
	From    source.Place `json:"from"`
	Ended   bool         `json:"ended,omitempty"` // the shard, and all in it is done
	Parents []string     `json:"parents,omitempty"`
	Ahead   []ahead      `json:"ahead,omitempty"` // the newest last
	Window  *window      `json:"window,omitempty"`
}

// ahead is how far each lane has come. There is more than one when the number
// of lanes has changed before the slowest of the old ones came as far as the
// fastest.
type ahead struct {
	Factor int            `json:"factor"`
	Lanes  []source.Place `json:"lanes"` // behind the last record that is done; "" for none
}

// laneOf is the lane of a key, of so many. It must never change: marks outlive
// the server that wrote them.
func laneOf(key string, factor int) int {
	if factor == 1 {
		return 0
	}
	h := fnv.New64a()
	h.Write([]byte(key))
	// The low bits of FNV alone are not spread well enough for small factors.
	v := h.Sum64()
	return int((v ^ v>>32) % uint64(factor))
}

// done tells whether a lane has handled the record of the key before place.
func (k *mark) done(key string, behind source.Place) bool {
	for _, a := range k.Ahead {
		if !a.Lanes[laneOf(key, a.Factor)].Before(behind) {
			return true
		}
	}
	return false
}

// trim forgets what lies before From, but for the newest.
func (k *mark) trim() {
	var kept []ahead
	for i, a := range k.Ahead {
		if i == len(k.Ahead)-1 || slices.ContainsFunc(a.Lanes, k.From.Before) {
			kept = append(kept, a)
		}
	}
	k.Ahead = kept
}
