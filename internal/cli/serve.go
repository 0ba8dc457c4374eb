package cli

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"syscall"
	"time"

	"github.com/spf13/cobra"
)

func (p *program) serveCommand() *cobra.Command {
	o := ServeOptions{Version: p.version}
	var auth, level, format string
	c := &cobra.Command{
		Use: "serve", Short: "Run a server", Args: args(0, 0, "no arguments"),
		Long: `Run a server until it is interrupted. With no flags it listens on this machine
alone and keeps everything in the data folder; the first start makes a key.

Running invocations may end before the server stops; a second Ctrl-C stops it at once.`,
		Example: `  mayfly serve
  mayfly serve --listen 0.0.0.0:4566 --data /var/lib/mayfly
  mayfly serve --auth off        # any credentials will do: on this machine only
  mayfly serve --listen-tls 0.0.0.0:443 --tls-cert chain.pem --tls-key key.pem --host api.example.com`,
		RunE: func(c *cobra.Command, _ []string) (err error) {
			if o.AuthOff, err = authOff(auth, o.Listen); err != nil {
				return err
			}
			if err = withTLS(&o, auth); err != nil {
				return err
			}
			if err := oneOf("--tier", o.Tier, "auto", "namespace", "process"); err != nil {
				return err
			}
			if o.Data, err = p.folder(); err != nil {
				return err
			}
			log, err := p.logger(level, format)
			if err != nil {
				return err
			}
			slog.SetDefault(log)
			p.greet(o)
			return busy(p.serve(c.Context(), o), o.Listen)
		},
	}
	f := c.Flags()
	f.StringVar(&o.Listen, "listen", defaultListen, "address to listen on")
	f.StringVar(&o.ListenTLS, "listen-tls", "", "address to listen on for HTTPS, beside --listen; needs --tls-cert and --tls-key")
	f.StringVar(&o.TLSCert, "tls-cert", "", "PEM file of the certificate and its chain; may be replaced while the server runs")
	f.StringVar(&o.TLSKey, "tls-key", "", "PEM file of the certificate's key")
	f.StringVar(&o.Region, "region", defaultRegion, "region that ARNs name; requests may be signed for any")
	f.StringVar(&auth, "auth", "on", "on: check signatures; off: accept any credentials (loopback only)")
	f.StringVar(&o.Tier, "tier", "auto", "isolation of functions: auto, namespace, process (none)")
	f.BoolVar(&o.Near, "near-runtimes", false, "run a runtime on a near version of its interpreter if its own is not here")
	f.StringSliceVar(&o.Hosts, "host", nil, "a further name by which clients reach the server; others are refused")
	f.BoolVar(&o.Offline, "offline", false, "functions cannot reach the world outside this machine")
	f.StringVar(&o.DynamoDB, "dynamodb-endpoint", "", "URL of a DynamoDB whose streams functions may read; {region} in it is the stream's")
	f.IntVar(&o.Concurrency, "concurrency", 1000, "the account's limit of concurrent executions")
	f.IntVar(&o.LogsMB, "logs-mb", 2048, "keep so many MB of function logs; the oldest go first")
	f.IntVar(&o.MemoryMB, "memory-mb", 0, "MB that all sandboxes together may use; 0: four fifths of the machine's, -1: no limit")
	f.IntVar(&o.BlanksMB, "blanks-mb", 0, "MB for interpreters started ahead of cold starts; 0: a sixteenth of the machine's, -1: none")
	f.DurationVar(&o.KeepWarm, "keep-warm", 30*time.Minute, "the longest that an idle sandbox is kept while there is memory; less where calls come back sooner")
	f.StringVar(&level, "log-level", "info", "debug, info, warn, error")
	f.StringVar(&format, "log-format", "text", "text, json")
	return c
}

// greet tells a person, not a service manager's log, how to go on.
func (p *program) greet(o ServeOptions) {
	if p.errTerm {
		fmt.Fprintf(p.err, "%s in another terminal, point AWS clients here:  eval \"$(mayfly env%s)\"\n", p.paintErr(green, "mayfly:"), p.dataFlag())
	}
	if o.AuthOff {
		slog.Warn("signatures are not checked: every program on this machine may do anything here", "auth", "off")
	}
}

// busy explains an address that is taken.
func busy(err error, listen string) error {
	if !errors.Is(err, syscall.EADDRINUSE) {
		return err
	}
	if e, ok := errors.AsType[*net.OpError](err); ok && e.Addr != nil {
		listen = e.Addr.String()
	}
	return fail("%s is taken by another program", listen).next("is a server running already? see `mayfly list`; or choose another address with --listen")
}

// authOff reads --auth. Off is for one person on one machine: whoever reaches
// the port may run code as any function.
func authOff(auth, listen string) (bool, error) {
	if err := oneOf("--auth", auth, "on", "off"); err != nil {
		return false, err
	}
	host, _, err := net.SplitHostPort(listen)
	if err != nil {
		return false, usage("--listen %s is not an address", listen).next("it looks like %s", defaultListen)
	}
	if auth == "off" && !loopback(host) {
		return false, usage("--auth off is refused on %s: whoever reaches that address could run code on this machine", listen).
			next("listen on %s, or leave --auth on", defaultListen)
	}
	return auth == "off", nil
}

// withTLS reads the flags of TLS: all of them, or none.
func withTLS(o *ServeOptions, auth string) error {
	switch {
	case o.ListenTLS == "" && o.TLSCert == "" && o.TLSKey == "":
		return nil
	case o.ListenTLS == "" || o.TLSCert == "" || o.TLSKey == "":
		return usage("--listen-tls, --tls-cert and --tls-key go together").next("it looks like: mayfly serve --listen-tls 127.0.0.1:4567 --tls-cert chain.pem --tls-key key.pem")
	}
	host, _, err := net.SplitHostPort(o.ListenTLS)
	if err != nil {
		return usage("--listen-tls %s is not an address", o.ListenTLS).next("it looks like 127.0.0.1:4567")
	}
	if auth == "off" && !loopback(host) {
		return usage("--auth off is refused on %s: whoever reaches that address could run code on this machine", o.ListenTLS).
			next("listen on 127.0.0.1:4567, or leave --auth on")
	}
	return nil
}

func loopback(host string) bool {
	if host == "localhost" {
		return true
	}
	a, err := netip.ParseAddr(host)
	return err == nil && a.Unmap().IsLoopback()
}

// oneOf refuses a flag's value that is none of those allowed.
func oneOf(flag, value string, allowed ...string) error {
	for _, a := range allowed {
		if value == a {
			return nil
		}
	}
	return usage("%s %s is none of %q", flag, value, allowed)
}

// logger writes the server's log to standard error.
func (p *program) logger(level, format string) (*slog.Logger, error) {
	var l slog.Level
	if err := l.UnmarshalText([]byte(level)); err != nil {
		return nil, usage("--log-level %s is none of [debug info warn error]", level)
	}
	if err := oneOf("--log-format", format, "text", "json"); err != nil {
		return nil, err
	}
	o := &slog.HandlerOptions{Level: l}
	if format == "json" {
		return slog.New(slog.NewJSONHandler(p.err, o)), nil
	}
	return slog.New(slog.NewTextHandler(p.err, o)), nil
}
