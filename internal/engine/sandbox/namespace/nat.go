//go:build linux && (amd64 || arm64)

package namespace

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// linkPrefix begins the names of the links that lead into sandboxes.
const linkPrefix = "mfly"

// A nat leads sandboxes out into the world, and nowhere else: not to the
// host's own services, not to each other, not to the addresses where clouds keep the
// host's credentials. Nobody outside reaches a sandbox.
type nat struct {
	table string // name of the nftables table
	links string // what the names of our links begin with
	mtu   int
	net   netip.Prefix // where addresses are from: each sandbox has two

	mu   sync.Mutex // guards what is below
	used map[int]bool
}

// newNAT prepares the host: forwarding, and the rules.
func newNAT(name string) (*nat, error) {
	prefix, mtu, err := freeNet()
	if err != nil {
		return nil, err
	}
	n := &nat{table: name, links: linkPrefix + name[len(name)-4:], mtu: mtu, net: prefix, used: map[int]bool{}}
	if err := n.rules(); err != nil {
		return nil, fmt.Errorf("set nftables rules: %w", err)
	}
	const forward = "/proc/sys/net/ipv4/ip_forward"
	if err := os.WriteFile(forward, []byte("1"), 0); err != nil {
		return nil, errors.Join(err, n.close())
	}
	return n, nil
}

// candidateNets are where sandboxes' addresses may be from.
func candidateNets() []string {
	return []string{"10.213.0.0/16", "10.187.0.0/16", "172.29.0.0/16", "172.23.0.0/16", "192.168.0.0/16", "100.125.0.0/16"}
}

// freeNet returns a network that no route of the host leads into, and the
// smallest MTU of the way out.
func freeNet() (netip.Prefix, int, error) {
	routes, err := netlink.RouteList(nil, netlink.FAMILY_V4)
	if err != nil {
		return netip.Prefix{}, 0, fmt.Errorf("list routes: %w", err)
	}
	mtu := 1500
	var taken []netip.Prefix
	for _, r := range routes {
		if r.Dst != nil {
			if p, err := netip.ParsePrefix(r.Dst.String()); err == nil && p.Bits() > 0 {
				taken = append(taken, p)
				continue
			}
		}
		if l, err := netlink.LinkByIndex(r.LinkIndex); err == nil {
			mtu = min(mtu, l.Attrs().MTU)
		}
	}
	for _, c := range candidateNets() {
		p := netip.MustParsePrefix(c)
		free := true
		for _, t := range taken {
			free = free && !p.Overlaps(t)
		}
		if free {
			return p, mtu, nil
		}
	}
	return netip.Prefix{}, 0, errors.New("no free network for sandboxes' addresses")
}

// rules makes our table, anew.
func (n *nat) rules() error {
	if err := n.close(); err != nil {
		return err
	}
	c := &nftables.Conn{}
	t := c.AddTable(&nftables.Table{Family: nftables.TableFamilyINet, Name: n.table})
	chain := func(name string, kind nftables.ChainType, hook *nftables.ChainHook, priority *nftables.ChainPriority) func(...[]expr.Any) {
		ch := c.AddChain(&nftables.Chain{Name: name, Table: t, Type: kind, Hooknum: hook, Priority: priority})
		return func(parts ...[]expr.Any) {
			var all []expr.Any
			for _, p := range parts {
				all = append(all, p...)
			}
			c.AddRule(&nftables.Rule{Table: t, Chain: ch, Exprs: all})
		}
	}
	from, to := n.link(expr.MetaKeyIIFNAME), n.link(expr.MetaKeyOIFNAME)
	verdict := func(k expr.VerdictKind) []expr.Any { return []expr.Any{&expr.Verdict{Kind: k}} }

	input := chain("input", nftables.ChainTypeFilter, nftables.ChainHookInput, nftables.ChainPriorityFilter)
	input(from, replies(), verdict(expr.VerdictAccept))
	input(from, verdict(expr.VerdictDrop))

	forward := chain("forward", nftables.ChainTypeFilter, nftables.ChainHookForward, nftables.ChainPriorityFilter)
	forward(from, to, verdict(expr.VerdictDrop))
	forward(from, ipv4(16, netip.MustParsePrefix("169.254.0.0/16")), verdict(expr.VerdictDrop))
	forward(to, replies(), verdict(expr.VerdictAccept))
	forward(to, verdict(expr.VerdictDrop))

	post := chain("postrouting", nftables.ChainTypeNAT, nftables.ChainHookPostrouting, nftables.ChainPriorityNATSource)
	post(ipv4(12, n.net), []expr.Any{&expr.Masq{}})
	return c.Flush()
}

// link matches packets by a link of ours: names are compared as far as the
// data goes.
func (n *nat) link(key expr.MetaKey) []expr.Any {
	return []expr.Any{&expr.Meta{Key: key, Register: 1}, &expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: []byte(n.links)}}
}

// replies matches packets that belong to something allowed before.
func replies() []expr.Any {
	return []expr.Any{
		&expr.Ct{Key: expr.CtKeySTATE, Register: 1},
		&expr.Bitwise{SourceRegister: 1, DestRegister: 1, Len: 4,
			Mask: binaryutil.NativeEndian.PutUint32(expr.CtStateBitESTABLISHED | expr.CtStateBitRELATED), Xor: make([]byte, 4)},
		&expr.Cmp{Op: expr.CmpOpNeq, Register: 1, Data: make([]byte, 4)},
	}
}

// ipv4 matches IPv4 packets by an address in their header: the source's is at
// 12, the destination's at 16.
func ipv4(offset uint32, p netip.Prefix) []expr.Any {
	return []expr.Any{
		&expr.Meta{Key: expr.MetaKeyNFPROTO, Register: 1},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: []byte{unix.NFPROTO_IPV4}},
		&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseNetworkHeader, Offset: offset, Len: 4},
		&expr.Bitwise{SourceRegister: 1, DestRegister: 1, Len: 4, Mask: net.CIDRMask(p.Bits(), 32), Xor: make([]byte, 4)},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: p.Addr().AsSlice()},
	}
}

// close removes our table, if it is there.
func (n *nat) close() error { return removeTable(n.table) }

func removeTable(name string) error {
	c := &nftables.Conn{}
	tables, err := c.ListTablesOfFamily(nftables.TableFamilyINet)
	if err != nil {
		return fmt.Errorf("list nftables: %w", err)
	}
	for _, t := range tables {
		if t.Name == name {
			c.DelTable(t)
			return c.Flush()
		}
	}
	return nil
}

// A way is one sandbox's way out. It ends with the sandbox's network
// namespace, in which one end of it is.
type way struct {
	nat    *nat
	number int
}

// open leads out of the network namespace ns.
func (n *nat) open(ns *os.File) (*way, error) {
	w := &way{nat: n, number: n.number()}
	if w.number < 0 {
		return nil, errors.New("no address is left")
	}
	if err := w.connect(ns); err != nil {
		w.close()
		return nil, fmt.Errorf("make a way out: %w", err)
	}
	return w, nil
}

// number takes a free number: two addresses, and a name.
func (n *nat) number() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	for i := 1; i < 1<<(31-n.net.Bits()); i++ {
		if !n.used[i] {
			n.used[i] = true
			return i
		}
	}
	return -1
}

// addrs are the host's and the sandbox's address.
func (w *way) addrs() (host, inside *net.IPNet) {
	base := w.nat.net.Addr().As4()
	ip := func(i int) *net.IPNet {
		return &net.IPNet{IP: net.IPv4(base[0], base[1], base[2]+byte(i>>8), base[3]+byte(i)), Mask: net.CIDRMask(31, 32)}
	}
	return ip(2 * w.number), ip(2*w.number + 1)
}

// name is our end's.
func (w *way) name() string { return fmt.Sprintf("%s%d", w.nat.links, w.number) }

func (w *way) connect(ns *os.File) error {
	host, inside := w.addrs()
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.MTU = w.name(), w.nat.mtu
	veth := &netlink.Veth{LinkAttrs: attrs, PeerName: "eth0", PeerNamespace: netlink.NsFd(ns.Fd())}
	if err := netlink.LinkAdd(veth); err != nil {
		return fmt.Errorf("add link: %w", err)
	}
	// No IPv6: a link-local address of the host is the host's, too.
	_ = os.WriteFile("/proc/sys/net/ipv6/conf/"+w.name()+"/disable_ipv6", []byte("1"), 0)
	if err := bringUp(w.name(), host); err != nil {
		return err
	}
	return inNetns(ns, func() error {
		_ = os.WriteFile("/proc/sys/net/ipv6/conf/eth0/disable_ipv6", []byte("1"), 0)
		if err := bringUp("eth0", inside); err != nil {
			return err
		}
		return netlink.RouteAdd(&netlink.Route{Gw: host.IP, Dst: &net.IPNet{IP: net.IPv4zero, Mask: net.CIDRMask(0, 32)}})
	})
}

func bringUp(name string, addr *net.IPNet) error {
	l, err := netlink.LinkByName(name)
	if err != nil {
		return err
	}
	if err := netlink.AddrAdd(l, &netlink.Addr{IPNet: addr}); err != nil {
		return fmt.Errorf("address of %s: %w", name, err)
	}
	return netlink.LinkSetUp(l)
}

// close removes our end, which is faster than waiting until the kernel has
// taken the namespace apart, and gives the addresses back.
func (w *way) close() {
	if w == nil {
		return
	}
	if l, err := netlink.LinkByName(w.name()); err == nil {
		_ = netlink.LinkDel(l)
	}
	w.nat.mu.Lock()
	defer w.nat.mu.Unlock()
	delete(w.nat.used, w.number)
}
