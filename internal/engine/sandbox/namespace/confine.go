//go:build linux && (amd64 || arm64)

package namespace

import "golang.org/x/sys/unix"

// lastCapability is the highest number that we try to drop: above the kernel's
// last, which fails harmlessly.
const lastCapability = 63

// capVersion3 is _LINUX_CAPABILITY_VERSION_3.
const capVersion3 = 0x20080522

// allCapabilities are the numbers of all that there may be.
func allCapabilities() (all []int) {
	for c := range lastCapability + 1 {
		all = append(all, c)
	}
	return all
}

// drop gives up every privilege for good: the process becomes the sandbox's user,
// which it is already without root, and has no capabilities, now and in whatever it
// executes. has are those that it may have.
func (p *program) drop(k *blank, has []int) {
	for _, c := range has {
		p.try("drop a capability", unix.SYS_PRCTL, num(unix.PR_CAPBSET_DROP), num(c), num(0), num(0), num(0))
	}
	if uid := k.uid(); !k.tier.rootless {
		p.do("setgroups", unix.SYS_SETGROUPS, num(0), num(0))
		p.do("setresgid", unix.SYS_SETRESGID, num(uid), num(uid), num(uid))
		p.do("setresuid", unix.SYS_SETRESUID, num(uid), num(uid), num(uid))
	}
	p.try("clear ambient capabilities", unix.SYS_PRCTL, num(unix.PR_CAP_AMBIENT), num(unix.PR_CAP_AMBIENT_CLEAR_ALL), num(0), num(0), num(0))
	p.do("capset", unix.SYS_CAPSET, p.words(num(capVersion3)), p.words(num(0), num(0), num(0)))
	p.do("no new privileges", unix.SYS_PRCTL, num(unix.PR_SET_NO_NEW_PRIVS), num(1), num(0), num(0), num(0))
}

// keep makes the process the user uid, with no other capabilities than some, which
// it keeps when it executes something.
func (p *program) keep(uid int, capabilities []int) {
	mask := uint64(0)
	for _, c := range capabilities {
		mask |= 1 << c
	}
	for c := range lastCapability + 1 {
		if mask&(1<<c) == 0 {
			p.try("drop a capability", unix.SYS_PRCTL, num(unix.PR_CAPBSET_DROP), num(c), num(0), num(0), num(0))
		}
	}
	p.do("keep capabilities", unix.SYS_PRCTL, num(unix.PR_SET_KEEPCAPS), num(1), num(0), num(0), num(0))
	p.do("setgroups", unix.SYS_SETGROUPS, num(0), num(0))
	p.do("setresgid", unix.SYS_SETRESGID, num(uid), num(uid), num(uid))
	p.do("setresuid", unix.SYS_SETRESUID, num(uid), num(uid), num(uid))
	low := mask & (1<<32 - 1) // effective, permitted and inheritable, then their high halves
	p.do("capset", unix.SYS_CAPSET, p.words(num(capVersion3)),
		p.words(num(low|low<<32), num(low|mask>>32<<32), num(mask>>32|mask>>32<<32)))
	for _, c := range capabilities {
		p.do("keep a capability", unix.SYS_PRCTL, num(unix.PR_CAP_AMBIENT), num(unix.PR_CAP_AMBIENT_RAISE), num(c), num(0), num(0))
	}
	p.do("no new privileges", unix.SYS_PRCTL, num(unix.PR_SET_NO_NEW_PRIVS), num(1), num(0), num(0), num(0))
}

// limits sets the resource limits that AWS's sandboxes have. Never RLIMIT_AS:
// some runtimes reserve hundreds of gigabytes and use none of it. Where no control
// group counts processes, the kernel does so by user, in each user namespace.
func (p *program) limits(rootless bool, processes int) {
	type limit struct {
		name     string
		resource int
		value    uint64
	}
	ls := []limit{
		{"NOFILE", unix.RLIMIT_NOFILE, 1024},
		{"CORE", unix.RLIMIT_CORE, 0},
		{"STACK", unix.RLIMIT_STACK, 8 << 20},
		{"MEMLOCK", unix.RLIMIT_MEMLOCK, 64 << 10},
		{"NICE", unix.RLIMIT_NICE, 0},
		{"RTPRIO", unix.RLIMIT_RTPRIO, 0},
	}
	if processes > 0 {
		ls = append(ls, limit{"NPROC", unix.RLIMIT_NPROC, uint64(processes)})
	}
	for _, l := range ls {
		var own unix.Rlimit // which only root can exceed
		if err := unix.Getrlimit(l.resource, &own); err == nil && rootless {
			l.value = min(l.value, own.Max)
		}
		p.do("limit "+l.name, unix.SYS_PRLIMIT64, num(0), num(l.resource), p.words(num(l.value), num(l.value)), num(0))
	}
}

// filter installs the seccomp filter.
func (p *program) filter(f []unix.SockFilter) {
	var b []byte
	for _, i := range f {
		b = append(b, byte(i.Code), byte(i.Code>>8), i.Jt, i.Jf, byte(i.K), byte(i.K>>8), byte(i.K>>16), byte(i.K>>24))
	}
	prog := p.words(num(len(f)), p.bytes(b)) // struct sock_fprog
	const setModeFilter = 1
	p.do("seccomp", unix.SYS_SECCOMP, num(setModeFilter), num(0), prog)
}
