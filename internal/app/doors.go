package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"sync"
	"syscall"

	"github.com/mayfly-faas/mayfly/internal/cli"
	"github.com/mayfly-faas/mayfly/internal/listen"
)

// insideConnections bounds what functions, all together, may hold open to the API.
const insideConnections = 4096

// doors are the listeners of a server: one in clear, and one for TLS if there is
// a certificate.
type doors struct {
	plain       net.Listener
	secure      net.Listener // nil for none
	certificate *listen.Certificate
}

func openDoors(o cli.ServeOptions) (d *doors, err error) {
	d = &doors{}
	defer func() {
		if err != nil {
			d.close()
		}
	}()
	if d.plain, err = net.Listen("tcp", o.Listen); err != nil {
		return d, fmt.Errorf("listen: %w", err)
	}
	if o.ListenTLS == "" {
		return d, nil
	}
	if d.certificate, err = listen.LoadCertificate(o.TLSCert, o.TLSKey); err != nil {
		return d, err
	}
	if d.secure, err = net.Listen("tcp", o.ListenTLS); err != nil {
		return d, fmt.Errorf("listen for TLS: %w", err)
	}
	return d, nil
}

// close is for doors that were not served, too.
func (d *doors) close() {
	if d.plain != nil {
		d.plain.Close()
	}
	if d.secure != nil {
		d.secure.Close()
	}
}

// serve lets s answer at the doors until ctx ends or a listener breaks, which
// calls ended. What it starts ends with s, and is counted in running.
func (d *doors) serve(ctx context.Context, running *sync.WaitGroup, s *listen.Server, ended context.CancelCauseFunc) {
	running.Go(func() { ended(s.Serve(d.plain)) })
	if d.secure == nil {
		return
	}
	slog.Info("TLS", "address", d.secure.Addr().String(), "certificate", d.certificate)
	running.Go(func() { ended(s.ServeTLS(d.secure, d.certificate)) })
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	running.Go(func() {
		defer signal.Stop(hangup)
		for {
			select {
			case <-hangup:
				reload(d.certificate)
			case <-ctx.Done():
				return
			}
		}
	})
}

// reload is what SIGHUP asks for. The certificate is looked at with every
// handshake anyway; this says at once whether it holds.
func reload(c *listen.Certificate) {
	if err := c.Reload(); err != nil {
		slog.Error("the new certificate does not hold; the old one serves on", "err", errors.Unwrap(err))
		return
	}
	slog.Info("certificate", "now", c)
}
