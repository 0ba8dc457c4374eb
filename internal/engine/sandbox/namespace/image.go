//go:build linux && (amd64 || arm64)

package namespace

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// Where things are in the memory of a process that runs a program.
const (
	codeBase    = 0x400000
	programBase = 0x10000000
	programRoom = 1 << 20
)

// elf returns a static executable of a few hundred bytes: the machine, and
// room for a program.
func elf(code []byte) []byte {
	const headers = 64 + 3*56
	size := uint64(headers + len(code))
	var b bytes.Buffer
	put := func(v any) { _ = binary.Write(&b, binary.LittleEndian, v) } // a Buffer does not fail
	put([16]byte{0x7f, 'E', 'L', 'F', 2, 1, 1})                         // 64 bits, little endian
	put([]uint16{2, elfMachine})                                        // ET_EXEC
	put(uint32(1))                                                      // version
	put([]uint64{codeBase + headers, 64, 0})                            // entry, program headers, no sections
	put(uint32(0))                                                      // flags
	put([]uint16{64, 56, 3, 0, 0, 0})                                   // sizes and counts
	segment := func(kind, flags uint32, addr, inFile, inMemory, align uint64) {
		put([]uint32{kind, flags})
		put([]uint64{0, addr, addr, inFile, inMemory, align})
	}
	segment(unix.PT_LOAD, unix.PF_R|unix.PF_X, codeBase, size, size, 0x10000)
	segment(unix.PT_LOAD, unix.PF_R|unix.PF_W, programBase, 0, programRoom, 0x10000)
	segment(unix.PT_GNU_STACK, unix.PF_R|unix.PF_W, 0, 0, 0, 16)
	b.Write(code)
	return b.Bytes()
}

// newImage puts code into a sealed file in memory. An executable is run through
// /proc/self/fd.
func newImage(code []byte) (*os.File, error) {
	// While a forked child holds the writable descriptor the file cannot be
	// run, so no fork may happen in between.
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	fd, err := unix.MemfdCreate("mayfly-sandbox", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		return nil, fmt.Errorf("memfd_create: %w", err)
	}
	w := os.NewFile(uintptr(fd), "mayfly-sandbox")
	defer w.Close()
	if _, err := w.Write(code); err != nil {
		return nil, err
	}
	if err := w.Chmod(0o555); err != nil {
		return nil, err
	}
	const seals = unix.F_SEAL_SEAL | unix.F_SEAL_SHRINK | unix.F_SEAL_GROW | unix.F_SEAL_WRITE
	if _, err := unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, seals); err != nil {
		return nil, fmt.Errorf("seal: %w", err)
	}
	return os.Open(fmt.Sprintf("/proc/self/fd/%d", fd))
}
