//go:build linux && (amd64 || arm64)

package namespace

import (
	"maps"
	"slices"

	"golang.org/x/sys/unix"
)

// What a filter can decide.
const (
	retKill  = unix.SECCOMP_RET_KILL_PROCESS
	retAllow = unix.SECCOMP_RET_ALLOW
	retErrno = unix.SECCOMP_RET_ERRNO
)

// Where things are in struct seccomp_data; the low half of an argument comes
// first.
const (
	dataNumber = 0
	dataArch   = 4
	dataArgs   = 16
)

// newNamespaces are the flags of clone and unshare that make namespaces.
const newNamespaces = unix.CLONE_NEWNS | unix.CLONE_NEWCGROUP | unix.CLONE_NEWUTS | unix.CLONE_NEWIPC |
	unix.CLONE_NEWUSER | unix.CLONE_NEWPID | unix.CLONE_NEWNET

// denied are the system calls that answer EPERM: those that reach around a
// sandbox, or into parts of the kernel that no function needs. Without
// capabilities most would fail by themselves; what cannot be called cannot be exploited.
func denied() []uint32 {
	return append([]uint32{
		// mounts
		unix.SYS_MOUNT, unix.SYS_UMOUNT2, unix.SYS_PIVOT_ROOT, unix.SYS_CHROOT, unix.SYS_OPEN_TREE, unix.SYS_MOVE_MOUNT,
		unix.SYS_FSOPEN, unix.SYS_FSCONFIG, unix.SYS_FSMOUNT, unix.SYS_FSPICK, unix.SYS_MOUNT_SETATTR,
		unix.SYS_SWAPON, unix.SYS_SWAPOFF, unix.SYS_QUOTACTL, unix.SYS_QUOTACTL_FD,
		unix.SYS_OPEN_BY_HANDLE_AT, unix.SYS_NAME_TO_HANDLE_AT, unix.SYS_FANOTIFY_INIT,
		// namespaces
		unix.SYS_SETNS, unix.SYS_UNSHARE,
		// other processes
		unix.SYS_PTRACE, unix.SYS_PROCESS_VM_READV, unix.SYS_PROCESS_VM_WRITEV, unix.SYS_KCMP, unix.SYS_PROCESS_MADVISE,
		unix.SYS_PIDFD_GETFD, unix.SYS_MIGRATE_PAGES, unix.SYS_MOVE_PAGES,
		// the kernel
		unix.SYS_BPF, unix.SYS_PERF_EVENT_OPEN, unix.SYS_USERFAULTFD, unix.SYS_KEXEC_LOAD, unix.SYS_KEXEC_FILE_LOAD,
		unix.SYS_INIT_MODULE, unix.SYS_FINIT_MODULE, unix.SYS_DELETE_MODULE,
		unix.SYS_REBOOT, unix.SYS_SYSLOG, unix.SYS_ACCT, unix.SYS_VHANGUP, unix.SYS_NFSSERVCTL,
		unix.SYS_ADD_KEY, unix.SYS_REQUEST_KEY, unix.SYS_KEYCTL, unix.SYS_LOOKUP_DCOOKIE,
		unix.SYS_IO_URING_SETUP, unix.SYS_IO_URING_ENTER, unix.SYS_IO_URING_REGISTER,
		// time
		unix.SYS_SETTIMEOFDAY, unix.SYS_CLOCK_SETTIME, unix.SYS_ADJTIMEX, unix.SYS_CLOCK_ADJTIME,
	}, deniedHere()...)
}

// deniedZygotes is denied for zygotes, whose children have to get into sandboxes.
func deniedZygotes() []uint32 {
	return slices.DeleteFunc(denied(), func(nr uint32) bool { return nr == unix.SYS_SETNS })
}

// Personalities that may be set: none, "ask", and without address randomisation,
// which debuggers and some tests set.
func personalities() []uint32 { return []uint32{0, 0xffffffff, 0x20000, 0x40000, 0x20008} }

// sockets are the families that a function may use.
func sockets() []uint32 { return []uint32{unix.AF_UNIX, unix.AF_INET, unix.AF_INET6} }

// A ruling is what is decided about system calls from a number on, up to the next
// ruling's. The number of the call is loaded, and body decides.
type ruling struct {
	from uint32
	body []unix.SockFilter
}

// filterProgram is the whole filter. A call of another architecture kills: it
// would be counted by other numbers.
//
// It looks for the ruling by halves: when a filter is installed, the kernel runs it for
// each system call that there is, to learn which it allows whatever their arguments.
func filterProgram(denied []uint32) []unix.SockFilter {
	return append([]unix.SockFilter{
		load(dataArch),
		jump(unix.BPF_JEQ, auditArch, 1, 0),
		ret(retKill),
		load(dataNumber),
	}, search(rulings(denied))...)
}

// rulings covers all numbers, in their order.
func rulings(denied []uint32) []ruling {
	special := exceptions()
	for _, nr := range denied {
		special[nr] = []unix.SockFilter{ret(retErrno | uint32(unix.EPERM))}
	}
	allow := []unix.SockFilter{ret(retAllow)}
	rs := []ruling{{0, allow}}
	for _, nr := range slices.Sorted(maps.Keys(special)) {
		if last := len(rs) - 1; rs[last].from == nr { // the one before is special, too
			rs[last].body = special[nr]
		} else {
			rs = append(rs, ruling{nr, special[nr]})
		}
		rs = append(rs, ruling{nr + 1, allow})
	}
	if x32Bit != 0 {
		rs = append(rs, ruling{x32Bit, []unix.SockFilter{ret(retErrno | uint32(unix.ENOSYS))}})
	}
	return slices.CompactFunc(rs, func(a, b ruling) bool { return slices.Equal(a.body, b.body) })
}

// exceptions are the system calls whose arguments matter.
func exceptions() map[uint32][]unix.SockFilter {
	return map[uint32][]unix.SockFilter{
		// clone3 has its flags in memory, where a filter cannot look: libraries
		// fall back to clone.
		unix.SYS_CLONE3:      {ret(retErrno | uint32(unix.ENOSYS))},
		unix.SYS_CLONE:       {load(dataArgs), jump(unix.BPF_JSET, newNamespaces, 0, 1), ret(retErrno | uint32(unix.EPERM)), ret(retAllow)},
		unix.SYS_PERSONALITY: oneOf(0, personalities(), unix.EPERM),
		unix.SYS_SOCKET:      append(netlinkRoute(), oneOf(0, sockets(), unix.EAFNOSUPPORT)...),
		// TIOCSTI types into a terminal; there is none, and there should be no use.
		unix.SYS_IOCTL: {load(dataArgs + 8), jump(unix.BPF_JEQ, unix.TIOCSTI, 0, 1), ret(retErrno | uint32(unix.EPERM)), ret(retAllow)},
	}
}

// search finds the ruling: the lower half is what follows, the upper is jumped to. A
// jump is at most 255 far.
func search(rs []ruling) []unix.SockFilter {
	if len(rs) == 1 {
		return rs[0].body
	}
	middle := len(rs) / 2
	lower, upper := search(rs[:middle]), search(rs[middle:])
	if len(lower) > 255 {
		panic("seccomp: a filter with too many rulings")
	}
	return slices.Concat([]unix.SockFilter{jump(unix.BPF_JGE, rs[middle].from, uint8(len(lower)), 0)}, lower, upper)
}

// netlinkRoute allows the one use of netlink that C libraries have: asking for
// addresses and interfaces.
func netlinkRoute() []unix.SockFilter {
	return []unix.SockFilter{
		load(dataArgs),
		jump(unix.BPF_JEQ, unix.AF_NETLINK, 0, 3),
		load(dataArgs + 16),
		jump(unix.BPF_JEQ, unix.NETLINK_ROUTE, 0, 1),
		ret(retAllow),
	}
}

// oneOf allows a call whose argument is one of some.
func oneOf(argument uint32, values []uint32, otherwise unix.Errno) []unix.SockFilter {
	f := []unix.SockFilter{load(dataArgs + 8*argument)}
	for _, v := range values {
		f = append(f, jump(unix.BPF_JEQ, v, 0, 1), ret(retAllow))
	}
	return append(f, ret(retErrno|uint32(otherwise)))
}

func load(offset uint32) unix.SockFilter {
	return unix.SockFilter{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: offset}
}

func jump(cond uint16, k uint32, yes, no uint8) unix.SockFilter {
	return unix.SockFilter{Code: unix.BPF_JMP | cond | unix.BPF_K, Jt: yes, Jf: no, K: k}
}

func ret(k uint32) unix.SockFilter {
	return unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: k}
}
