package kinesis

import (
	"cmp"
	"maps"
	"slices"
	"sort"
	"sync"
	"sync/atomic"
)

// The states of a stream and of a consumer.
const (
	creating = "CREATING"
	active   = "ACTIVE"
	updating = "UPDATING"
	deleting = "DELETING"
)

const (
	provisioned = "PROVISIONED"
	onDemand    = "ON_DEMAND"
)

// Settings are what of a stream can be changed; kept as JSON. They are not
// changed in place.
type settings struct {
	Mode       string              `json:"mode"`
	Hours      int                 `json:"hours"`
	MaxKiB     int                 `json:"maxKiB"`
	Strategy   string              `json:"strategy,omitempty"`
	WarmMiBps  int                 `json:"warm,omitempty"`
	Metrics    []string            `json:"metrics,omitempty"`
	Encryption string              `json:"encryption,omitempty"`
	Key        string              `json:"key,omitempty"`
	Tags       map[string]string   `json:"tags,omitempty"`
	Policy     string              `json:"policy,omitempty"`
	Consumers  map[string]consumer `json:"consumers,omitempty"`
	Scaled     []int64             `json:"scaled,omitempty"` // when the shard count was updated, milliseconds since 1970
	Switched   []int64             `json:"switched,omitempty"`
}

// A consumer is one that has been registered.
type consumer struct {
	Name    string            `json:"name"`
	Created int64             `json:"created"` // seconds since 1970, as in its ARN
	Tags    map[string]string `json:"tags,omitempty"`
	Policy  string            `json:"policy,omitempty"`
}

// clone is a copy that may be changed.
func (s *settings) clone() *settings {
	c := *s
	c.Metrics, c.Scaled, c.Switched = slices.Clone(s.Metrics), slices.Clone(s.Scaled), slices.Clone(s.Switched)
	c.Tags, c.Consumers = maps.Clone(s.Tags), maps.Clone(s.Consumers)
	return &c
}

func (s *settings) encryption() string { return cmp.Or(s.Encryption, "NONE") }

// retention is how long records are kept, in milliseconds.
func (s *settings) retention() int64 { return int64(s.Hours) * 3600_000 }

// A stream is one stream.
type stream struct {
	id      int64
	name    string
	arn     string
	created int64 // milliseconds since 1970
	set     atomic.Pointer[settings]
	grown   int64 // when it last grew by itself; guarded by the book's admin

	mu     sync.RWMutex // guards what follows
	status string
	shards []*shard // all, by number; those whose records have all expired are missing
	open   []*shard // by range
	count  int      // how many shards there have ever been
	gone   bool     // deleted
}

// add puts a shard at the end.
func (st *stream) add(sh *shard) {
	st.mu.Lock()
	defer st.mu.Unlock()
	st.shards = append(slices.Clip(st.shards), sh)
	st.count = max(st.count, sh.ix+1)
	st.sortOpen()
}

// sortOpen makes open anew. The caller holds mu.
func (st *stream) sortOpen() {
	open := make([]*shard, 0, len(st.shards))
	for _, sh := range st.shards {
		if sh.isOpen() {
			open = append(open, sh)
		}
	}
	slices.SortFunc(open, func(a, b *shard) int { return a.low.compare(b.low) })
	st.open = open
}

// A layout is what a stream is made of at one moment.
type layout struct {
	status       string
	shards, open []*shard
	count        int
	gone         bool
}

func (st *stream) layout() layout {
	st.mu.RLock()
	defer st.mu.RUnlock()
	return layout{st.status, st.shards, st.open, st.count, st.gone}
}

// route is the open shard that a hash key belongs to.
func route(open []*shard, k hashKey) *shard {
	i := sort.Search(len(open), func(i int) bool { return open[i].high.compare(k) >= 0 })
	if i == len(open) {
		return nil
	}
	return open[i]
}

// shard answers the shard of that name, nil when there is none (any more).
func (st *stream) shard(name string) *shard {
	l := st.layout()
	i, ok := slices.BinarySearchFunc(l.shards, name, func(sh *shard, name string) int { return cmp.Compare(sh.name(), name) })
	if !ok {
		return nil
	}
	return l.shards[i]
}

// setStatus says in which state the stream is.
func (st *stream) setStatus(s string) {
	st.mu.Lock()
	defer st.mu.Unlock()
	st.status = s
}

// horizon is the time before which records have expired.
func (st *stream) horizon(now int64) int64 { return now - st.set.Load().retention() }

// limits gives a shard its share of what a second may bring.
func (st *stream) limits(sh *shard) {
	f := 1.0
	if st.set.Load().Mode == onDemand {
		f = 2
	}
	sh.writes = newMeter(f*writeBytes, f*writeRecords)
}

// drop takes a shard away that nothing is left of.
func (st *stream) drop(sh *shard) {
	st.mu.Lock()
	defer st.mu.Unlock()
	st.shards = slices.DeleteFunc(slices.Clone(st.shards), func(s *shard) bool { return s == sh })
	st.sortOpen()
}
