package blank

import (
	"context"
	"fmt"
	"net"
	"sync"

	"github.com/mayfly-faas/mayfly/internal/engine/runtimeapi"
	"github.com/mayfly-faas/mayfly/internal/engine/sandbox"
)

// apiPort is where code inside finds the Runtime API.
const apiPort = 9001

// An Opener opens places. Its fields do not change.
type Opener struct {
	Tier sandbox.Tier

	// Endpoint serves the platform's API on a listener inside a sandbox, until
	// that is closed; nil serves none. EndpointPort is where.
	Endpoint     func(net.Listener)
	EndpointPort int
}

// A Place is a sandbox with the ways out of it: the Runtime API and the
// platform's endpoint.
type Place struct {
	ID       string
	Box      sandbox.Sandbox
	API      *runtimeapi.Server
	APIAddr  string // host:port, as code inside sees it
	Endpoint string // URL of the platform; "" for none

	serving sync.WaitGroup // the endpoint
	close   func()
}

// Open makes a place as spec says.
func (o *Opener) Open(ctx context.Context, spec sandbox.Spec) (*Place, error) {
	box, err := o.Tier.Open(ctx, spec)
	if err != nil {
		return nil, fmt.Errorf("open sandbox: %w", err)
	}
	p := &Place{ID: spec.ID, Box: box, API: runtimeapi.New()}
	p.close = sync.OnceFunc(p.shut)
	if err := o.listen(p); err != nil {
		p.Close()
		return nil, err
	}
	return p, nil
}

func (o *Opener) listen(p *Place) error {
	l, err := p.Box.Listen(apiPort)
	if err != nil {
		return fmt.Errorf("listen for the runtime: %w", err)
	}
	p.API.Serve(l)
	p.APIAddr = l.Addr().String()
	if o.Endpoint == nil {
		return nil
	}
	if l, err = p.Box.Listen(o.EndpointPort); err != nil {
		return fmt.Errorf("listen for the platform: %w", err)
	}
	p.serving.Go(func() { o.Endpoint(l) })
	p.Endpoint = "http://" + l.Addr().String()
	return nil
}

// Close ends all that runs in p. When it returns, nothing of it is left. It may
// be called twice.
func (p *Place) Close() { p.close() }

func (p *Place) shut() {
	p.Box.Close()
	p.API.Close()
	p.serving.Wait()
}
