//go:build linux && (amd64 || arm64)

package namespace

import (
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/google/nftables"
	"github.com/mayfly-faas/mayfly/internal/engine/sandbox"
	"github.com/vishvananda/netlink"
)

// A world is what is outside of the host that the tests run on: a network
// with one server, and a router that knows nothing of sandboxes.
type world struct {
	ns *os.File
}

// newWorld joins the host (the tests' own network namespace) with a world, once.
var newWorld = sync.OnceValues(func() (*world, error) {
	if err := linkUp("lo"); err != nil {
		return nil, err
	}
	ns, err := newNetns()
	if err != nil {
		return nil, err
	}
	attrs := netlink.NewLinkAttrs()
	attrs.Name = "uplink"
	if err := netlink.LinkAdd(&netlink.Veth{LinkAttrs: attrs, PeerName: "world", PeerNamespace: netlink.NsFd(ns.Fd())}); err != nil {
		return nil, err
	}
	if err := bringUp("uplink", network("203.0.113.1/24")); err != nil {
		return nil, err
	}
	if err := netlink.RouteAdd(&netlink.Route{Gw: net.ParseIP("203.0.113.2"), Dst: network("0.0.0.0/0")}); err != nil {
		return nil, err
	}
	return &world{ns}, inNetns(ns, func() error {
		if err := bringUp("world", network("203.0.113.2/24")); err != nil {
			return err
		}
		l, err := netlink.LinkByName("world")
		if err != nil {
			return err
		}
		return netlink.AddrAdd(l, &netlink.Addr{IPNet: network("169.254.169.254/32")})
	})
})

func network(s string) *net.IPNet {
	ip, n, err := net.ParseCIDR(s)
	if err != nil {
		panic(err)
	}
	n.IP = ip
	return n
}

func theWorld(t *testing.T) *world {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	w, err := newWorld()
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// listen answers connections on addr in ns with the address that they come from.
func listen(t *testing.T, ns *os.File, addr string) string {
	t.Helper()
	var l net.Listener
	err := inNetns(ns, func() (err error) { l, err = net.Listen("tcp", addr); return err })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			io.WriteString(c, c.RemoteAddr().String())
			c.Close()
		}
	}()
	return l.Addr().String()
}

func home(t *testing.T) *os.File {
	t.Helper()
	f, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// dial tells what the server at addr answers to code inside b.
func dial(t *testing.T, b sandbox.Sandbox, addr string) string {
	t.Helper()
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	return command(t, b, "/usr/bin/python3", "-I", "-S", "-c", fmt.Sprintf(`
import socket
try: print(socket.create_connection((%q, %s), 1).recv(100).decode())
except OSError as e: print("no:", e)
`, host, port))
}

// command returns what a command writes.
func command(t *testing.T, b sandbox.Sandbox, args ...string) string {
	t.Helper()
	var out strings.Builder
	p, err := b.Start(t.Context(), sandbox.Command{Args: args, Env: []string{"PATH=/usr/bin:/bin"}, Stdout: &out, Stderr: &out})
	if err != nil {
		t.Fatal(err)
	}
	<-p.Done()
	return strings.TrimSpace(out.String())
}

func openBox(t *testing.T, tier *Tier, id string, out bool) *box {
	t.Helper()
	b, err := tier.Open(t.Context(), sandbox.Spec{ID: id, TmpMB: 8, Outbound: out})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	return b.(*box)
}

func TestOutbound(t *testing.T) {
	w := theWorld(t)
	server := listen(t, w.ns, "203.0.113.2:0")
	metadata := listen(t, w.ns, "169.254.169.254:80")
	tier := newTestTier(t, t.TempDir())
	a, b, closed := openBox(t, tier, "a", true), openBox(t, tier, "b", true), openBox(t, tier, "closed", false)

	if got := dial(t, a, server); !strings.HasPrefix(got, "203.0.113.1:") {
		t.Errorf("the world sees %q", got)
	}
	if got := dial(t, closed, server); !strings.HasPrefix(got, "no:") {
		t.Errorf("without Outbound: %q", got)
	}
	if got := dial(t, a, metadata); !strings.HasPrefix(got, "no:") {
		t.Errorf("the cloud's metadata: %q", got)
	}
	hostEnd, bInside := b.way.addrs()
	aEnd, _ := a.way.addrs()
	for name, addr := range map[string]string{
		"the host's address":      listen(t, home(t), "203.0.113.1:0"),
		"the host's end":          listen(t, home(t), aEnd.IP.String()+":0"),
		"the host's other end":    listen(t, home(t), hostEnd.IP.String()+":0"),
		"all of the host's":       strings.Replace(listen(t, home(t), "0.0.0.0:0"), "0.0.0.0", aEnd.IP.String(), 1),
		"the neighbour's network": listen(t, b.net, bInside.IP.String()+":0"),
	} {
		if got := dial(t, a, addr); !strings.HasPrefix(got, "no:") {
			t.Errorf("%s (%s): %q", name, addr, got)
		}
	}
	if got := command(t, a, "/bin/cat", "/proc/net/if_inet6"); strings.Contains(got, "eth0") {
		t.Errorf("IPv6: %q", got)
	}
}

func TestNobodyReachesASandbox(t *testing.T) {
	w := theWorld(t)
	tier := newTestTier(t, t.TempDir())
	b := openBox(t, tier, "server", true)
	_, inside := b.way.addrs()
	addr := listen(t, b.net, inside.IP.String()+":0")
	err := inNetns(w.ns, func() error {
		// A neighbour on the host's network may try to route into the sandboxes'.
		r := &netlink.Route{Gw: net.ParseIP("203.0.113.1"), Dst: network(tier.nat.net.String())}
		if err := netlink.RouteAdd(r); err != nil {
			t.Fatal(err)
		}
		defer netlink.RouteDel(r)
		d := net.Dialer{Timeout: 1e9}
		c, err := d.DialContext(t.Context(), "tcp", addr)
		if err == nil {
			c.Close()
		}
		return err
	})
	if err == nil {
		t.Error("the world reaches into a sandbox")
	}
}

func TestTierRemovesItsRules(t *testing.T) {
	theWorld(t)
	tier, err := New(Config{StateDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	openBox(t, tier, "x", true).Close()
	tables := func() (n int) {
		all, err := (&nftables.Conn{}).ListTables()
		if err != nil {
			t.Fatal(err)
		}
		for _, table := range all {
			if table.Name == tier.name {
				n++
			}
		}
		return n
	}
	if tables() != 1 {
		t.Errorf("%d tables", tables())
	}
	if err := tier.Close(); err != nil {
		t.Fatal(err)
	}
	if tables() != 0 {
		t.Errorf("Close left %d tables", tables())
	}
}

func TestFreeNetAvoidsRoutes(t *testing.T) {
	theWorld(t)
	first, _, err := freeNet()
	if err != nil {
		t.Fatal(err)
	}
	taken := &netlink.Route{Gw: net.ParseIP("203.0.113.2"), Dst: network(netip.PrefixFrom(first.Addr().Next(), 24).Masked().String())}
	if err := netlink.RouteAdd(taken); err != nil {
		t.Fatal(err)
	}
	defer netlink.RouteDel(taken)
	second, _, err := freeNet()
	if err != nil || second == first {
		t.Errorf("%v, %v, then %v", first, err, second)
	}
}

func TestResolver(t *testing.T) {
	own := []netip.Addr{netip.MustParseAddr("192.0.2.7")}
	for _, c := range []struct{ in, conf, up string }{
		{"nameserver 10.1.1.1\n", "nameserver 10.1.1.1\n", ""},
		{"# x\nsearch a b\nnameserver 127.0.0.1\nnameserver 127.0.0.2\n", "nameserver 127.0.0.53\n", "127.0.0.1:53"},
		{"nameserver 192.0.2.7\nnameserver 9.9.9.9\n", "nameserver 127.0.0.53\nnameserver 9.9.9.9\n", "192.0.2.7:53"},
		{"nameserver ::1\n", "nameserver 127.0.0.53\n", "[::1]:53"},
		{"nameserver\nnameserver x\noptions ndots:2\n", "", ""},
	} {
		r := newResolver(c.in, own)
		if !strings.HasSuffix(r.conf, c.conf) || r.upstream != c.up {
			t.Errorf("%q: %+v", c.in, r)
		}
	}
}

func FuzzResolver(f *testing.F) {
	f.Add("nameserver 127.0.0.1\noptions a\n")
	f.Fuzz(func(t *testing.T, conf string) {
		r := newResolver(conf, nil)
		if strings.Contains(r.conf, relayAddr[:len(relayAddr)-3]) != (r.upstream != "") && !strings.Contains(conf, "127.0.0.53") {
			t.Errorf("%q: %+v", conf, r)
		}
	})
}

// TestRelay asks a resolver that listens on the host's loopback alone.
func TestRelay(t *testing.T) {
	theWorld(t)
	tier := newTestTier(t, t.TempDir())
	up, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer up.Close()
	go func() {
		b := make([]byte, 512)
		for {
			n, from, err := up.ReadFrom(b)
			if err != nil {
				return
			}
			up.WriteTo(append([]byte("re: "), b[:n]...), from)
		}
	}()
	tcp, err := net.Listen("tcp4", up.LocalAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer tcp.Close()
	go func() {
		for {
			c, err := tcp.Accept()
			if err != nil {
				return
			}
			io.WriteString(c, "by tcp")
			c.Close()
		}
	}()
	tier.names.upstream = up.LocalAddr().String()
	b := openBox(t, tier, "asks", true)
	got := command(t, b, "/usr/bin/python3", "-I", "-S", "-c", `
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(30)
s.sendto(b"who", ("127.0.0.53", 53))
print(s.recv(100).decode(), socket.create_connection(("127.0.0.53", 53)).recv(100).decode())
`)
	if got != "re: who by tcp" {
		t.Errorf("got %q", got)
	}
}
