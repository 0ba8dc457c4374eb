package logs

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

// BenchmarkSearch looks for what is not there in the lines of many streams that
// wrote at the same time, a line or a few in a batch, over all pages.
func BenchmarkSearch(b *testing.B) {
	for _, shape := range []struct {
		streams, batch int
		apart          bool // each batch is a write of its own, as invocations make them
	}{{1, 1000, false}, {50, 20, false}, {2000, 1, false}, {50, 4, true}} {
		b.Run(fmt.Sprintf("streams=%d,batch=%d,apart=%v", shape.streams, shape.batch, shape.apart), func(b *testing.B) {
			dir := b.TempDir()
			book := openBook(b, dir, nil)
			line := strings.Repeat("a line of a log, ", 7)
			size, at := 0, noon
			const total = 128 << 20
			for size < total {
				for s := range shape.streams {
					times, messages := make([]time.Time, shape.batch), make([]string, shape.batch)
					for i := range times {
						at = at.Add(10 * time.Microsecond)
						times[i], messages[i] = at, line
					}
					book.Put("g", fmt.Sprint("s", s), times, messages)
					size += shape.batch * len(line)
					if shape.apart {
						book.settle(b)
					}
				}
			}
			book.settle(b)
			b.SetBytes(total)
			b.ReportAllocs()
			for b.Loop() {
				searchAll(b, book)
			}
		})
	}
}

// A page of a large day whose indexes do not fit into memory must get on, not
// spend what it may read on indexes.
func TestSearchGetsOn(t *testing.T) {
	b := openBook(t, t.TempDir(), nil)
	b.indexes.budget, b.sliceBytes, b.scanBytes = 10, 16<<10, 32<<10
	size := int64(0)
	for i := range 4000 {
		at, m := lines(noon.Add(time.Duration(i)*time.Millisecond), 1, strings.Repeat("x", 100)+"%d")
		b.Put("g", fmt.Sprint("s", i%3), at, m)
		size += 100
		if i%50 == 0 {
			b.settle(t)
		}
	}
	b.settle(t)
	if pages, most := searchAll(t, b), int(2*size/b.scanBytes); pages > most {
		t.Errorf("%d pages, want at most %d", pages, most)
	}
	if n := b.indexes.total; n > 2000 {
		t.Errorf("%d entries of indexes in memory", n)
	}
}

// TestSlicesOverlap puts events of one day in any order into many small slices.
func TestSlicesOverlap(t *testing.T) {
	dir := t.TempDir()
	b, end := tryBook(t, dir, nil)
	b.indexes.budget, b.sliceBytes = 10, 2<<10
	r := rand.New(rand.NewPCG(1, 2))
	var want []string
	for range 1000 {
		at := noon.Add(time.Duration(r.IntN(36e6)) * time.Millisecond)
		m := at.Format("02 15:04:05.000") + fmt.Sprintf(" %d", r.Int())
		b.Put("g", fmt.Sprint("s", r.IntN(5)), []time.Time{at}, []string{m})
		want = append(want, m)
		if r.IntN(10) == 0 {
			b.settle(t)
		}
	}
	b.settle(t)
	slices.SortFunc(want, func(a, b string) int { return strings.Compare(a[:15], b[:15]) })
	for range 2 {
		for _, newest := range []bool{false, true} {
			got := messages(t, b, "g", newest)
			if newest {
				slices.Reverse(got)
			}
			for i := range got {
				if got[i][:15] != want[i][:15] {
					t.Fatalf("newest %v: %d is %q, want %q", newest, i, got[i], want[i])
				}
			}
			if slices.Sort(got); len(slices.Compact(got)) != len(want) {
				t.Errorf("newest %v: %d different lines, want %d", newest, len(slices.Compact(got)), len(want))
			}
		}
		end() // and again from the disk
		b, end = tryBook(t, dir, nil)
		b.indexes.budget = 10
	}
	end()
}

// searchAll reads all pages of a search that finds nothing, and counts them.
func searchAll(t testing.TB, b *Book) (pages int) {
	t.Helper()
	c := &api{b}
	in := &FilterLogEventsRequest{LogGroupName: new("g"), FilterPattern: new("ERROR")}
	for {
		pages++
		out, err := c.filterLogEvents(t.Context(), in)
		if err != nil {
			t.Fatal(err)
		}
		if in.NextToken = out.NextToken; in.NextToken == nil {
			return pages
		}
	}
}
