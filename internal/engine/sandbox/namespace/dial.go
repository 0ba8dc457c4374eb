//go:build linux && (amd64 || arm64)

package namespace

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// Dial connects to what listens inside. A socket stays in the network namespace
// that it was made in, so it is made there and connected from here.
func (b *box) Dial(ctx context.Context, port int) (net.Conn, error) {
	f, err := b.socketInside()
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if err := connect(ctx, f, port); err != nil {
		return nil, fmt.Errorf("namespace: dial port %d: %w", port, err)
	}
	c, err := net.FileConn(f) // has a descriptor of its own
	if err != nil {
		return nil, fmt.Errorf("namespace: dial port %d: %w", port, err)
	}
	return c, nil
}

// socketInside makes a TCP socket in the sandbox's network namespace.
func (b *box) socketInside() (f *os.File, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return nil, errClosed
	}
	if !b.tier.rootless {
		err = inNetns(b.net, func() error {
			fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
			if err == nil {
				f = os.NewFile(uintptr(fd), "socket")
			}
			return err
		})
	} else if b.holder == nil {
		err = errNoInit
	} else {
		const sock = imageFD // the init has nothing else open
		p := &program{}
		p.try("make a socket", unix.SYS_SOCKET, num(unix.AF_INET), num(unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK), num(0))
		p.pass(sock)
		p.try("close the socket", unix.SYS_CLOSE, num(sock))
		p.chain()
		f, err = b.holder.fetch(p)
	}
	if err != nil {
		return nil, fmt.Errorf("namespace: make a socket: %w", err)
	}
	return f, nil
}

// connect connects a socket to a port of its loopback, for as long as ctx lets it.
func connect(ctx context.Context, f *os.File, port int) error {
	raw, err := f.SyscallConn()
	if err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { f.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	addr := &unix.SockaddrInet4{Port: port, Addr: [4]byte{127, 0, 0, 1}}
	werr := raw.Write(func(fd uintptr) bool { // is called again when the socket can be written to
		err = unix.Connect(int(fd), addr)
		return err != unix.EINPROGRESS && err != unix.EALREADY && err != unix.EINTR
	})
	if err == unix.EISCONN {
		err = nil
	}
	if werr != nil {
		return errors.Join(ctx.Err(), werr)
	}
	return err
}
