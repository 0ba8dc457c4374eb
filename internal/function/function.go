// Package function knows what a function is: its code, configuration,
// versions, aliases and settings, stored durably, and the way from a name to
// an immutable unit that the engine runs. It knows no wire and no AWS error.
//
// All changes pass through a Registry. What an invocation needs is kept
// resolved in memory (see route), so that a warm Invoke makes no query; every
// change drops what it made stale before it is acknowledged. That memory is
// the process's own: with several nodes on one database, each node must be
// told of the others' changes before it may serve from it.
package function

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/mayfly-faas/mayfly/internal/engine"
	"github.com/mayfly-faas/mayfly/internal/engine/code"
	"github.com/mayfly-faas/mayfly/internal/identity"
	"github.com/mayfly-faas/mayfly/internal/meter"
	"github.com/mayfly-faas/mayfly/internal/store"
	"github.com/mayfly-faas/mayfly/internal/store/blob"
)

// An Engine is what a Registry needs of *engine.Engine.
type Engine interface {
	// Invoke runs one call of a unit and waits for its end.
	Invoke(context.Context, *engine.Unit, engine.Call) (*engine.Outcome, error)

	// Expect says that a unit may soon be invoked. It is a hint.
	Expect(u *engine.Unit)

	// Drain ends the sandboxes of a unit once their invocations are done.
	Drain(key string)

	// Reserve sets a function's own concurrency, Unreserve gives it back.
	Reserve(functionARN string, n int)
	Unreserve(functionARN string)

	// Provision keeps n sandboxes of u ready; 0 ends that.
	Provision(u *engine.Unit, n int)

	// Provisioned tells how many are ready, and why the others are not.
	Provisioned(key string) (ready int, failure string)
}

// A Config is what a Registry is made of.
type Config struct {
	DB       store.DB
	Blobs    *blob.Store
	Code     *code.Store
	Engine   Engine
	Meter    *meter.Meter
	Identity *identity.Book
	Objects  Objects // nil: code must be sent along
	Account  string
	Region   string

	// Concurrency is the account's limit; 0 is 1000, as on AWS.
	Concurrency int

	Now func() time.Time // nil is time.Now
	Log *slog.Logger     // nil is slog.Default()
}

// A Registry holds all functions of the account. Its methods may be called
// from any goroutine.
type Registry struct {
	db      store.DB
	blobs   *blob.Store
	code    *code.Store
	engine  Engine
	meter   *meter.Meter
	book    *identity.Book
	objects Objects
	account string
	region  string

	limit  int
	now    func() time.Time
	log    *slog.Logger
	secret []byte // signs code locations

	layers  layerBook
	routes  routes
	urls    urlIndex
	uploads uploads

	reserveMu sync.Mutex // held while the engine is told of a reservation

	provisionMu sync.Mutex
	provisioned map[string]map[string]standing // by function, by unit key; guarded by provisionMu

	calls calls
	jobs  chan job // versions to settle
	stop  context.CancelFunc
	done  <-chan struct{} // closed when stop was called
	work  sync.WaitGroup  // the goroutines that settle and meter
}

// Open reads what is stored, finishes what was under way, and puts the engine
// in step with it: reservations and provisioned sandboxes.
func Open(ctx context.Context, c Config) (*Registry, error) {
	if c.Concurrency == 0 {
		c.Concurrency = 1000
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	r := &Registry{
		db: c.DB, blobs: c.Blobs, code: c.Code, engine: c.Engine, meter: c.Meter, book: c.Identity, objects: c.Objects,
		account: c.Account, region: c.Region, limit: c.Concurrency, now: c.Now, log: c.Log,
		layers: layerTable{c.DB, c.Account, c.Region}, jobs: make(chan job, 256), provisioned: map[string]map[string]standing{},
	}
	r.startWorkers()
	r.startMeter()
	for _, start := range []func(context.Context) error{r.migrate, r.migrateLayers, r.loadSecret, r.loadURLs, r.sweep, r.reserveAll, r.settleAll, r.standByAll} {
		if err := start(ctx); err != nil {
			return nil, errors.Join(fmt.Errorf("open functions: %w", err), r.Close())
		}
	}
	return r, nil
}

// Close waits for the work under way, running invocations too, and meters what
// is provisioned. To bound that, close the engine first. It, the database and the
// stores are the caller's to close.
func (r *Registry) Close() error {
	r.calls.close()
	r.stop()
	r.work.Wait()
	r.meterAllocations(context.Background())
	return nil
}

// Account is the account that all functions belong to.
func (r *Registry) Account() string { return r.account }

// Region is the region that all functions' ARNs name.
func (r *Registry) Region() string { return r.region }
