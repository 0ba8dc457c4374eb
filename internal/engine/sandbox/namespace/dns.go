//go:build linux && (amd64 || arm64)

package namespace

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"time"
)

// A relay passes questions about names from inside a sandbox to the host's
// resolver, where that one listens on an address of the host, which sandboxes
// do not reach. It is a plain carrier: it does not read what it carries.
type relay struct {
	upstream string
	udp      net.PacketConn
	tcp      net.Listener
	room     chan struct{} // bounds questions under way
	wg       sync.WaitGroup

	mu     sync.Mutex // guards what is below
	conns  map[net.Conn]bool
	closed bool
}

// keep makes close end c; it tells whether there is any use in going on.
func (r *relay) keep(c net.Conn) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.conns[c] = true
	return !r.closed
}

func (r *relay) drop(c net.Conn) {
	c.Close()
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.conns, c)
}

// relayAddr is where the relay listens inside.
const relayAddr = "127.0.0.53:53"

// questionTime bounds one question.
const questionTime = 10 * time.Second

// newRelay starts a relay inside ns.
func newRelay(ns *os.File, upstream string) (r *relay, err error) {
	r = &relay{upstream: upstream, room: make(chan struct{}, 64), conns: map[net.Conn]bool{}}
	err = inNetns(ns, func() error {
		if r.udp, err = net.ListenPacket("udp4", relayAddr); err != nil {
			return err
		}
		r.tcp, err = net.Listen("tcp4", relayAddr)
		return err
	})
	if err != nil {
		if r.udp != nil {
			r.udp.Close()
		}
		return nil, err
	}
	r.wg.Go(r.serveUDP)
	r.wg.Go(r.serveTCP)
	return r, nil
}

func (r *relay) serveUDP() {
	for {
		b := make([]byte, 4096)
		n, from, err := r.udp.ReadFrom(b)
		if err != nil {
			return
		}
		select {
		case r.room <- struct{}{}:
		default:
			continue // as any resolver does that has too much to do
		}
		r.wg.Go(func() {
			defer func() { <-r.room }()
			r.ask(b[:n], from)
		})
	}
}

func (r *relay) ask(question []byte, from net.Addr) {
	c, err := net.DialTimeout("udp", r.upstream, questionTime)
	if err != nil {
		return
	}
	defer r.drop(c)
	if !r.keep(c) {
		return
	}
	_ = c.SetDeadline(time.Now().Add(questionTime))
	if _, err := c.Write(question); err != nil {
		return
	}
	answer := make([]byte, 1<<16)
	if n, err := c.Read(answer); err == nil {
		_, _ = r.udp.WriteTo(answer[:n], from)
	}
}

func (r *relay) serveTCP() {
	for {
		in, err := r.tcp.Accept()
		if err != nil {
			return
		}
		r.room <- struct{}{}
		r.wg.Go(func() {
			defer func() { <-r.room }()
			defer r.drop(in)
			if r.keep(in) {
				r.carry(in)
			}
		})
	}
}

func (r *relay) carry(in net.Conn) {
	out, err := net.DialTimeout("tcp", r.upstream, questionTime)
	if err != nil {
		return
	}
	defer r.drop(out)
	if !r.keep(out) {
		return
	}
	end := time.Now().Add(questionTime)
	_ = errors.Join(in.SetDeadline(end), out.SetDeadline(end))
	done := make(chan struct{})
	go func() { io.Copy(out, in); out.Close(); close(done) }()
	io.Copy(in, out)
	in.Close()
	<-done
}

// close ends the relay, and waits for what is under way.
func (r *relay) close() {
	if r == nil {
		return
	}
	r.udp.Close()
	r.tcp.Close()
	r.mu.Lock()
	r.closed = true
	for c := range r.conns {
		c.Close()
	}
	r.mu.Unlock()
	r.wg.Wait()
}

// A resolver is how sandboxes resolve names.
type resolver struct {
	conf     string // resolv.conf inside
	upstream string // where a relay has to pass questions to; "" for no relay
}

// newResolver decides by the host's resolv.conf and the host's addresses.
func newResolver(conf string, own []netip.Addr) resolver {
	var r resolver
	for line := range strings.Lines(conf) {
		f := strings.Fields(line)
		if len(f) != 2 || f[0] != "nameserver" {
			if len(f) > 0 && (f[0] == "search" || f[0] == "options") {
				r.conf += strings.Join(f, " ") + "\n"
			}
			continue
		}
		a, err := netip.ParseAddr(f[1])
		if err != nil {
			continue
		}
		switch {
		case isOwn(a, own) && r.upstream == "":
			r.upstream = netip.AddrPortFrom(a, 53).String()
			r.conf += "nameserver " + netip.MustParseAddrPort(relayAddr).Addr().String() + "\n"
		case !isOwn(a, own) && a.Is4(): // sandboxes have no IPv6
			r.conf += "nameserver " + a.String() + "\n"
		}
	}
	return r
}

func isOwn(a netip.Addr, own []netip.Addr) bool {
	for _, o := range own {
		if o == a {
			return true
		}
	}
	return a.IsLoopback() || a.IsLinkLocalUnicast()
}

// hostResolver reads the host's.
func hostResolver() resolver {
	conf, _ := os.ReadFile("/etc/resolv.conf")
	addrs, _ := net.InterfaceAddrs()
	var own []netip.Addr
	for _, a := range addrs {
		if p, err := netip.ParsePrefix(a.String()); err == nil {
			own = append(own, p.Addr())
		}
	}
	return newResolver(string(conf), own)
}
