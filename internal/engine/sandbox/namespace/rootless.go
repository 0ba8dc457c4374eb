//go:build linux && (amd64 || arm64)

package namespace

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// Without root a sandbox begins with a user namespace of its own, where its init
// has the rights to build the rest. All sandboxes are, to the host, the user that
// the server is; what keeps them apart is that none sees another, nor the server.
// The network, too, belongs to that user namespace, which no thread of ours can
// join: so the init makes the sockets that we listen on. Control groups are there
// when a part of the tree is delegated to us. There is no way out of the host.

// rootlessUID is the user that code is inside, as on AWS.
const rootlessUID = 993

// errForbidden is the error of New where an ordinary user may not make sandboxes.
var errForbidden = errors.New("an ordinary user may not make user namespaces here")

// userNamespace is what makes a process the init of a sandbox without root. The
// rights pass through the execution of the machine as ambient ones, because it is
// not root inside either.
func userNamespace() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{
		Cloneflags: unix.CLONE_NEWUSER | unix.CLONE_NEWNET | unix.CLONE_NEWPID | unix.CLONE_NEWIPC |
			unix.CLONE_NEWUTS | unix.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: rootlessUID, HostID: os.Geteuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: rootlessUID, HostID: os.Getegid(), Size: 1}},
		AmbientCaps: []uintptr{unix.CAP_SYS_ADMIN, unix.CAP_NET_ADMIN, unix.CAP_SETPCAP},
	}
}

// forbidden says why err may be, and what to do about it.
func forbidden(err error) error {
	advice := "a container needs to be told: an unmasked /proc, and no filter of system calls that denies namespaces"
	for _, s := range []struct{ name, bad, good string }{
		{"kernel.unprivileged_userns_clone", "0", "1"},
		{"kernel.apparmor_restrict_unprivileged_userns", "1", "0"},
		{"user.max_user_namespaces", "0", "15000"},
	} {
		b, _ := os.ReadFile("/proc/sys/" + strings.ReplaceAll(s.name, ".", "/"))
		if strings.TrimSpace(string(b)) == s.bad {
			advice = fmt.Sprintf("root can allow it: sysctl -w %s=%s", s.name, s.good)
			break
		}
	}
	return fmt.Errorf("%w (%s): %w", errForbidden, advice, err)
}

// loopback brings lo up in the network namespace that the process is in.
func (p *program) loopback() {
	ifreq := make([]byte, 40)
	copy(ifreq, "lo")
	binary.NativeEndian.PutUint16(ifreq[unix.IFNAMSIZ:], unix.IFF_UP)
	p.do("make a socket", unix.SYS_SOCKET, num(unix.AF_INET), num(unix.SOCK_DGRAM), num(0))
	p.do("bring lo up", unix.SYS_IOCTL, num(firstFD), num(unix.SIOCSIFFLAGS), p.bytes(ifreq))
	p.do("close the socket", unix.SYS_CLOSE, num(firstFD))
}

// listenInside lets the init listen, and hand us the socket; b.mu is held. A
// call that must succeed would end the init: whether the socket has the port is
// seen afterwards.
func (b *box) listenInside(port int) (net.Listener, error) {
	if b.holder == nil {
		return nil, errNoInit
	}
	const sock = imageFD // the init has nothing else open
	addr := binary.NativeEndian.AppendUint16(nil, unix.AF_INET)
	addr = append(binary.BigEndian.AppendUint16(addr, uint16(port)), 127, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0)
	p := &program{}
	p.try("make a socket", unix.SYS_SOCKET, num(unix.AF_INET), num(unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK), num(0))
	p.try("reuse the address", unix.SYS_SETSOCKOPT, num(sock), num(unix.SOL_SOCKET), num(unix.SO_REUSEADDR), p.words(num(1)), num(4))
	p.try("bind", unix.SYS_BIND, num(sock), p.bytes(addr), num(len(addr)))
	p.try("listen", unix.SYS_LISTEN, num(sock), num(unix.SOMAXCONN))
	p.pass(sock)
	p.try("close the socket", unix.SYS_CLOSE, num(sock))
	p.chain()
	f, err := b.holder.fetch(p)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	l, err := net.FileListener(f)
	if err != nil {
		return nil, err
	}
	if got := l.Addr().(*net.TCPAddr).Port; port != 0 && got != port {
		l.Close()
		return nil, unix.EADDRINUSE
	}
	return l, nil
}
