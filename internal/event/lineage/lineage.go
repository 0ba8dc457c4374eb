// Package lineage recognises loops: how often a chain of events has come
// through one function. It is carried in the Lineage of X-Amzn-Trace-Id, from
// a function through the SDK within it to a queue, a topic or a bus, and back.
// The package is pure.
//
// https://docs.aws.amazon.com/lambda/latest/dg/invocation-recursion.html
package lineage

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"strconv"
	"strings"
	"time"
)

// Limit is how often a chain may come through one function.
const Limit = 16

// maxFunctions bounds how many functions of a chain are remembered, and
// maxHeader what is read of a header at all: it comes from outside.
const (
	maxFunctions = 8
	maxHeader    = 2048
)

// ID is what a lineage calls the function of an unqualified ARN.
func ID(functionARN string) string {
	sum := sha256.Sum256([]byte(functionARN))
	return hex.EncodeToString(sum[:4])
}

// Enter is what a header becomes for the invocation of the function called id,
// and how often the chain has come through it, this time included. A header
// without a root begins a chain of its own.
func Enter(header, id string, now time.Time) (entered string, turns int) {
	if header == "" { // as most are
		return begin(id, now), 1
	}
	t := parse(header)
	if t.root == "" {
		t.root, t.parent, t.sampled = newRoot(now)
	}
	turns = t.count(id) + 1
	t.set(id, turns)
	return t.String(), turns
}

// begin is the header of a new chain, in the function called id.
func begin(id string, now time.Time) string {
	var b [128]byte
	h := appendRoot(append(b[:0], "Root="...), now)
	h = appendRandom(append(h, ";Parent="...), parentBytes)
	h = append(append(h, ";Sampled=0;Lineage="...), id...)
	return string(append(h, ":1"...))
}

// newRoot is what a trace begins with.
func newRoot(now time.Time) (root, parent, sampled string) {
	return string(appendRoot(nil, now)), string(appendRandom(nil, parentBytes)), "0"
}

// The random bytes of a root and of a parent.
const (
	rootBytes   = 12
	parentBytes = 8
)

// appendRoot appends a new root: its version, the time in seconds, and chance.
func appendRoot(b []byte, now time.Time) []byte {
	var sec [4]byte
	binary.BigEndian.PutUint32(sec[:], uint32(now.Unix()))
	b = append(hex.AppendEncode(append(b, "1-"...), sec[:]), '-')
	return appendRandom(b, rootBytes)
}

// appendRandom appends n random bytes as hexadecimal digits.
func appendRandom(b []byte, n int) []byte {
	var r [rootBytes]byte
	rand.Read(r[:n]) // never fails, says its documentation
	return hex.AppendEncode(b, r[:n])
}

// Deepest is, of the headers of a batch, the one that has come the farthest.
func Deepest(headers []string) string {
	best, most := "", -1
	for _, h := range headers {
		n := 0
		for _, s := range parse(h).steps {
			n = max(n, s.count)
		}
		if h != "" && n > most {
			best, most = h, n
		}
	}
	return best
}

// A trace is X-Amzn-Trace-Id taken apart.
type trace struct {
	root, parent, sampled string
	steps                 []step
}

// A step is how often a chain has come through a function.
type step struct {
	id    string
	count int
}

// parse reads what it understands of a header and leaves out the rest.
func parse(header string) trace {
	var t trace
	if len(header) > maxHeader {
		return t
	}
	for part := range strings.SplitSeq(header, ";") {
		k, v, _ := strings.Cut(strings.TrimSpace(part), "=")
		if !plain(v) {
			continue
		}
		switch k {
		case "Root":
			t.root = v
		case "Parent":
			t.parent = v
		case "Sampled":
			t.sampled = v
		case "Lineage":
			t.steps = parseSteps(v)
		}
	}
	return t
}

// plain tells whether v may go into a header again.
func plain(v string) bool {
	return !strings.ContainsFunc(v, func(r rune) bool { return r <= ' ' || r >= 0x7f || r == ';' })
}

// parseSteps reads "hash:count|hash:count". AWS has written a version number
// in front of the hash, too.
func parseSteps(v string) (steps []step) {
	for s := range strings.SplitSeq(v, "|") {
		fields := strings.Split(s, ":")
		if len(fields) < 2 || len(steps) == maxFunctions {
			continue
		}
		id, count := fields[len(fields)-2], fields[len(fields)-1]
		if n, err := strconv.Atoi(count); err == nil && n >= 0 && n <= 1<<15 && id != "" {
			steps = append(steps, step{id, n})
		}
	}
	return steps
}

func (t *trace) count(id string) int {
	for _, s := range t.steps {
		if s.id == id {
			return s.count
		}
	}
	return 0
}

// set puts a function's count first; of too many functions, the one whose turn
// is the longest ago is forgotten.
func (t *trace) set(id string, count int) {
	steps := []step{{id, count}}
	for _, s := range t.steps {
		if s.id != id && len(steps) < maxFunctions {
			steps = append(steps, s)
		}
	}
	t.steps = steps
}

func (t *trace) String() string {
	var b strings.Builder
	b.WriteString("Root=" + t.root)
	if t.parent != "" {
		b.WriteString(";Parent=" + t.parent)
	}
	if t.sampled != "" {
		b.WriteString(";Sampled=" + t.sampled)
	}
	for i, s := range t.steps {
		sep := "|"
		if i == 0 {
			sep = ";Lineage="
		}
		b.WriteString(sep + s.id + ":" + strconv.Itoa(s.count))
	}
	return b.String()
}
