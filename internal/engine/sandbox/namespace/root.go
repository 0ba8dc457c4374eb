//go:build linux && (amd64 || arm64)

package namespace

import (
	"cmp"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/mayfly-faas/mayfly/internal/engine/sandbox"
	"golang.org/x/sys/unix"
)

// readOnly is what every mount is that code may not write to.
const readOnly = unix.MOUNT_ATTR_RDONLY | unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NODEV

// sizeofMountAttr is the size of struct mount_attr.
const sizeofMountAttr = 32

// systemDirs are the host's folders that every sandbox sees, those that exist.
func systemDirs() []string {
	return []string{"/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"}
}

// devices are what /dev has.
func devices() []string { return []string{"null", "zero", "full", "random", "urandom"} }

// masked are files of /proc that tell about the host, or would let root command it.
func masked() []string {
	return []string{"kcore", "keys", "timer_list", "sysrq-trigger", "kmsg", "sched_debug", "latency_stats",
		"kallsyms", "kpagecount", "kpageflags", "kpagecgroup", "iomem", "ioports", "modules", "slabinfo", "vmallocinfo"}
}

// A builder writes the program that makes a root file system in the current
// folder.
type builder struct {
	*program
	made     map[string]bool // folders that exist
	rootless bool            // whether it runs in a user namespace
}

func newBuilder() *builder {
	return &builder{program: &program{}, made: map[string]bool{}}
}

// dir makes a folder, with those above it. Where a mount holds it already, that
// one has to have it: making fails, and the mount that follows tells.
func (b *builder) dir(target string) {
	if target == "/" || target == "." || b.made[target] {
		return
	}
	b.dir(path.Dir(target))
	b.made[target] = true
	b.try("make "+target, unix.SYS_MKDIRAT, num(unix.AT_FDCWD), b.str(inRoot(target)), num(0o755))
}

// file makes an empty file to mount something on.
func (b *builder) file(target string) {
	b.dir(path.Dir(target))
	b.try("make "+target, unix.SYS_MKNODAT, num(unix.AT_FDCWD), b.str(inRoot(target)), num(unix.S_IFREG|0o444), num(0))
}

// link makes a symbolic link.
func (b *builder) link(to, target string) {
	b.dir(path.Dir(target))
	b.do("link "+target, unix.SYS_SYMLINKAT, b.str(to), num(unix.AT_FDCWD), b.str(inRoot(target)))
}

// inRoot is a path below the current folder.
func inRoot(target string) string { return "." + target }

func (b *builder) mount(source, target, kind string, flags uintptr, data string) {
	b.do("mount "+target, unix.SYS_MOUNT, b.str(source), b.str(inRoot(target)), b.str(kind), num(flags), b.str(data))
}

// set sets attributes of the mount at target, and with all of those below it.
func (b *builder) set(target string, attr uint64) {
	const recursive = 0x8000 // AT_RECURSIVE
	b.do("make "+target+" read-only", unix.SYS_MOUNT_SETATTR, num(unix.AT_FDCWD), b.str(inRoot(target)),
		num(recursive), b.words(num(attr), num(0), num(0), num(0)), num(sizeofMountAttr))
}

// bind shows source at target, read-only. Without root what is mounted in source
// comes with it: the kernel shows nobody what is below.
func (b *builder) bind(source, target string, attr uint64) {
	flags := uintptr(unix.MS_BIND)
	if b.rootless {
		flags |= unix.MS_REC
	}
	b.mount(source, target, "", flags, "")
	b.set(target, attr)
}

// system shows the host's programs and libraries.
func (b *builder) system() error {
	for _, dir := range systemDirs() {
		st, err := os.Lstat(dir)
		switch {
		case os.IsNotExist(err):
		case err != nil:
			return err
		case st.Mode()&os.ModeSymlink != 0:
			to, err := os.Readlink(dir)
			if err != nil {
				return err
			}
			b.link(to, dir)
		case st.IsDir():
			b.dir(dir)
			b.bind(dir, dir, readOnly)
		}
	}
	return nil
}

// mounts shows what the sandbox is for. Outer ones come first, so that inner
// ones are not hidden.
func (b *builder) mounts(ms []sandbox.Mount) error {
	for _, m := range outerFirst(ms) {
		if err := b.place(m); err != nil {
			return err
		}
		b.bind(m.Source, path.Clean(m.Target), readOnly)
	}
	return nil
}

func outerFirst(ms []sandbox.Mount) []sandbox.Mount {
	ms = slices.Clone(ms)
	slices.SortStableFunc(ms, func(x, y sandbox.Mount) int {
		return cmp.Compare(strings.Count(path.Clean(x.Target), "/"), strings.Count(path.Clean(y.Target), "/"))
	})
	return ms
}

// place makes the folder or file that m is mounted on.
func (b *builder) place(m sandbox.Mount) error {
	target := path.Clean(m.Target)
	if !path.IsAbs(m.Target) || target == "/" || !filepath.IsAbs(m.Source) {
		return fmt.Errorf("mount %q at %q: not absolute", m.Source, m.Target)
	}
	st, err := os.Stat(m.Source)
	if err != nil {
		return fmt.Errorf("mount %s: %w", target, err)
	}
	if st.IsDir() {
		b.dir(target)
	} else {
		b.file(target)
	}
	return nil
}

// dev makes a /dev of a few harmless devices, and /dev/shm.
func (b *builder) dev() {
	b.dir("/dev")
	for _, name := range devices() {
		b.file("/dev/" + name)
		b.bind("/dev/"+name, "/dev/"+name, unix.MOUNT_ATTR_RDONLY|unix.MOUNT_ATTR_NOSUID|unix.MOUNT_ATTR_NOEXEC)
	}
	b.dir("/dev/shm")
	b.mount("tmpfs", "/dev/shm", "tmpfs", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "mode=1777,size=64m,nr_inodes=4096")
	b.link("/proc/self/fd", "/dev/fd")
	for i, name := range []string{"stdin", "stdout", "stderr"} {
		b.link(fmt.Sprintf("/proc/self/fd/%d", i), "/dev/"+name)
	}
}

// proc mounts a /proc of the new PID namespace. Processes of others, and our
// init, are hidden; what tells about the host is covered.
func (b *builder) proc() {
	b.dir("/proc")
	b.mount("proc", "/proc", "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "hidepid=2")
	for _, name := range masked() {
		b.try("cover /proc/"+name, unix.SYS_MOUNT, b.str(inRoot("/dev/null")), b.str(inRoot("/proc/"+name)), num(0), num(unix.MS_BIND), num(0))
	}
	for _, name := range []string{"sys", "bus", "fs", "irq", "acpi", "scsi", "asound"} {
		at := b.str(inRoot("/proc/" + name))
		b.try("bind /proc/"+name, unix.SYS_MOUNT, at, at, num(0), num(unix.MS_BIND|unix.MS_REC), num(0))
		b.try("remount /proc/"+name, unix.SYS_MOUNT, num(0), at, num(0),
			num(unix.MS_REMOUNT|unix.MS_BIND|unix.MS_RDONLY|unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC), num(0))
	}
}

// tmp mounts /tmp.
func (b *builder) tmp(d *disk, megabytes int) {
	const flags = unix.MS_NOSUID | unix.MS_NODEV
	b.dir("/tmp")
	if d != nil {
		b.mount(d.device, "/tmp", "ext4", flags|unix.MS_NOATIME, "noinit_itable,nobarrier")
		b.do("remove /tmp/lost+found", unix.SYS_UNLINKAT, num(unix.AT_FDCWD), b.str(inRoot("/tmp/lost+found")), num(unix.AT_REMOVEDIR))
	} else {
		b.mount("tmpfs", "/tmp", "tmpfs", flags, fmt.Sprintf("size=%dm,nr_inodes=65536", max(megabytes, 1)))
	}
	b.do("open /tmp to all", unix.SYS_FCHMODAT, num(unix.AT_FDCWD), b.str(inRoot("/tmp")), num(0o1777))
}

// pivot makes the current folder the root, and lets go of the host's.
func (b *builder) pivot() {
	dot := b.str(".")
	b.do("pivot_root", unix.SYS_PIVOT_ROOT, dot, dot)
	b.do("let go of the host's root", unix.SYS_UMOUNT2, dot, num(unix.MNT_DETACH))
	b.do("chdir /", unix.SYS_CHDIR, b.str("/"))
}

// seal makes the root itself read-only.
func (b *builder) seal() { b.alter("make / read-only", readOnly, 0) }

// unseal makes the root writable, to its owner, who is not the code unless we are
// rootless.
func (b *builder) unseal() { b.alter("make / writable", 0, unix.MOUNT_ATTR_RDONLY) }

func (b *builder) alter(what string, set, clr uint64) {
	b.do(what, unix.SYS_MOUNT_SETATTR, num(unix.AT_FDCWD), b.str("/"),
		num(0), b.words(num(set), num(clr), num(0), num(0)), num(sizeofMountAttr))
}
