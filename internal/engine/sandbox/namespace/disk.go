//go:build linux && (amd64 || arm64)

package namespace

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// disks makes block devices for /tmp: an ext4 file system in a sparse file
// that has no name any more, behind a loop device that frees itself. When the server
// is killed nothing is left of it. What code writes to such a disk is page
// cache that can be reclaimed, while a tmpfs would eat the function's memory.
type disks struct {
	dir  string
	mkfs string // path of mkfs.ext4

	mu        sync.Mutex // guards what is below, and the making of templates
	templates map[int]*os.File
	idle      []*disk // as good as new
	most      int     // that idle may hold
}

// A disk is one loop device, until it is given back.
type disk struct {
	device    string
	megabytes int
	loop      *os.File // with the last descriptor, and no mount, the kernel frees it
	back      *os.File // what is on it
}

// newDisks tells whether this machine can make disks.
func newDisks(dir string) (*disks, error) {
	mkfs, err := exec.LookPath("mkfs.ext4")
	if err != nil {
		if mkfs, err = exec.LookPath("/usr/sbin/mkfs.ext4"); err != nil {
			return nil, err
		}
	}
	if f, err := os.OpenFile("/dev/loop-control", os.O_RDWR, 0); err != nil {
		return nil, err
	} else {
		f.Close()
	}
	return &disks{dir: dir, mkfs: mkfs, templates: map[int]*os.File{}}, nil
}

// template returns an image of a file system with this much room, made once.
// It is in memory: mkfs waits for the disk at its end.
func (d *disks) template(megabytes int) (*os.File, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if f, ok := d.templates[megabytes]; ok {
		return f, nil
	}
	fd, err := unix.MemfdCreate("mayfly-tmp", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), "mayfly-tmp")
	// No journal: what a dead sandbox wrote is of no use to anybody. The room
	// for inodes and the like is on top.
	overhead := megabytes/32 + 2
	out, err := exec.Command(d.mkfs, "-q", "-F", "-b", "4096", "-m", "0", "-i", "16384", "-I", "256",
		"-O", "^has_journal,^resize_inode", "-E", "lazy_itable_init=1,nodiscard,root_owner=0:0",
		fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), fd), strconv.Itoa(megabytes+overhead)+"M").CombinedOutput()
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("mkfs.ext4: %w: %s", err, out)
	}
	d.templates[megabytes] = f
	return f, nil
}

// close lets go of what is idle, and of the templates.
func (d *disks) close() {
	d.keep(0)
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, f := range d.templates {
		f.Close()
	}
	clear(d.templates)
}

// make returns a disk with an empty file system.
func (d *disks) make(megabytes int) (*disk, error) {
	megabytes = max(megabytes, 1)
	if k := d.takeIdle(megabytes); k != nil {
		return k, nil
	}
	template, err := d.template(megabytes)
	if err != nil {
		return nil, err
	}
	f, err := copySparse(template, d.dir)
	if err != nil {
		return nil, fmt.Errorf("copy the empty file system: %w", err)
	}
	k, err := attachLoop(f)
	if err != nil {
		f.Close()
		return nil, err
	}
	k.megabytes = megabytes
	return k, nil
}

// keep sets how many disks may be idle, and lets go of the others.
func (d *disks) keep(most int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.most = most
	for len(d.idle) > most {
		d.idle[len(d.idle)-1].close()
		d.idle = d.idle[:len(d.idle)-1]
	}
}

func (d *disks) takeIdle(megabytes int) *disk {
	d.mu.Lock()
	defer d.mu.Unlock()
	i := slices.IndexFunc(d.idle, func(k *disk) bool { return k.megabytes == megabytes })
	if i < 0 {
		return nil
	}
	k := d.idle[i]
	d.idle = slices.Delete(d.idle, i, i+1)
	return k
}

// giveBack takes a disk whose sandbox is closed. Making a loop device, and freeing
// it, waits for all processors; so it is made as new instead, if anybody may want it:
// not a byte of it is left. What cannot be cleaned is closed. k may be nil.
func (d *disks) giveBack(k *disk) {
	if k == nil {
		return
	}
	d.mu.Lock()
	room := len(d.idle) < d.most
	template := d.templates[k.megabytes]
	d.mu.Unlock()
	if !room || template == nil || k.clean(template) != nil {
		k.close()
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.idle) >= d.most {
		k.close()
		return
	}
	d.idle = append(d.idle, k)
}

// clean gives the disk the bytes of a fresh one: those of the template, and holes. It
// fails while the disk is mounted anywhere. What the kernel remembers of the device is
// dropped before, so that it does not come later, and after, so that it is not read.
func (k *disk) clean(template *os.File) error {
	if err := k.unused(); err != nil {
		return err
	}
	if err := unix.IoctlSetInt(int(k.loop.Fd()), unix.BLKFLSBUF, 0); err != nil {
		return err
	}
	st, err := k.back.Stat()
	if err != nil {
		return err
	}
	const punch = unix.FALLOC_FL_PUNCH_HOLE | unix.FALLOC_FL_KEEP_SIZE
	if err := unix.Fallocate(int(k.back.Fd()), punch, 0, st.Size()); err != nil {
		return err
	}
	r, err := reopen(template)
	if err != nil {
		return err
	}
	defer r.Close()
	if err := copyData(r, k.back); err != nil {
		return err
	}
	return unix.IoctlSetInt(int(k.loop.Fd()), unix.BLKFLSBUF, 0)
}

// unused fails while the disk is mounted; nobody but us mounts it again.
func (k *disk) unused() error {
	// A child that is forked now would keep it in use until it executes something.
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	only, err := os.OpenFile(k.device, os.O_RDWR|unix.O_EXCL, 0)
	if err != nil {
		return err
	}
	return only.Close()
}

// reopen opens a file anew: seeking moves it.
func reopen(f *os.File) (*os.File, error) {
	return os.Open(fmt.Sprintf("/proc/self/fd/%d", f.Fd()))
}

// copySparse copies a file into one without a name, holes as holes.
func copySparse(template *os.File, dir string) (*os.File, error) {
	r, err := reopen(template)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	st, err := r.Stat()
	if err != nil {
		return nil, err
	}
	w, err := os.CreateTemp(dir, "disk-")
	if err != nil {
		return nil, err
	}
	if err := errors.Join(os.Remove(w.Name()), w.Truncate(st.Size()), copyData(r, w)); err != nil {
		w.Close()
		return nil, err
	}
	return w, nil
}

func copyData(r, w *os.File) error {
	for at := int64(0); ; {
		start, err := r.Seek(at, unix.SEEK_DATA)
		if errors.Is(err, unix.ENXIO) {
			return nil // no more data
		}
		if err != nil {
			return err
		}
		end, err := r.Seek(start, unix.SEEK_HOLE)
		if err != nil {
			return err
		}
		if _, err := io.Copy(io.NewOffsetWriter(w, start), io.NewSectionReader(r, start, end-start)); err != nil {
			return err
		}
		at = end
	}
}

// attachLoop puts f behind a loop device. Another process may take the free
// device before us.
func attachLoop(f *os.File) (*disk, error) {
	control, err := os.OpenFile("/dev/loop-control", os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	defer control.Close()
	for range 64 {
		n, err := unix.IoctlRetInt(int(control.Fd()), unix.LOOP_CTL_GET_FREE)
		if err != nil {
			return nil, fmt.Errorf("find a free loop device: %w", err)
		}
		name := fmt.Sprintf("/dev/loop%d", n)
		dev, err := os.OpenFile(name, os.O_RDWR, 0)
		if err != nil {
			return nil, err
		}
		config := unix.LoopConfig{Fd: uint32(f.Fd()), Info: unix.LoopInfo64{Flags: unix.LO_FLAGS_AUTOCLEAR}}
		err = unix.IoctlLoopConfigure(int(dev.Fd()), &config)
		if err == nil {
			return &disk{device: name, loop: dev, back: f}, nil
		}
		dev.Close()
		if !errors.Is(err, unix.EBUSY) {
			return nil, fmt.Errorf("configure %s: %w", name, err)
		}
	}
	return nil, fmt.Errorf("find a free loop device: %w", unix.EBUSY)
}

// close lets go of the device; a mount keeps it.
func (d *disk) close() {
	d.loop.Close()
	d.back.Close()
}
