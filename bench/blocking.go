package main

import (
	"io"
	"net"
	"os"
	"syscall"
)

// A blocking connection waits in the kernel, in a read. A single caller so
// wakes by one switch, where Go's poller takes three and burns CPU in between;
// many callers are cheaper on the poller.
type blocking struct{ fd int }

// dialBlocking is dial for a client that is alone.
func dialBlocking(host string, sign *signer) (*client, error) {
	conn, err := net.Dial("tcp", host)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	file, err := conn.(*net.TCPConn).File() // another descriptor of the same connection
	if err != nil {
		return nil, err
	}
	defer file.Close()
	fd, err := syscall.Dup(int(file.Fd()))
	if err != nil {
		return nil, err
	}
	if err := syscall.SetNonblock(fd, false); err != nil {
		syscall.Close(fd)
		return nil, err
	}
	return newClient(host, sign, blocking{fd}), nil
}

func (b blocking) Read(p []byte) (int, error) {
	for {
		n, err := syscall.Read(b.fd, p)
		switch {
		case err == syscall.EINTR:
			continue
		case err != nil:
			return 0, os.NewSyscallError("read", err)
		case n == 0 && len(p) > 0:
			return 0, io.EOF
		}
		return n, nil
	}
}

func (b blocking) Write(p []byte) (int, error) {
	for sent := 0; sent < len(p); {
		n, err := syscall.Write(b.fd, p[sent:])
		if err == syscall.EINTR {
			continue
		}
		if err != nil {
			return sent, os.NewSyscallError("write", err)
		}
		sent += n
	}
	return len(p), nil
}

func (b blocking) Close() error { return syscall.Close(b.fd) }
