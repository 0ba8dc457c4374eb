//go:build unix

package sandbox

import (
	"fmt"
	"net"
	"os"
	"syscall"
)

// NewLink makes a pair of connected stream sockets: one end for the server, and
// one for a process, in Command.Files. The caller closes both; that of the
// process once it has it.
func NewLink() (net.Conn, *os.File, error) {
	syscall.ForkLock.RLock()
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err == nil {
		syscall.CloseOnExec(fds[0])
		syscall.CloseOnExec(fds[1])
	}
	syscall.ForkLock.RUnlock()
	if err != nil {
		return nil, nil, fmt.Errorf("sandbox: make link: %w", err)
	}
	ours, theirs := os.NewFile(uintptr(fds[0]), "link"), os.NewFile(uintptr(fds[1]), "link")
	c, err := net.FileConn(ours) // has a descriptor of its own
	ours.Close()
	if err != nil {
		theirs.Close()
		return nil, nil, fmt.Errorf("sandbox: make link: %w", err)
	}
	return link{c.(*net.UnixConn)}, theirs, nil
}

// A link is the server's end of one.
type link struct{ *net.UnixConn }

// Quiet reports whether the other side has said nothing that is still to be read,
// and has not ended the link. It does not wait.
func (l link) Quiet() bool {
	raw, err := l.SyscallConn()
	if err != nil {
		return false
	}
	quiet := false
	err = raw.Control(func(fd uintptr) {
		var b [1]byte
		_, _, err := syscall.Recvfrom(int(fd), b[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		quiet = err == syscall.EAGAIN
	})
	return err == nil && quiet
}
