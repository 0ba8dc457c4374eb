package admit

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
)

func enter(t *testing.T, g *Gate, name, key, want string) {
	t.Helper()
	if got := g.Enter(name, key); got != want {
		t.Errorf("Enter(%s, %s) = %q, want %q", name, key, got, want)
	}
}

func TestAccountLimit(t *testing.T) {
	g := New(2)
	enter(t, g, "a", "a1", "")
	enter(t, g, "b", "b1", "")
	enter(t, g, "c", "c1", Account)
	g.Leave("a", "a1")
	enter(t, g, "c", "c1", "")
	if g.Running() != 2 {
		t.Errorf("running = %d, want 2", g.Running())
	}
}

func TestDefaultLimit(t *testing.T) {
	g := New(0)
	for range DefaultLimit {
		enter(t, g, "a", "a1", "")
	}
	enter(t, g, "a", "a1", Account)
}

func TestReserved(t *testing.T) {
	g := New(10)
	g.Reserve("a", 3)
	for range 3 {
		enter(t, g, "a", "a1", "")
	}
	enter(t, g, "a", "a2", Reserved)
	for range 7 {
		enter(t, g, "b", "b1", "")
	}
	enter(t, g, "b", "b1", Account) // what is reserved is not for others
	g.Leave("a", "a1")
	enter(t, g, "b", "b1", Account) // not even when it is free
	enter(t, g, "a", "a1", "")
}

func TestReservedNone(t *testing.T) {
	g := New(10)
	enter(t, g, "a", "a1", "")
	g.Reserve("a", 0)
	enter(t, g, "a", "a1", Reserved)
	g.Leave("a", "a1")
	enter(t, g, "a", "a1", Reserved)
	g.Unreserve("a")
	enter(t, g, "a", "a1", "")
}

// TestReserveWhileRunning: what runs moves with its function from the shared
// places to the reserved ones, and back.
func TestReserveWhileRunning(t *testing.T) {
	g := New(4)
	enter(t, g, "a", "a1", "")
	enter(t, g, "a", "a1", "")
	g.Reserve("a", 2)
	enter(t, g, "b", "b1", "")
	enter(t, g, "b", "b1", "")
	enter(t, g, "b", "b1", Account)
	g.Unreserve("a")
	enter(t, g, "b", "b1", Account)
	g.Leave("a", "a1")
	enter(t, g, "b", "b1", "")
}

func TestProvisioned(t *testing.T) {
	g := New(5)
	g.Provision("a", "a1", 3)
	enter(t, g, "b", "b1", "")
	enter(t, g, "b", "b1", "")
	enter(t, g, "b", "b1", Account) // 3 are set aside
	for range 3 {
		enter(t, g, "a", "a1", "")
	}
	enter(t, g, "a", "a1", Account) // overflow is on demand
	enter(t, g, "a", "a2", Account) // another version has no part in them
	g.Leave("b", "b1")
	enter(t, g, "a", "a1", "")
	g.Leave("a", "a1")
	g.Provision("a", "a1", 0)
	enter(t, g, "a", "a2", "")
	enter(t, g, "a", "a2", Account)
}

func TestForget(t *testing.T) {
	g := New(3)
	g.Provision("a", "a1", 2)
	g.Provision("b", "b1", 1)
	enter(t, g, "a", "a1", "")
	g.Forget("a1")
	enter(t, g, "c", "c1", "") // the place that a1 does not use
	enter(t, g, "c", "c1", Account)
	g.Leave("a", "a1")
	enter(t, g, "c", "c1", "")
	enter(t, g, "b", "b1", "")
}

func TestProvisionedInsideReserved(t *testing.T) {
	g := New(10)
	g.Reserve("a", 3)
	g.Provision("a", "a1", 2)
	enter(t, g, "a", "a2", "")
	enter(t, g, "a", "a2", Reserved)
	enter(t, g, "a", "a1", "")
	enter(t, g, "a", "a1", "")
	enter(t, g, "a", "a1", Reserved)
	for range 7 {
		enter(t, g, "b", "b1", "")
	}
	enter(t, g, "b", "b1", Account)
}

func TestLeaveWithoutEnter(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("no panic")
		}
	}()
	New(1).Leave("a", "a1")
}

// TestSums does random things and compares the kept sums with counted ones.
func TestSums(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	g := New(50)
	running := map[[2]string]int{}
	for range 20000 {
		name := fmt.Sprint(r.IntN(4))
		key := name + fmt.Sprint(r.IntN(3))
		id := [2]string{name, key}
		switch r.IntN(10) {
		case 0:
			g.Reserve(name, r.IntN(8))
		case 1:
			g.Unreserve(name)
		case 2:
			g.Provision(name, key, r.IntN(5))
		case 3, 4, 5, 6:
			if g.Enter(name, key) == "" {
				running[id]++
			}
		default:
			if running[id] > 0 {
				running[id]--
				g.Leave(name, key)
			}
		}
		reserved, shared := 0, 0
		for name, f := range g.functions {
			used := 0
			for key, u := range f.keys {
				used += u.places()
				if u.running != running[[2]string{name, key}] {
					t.Fatalf("%s runs %d, want %d", key, u.running, running[[2]string{name, key}])
				}
			}
			if used != f.used {
				t.Fatalf("%s uses %d, kept %d", name, used, f.used)
			}
			if f.reserved >= 0 {
				reserved += f.reserved
			} else {
				shared += used
			}
		}
		if reserved != g.reserved || shared != g.shared {
			t.Fatalf("reserved %d kept %d, shared %d kept %d", reserved, g.reserved, shared, g.shared)
		}
	}
	for id, n := range running {
		for range n {
			g.Leave(id[0], id[1])
		}
	}
	for name := range g.functions {
		g.Unreserve(name)
		for i := range 3 {
			g.Provision(name, name+fmt.Sprint(i), 0)
		}
	}
	if len(g.functions) != 0 || g.shared != 0 || g.reserved != 0 {
		t.Errorf("something is left: %d functions, %d shared, %d reserved", len(g.functions), g.shared, g.reserved)
	}
}

func TestParallel(t *testing.T) {
	g := New(10)
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			for range 1000 {
				if g.Enter("a", "a1") == "" {
					if n := g.Running(); n > 10 {
						t.Errorf("%d run at a time", n)
					}
					g.Leave("a", "a1")
				}
			}
		})
	}
	wg.Wait()
	if g.Running() != 0 {
		t.Errorf("%d run at the end", g.Running())
	}
}

func BenchmarkEnterLeave(b *testing.B) {
	g := New(0)
	for b.Loop() {
		g.Enter("a", "a1")
		g.Leave("a", "a1")
	}
}
