//go:build linux && (amd64 || arm64)

package namespace

import (
	"slices"
	"testing"

	"golang.org/x/sys/unix"
)

// decide runs a filter as the kernel does.
func decide(t testing.TB, f []unix.SockFilter, arch, nr uint32, args ...uint32) uint32 {
	t.Helper()
	var acc uint32
	for i := 0; i < len(f); i++ {
		switch in := f[i]; in.Code {
		case unix.BPF_LD | unix.BPF_W | unix.BPF_ABS:
			acc = field(in.K, arch, nr, args)
		case unix.BPF_RET | unix.BPF_K:
			return in.K
		default:
			yes := map[uint16]bool{unix.BPF_JEQ: acc == in.K, unix.BPF_JGE: acc >= in.K, unix.BPF_JSET: acc&in.K != 0}[in.Code&0xf0]
			if yes {
				i += int(in.Jt)
			} else {
				i += int(in.Jf)
			}
		}
	}
	t.Fatal("the filter runs off its end")
	return 0
}

func field(offset, arch, nr uint32, args []uint32) uint32 {
	switch {
	case offset == dataNumber:
		return nr
	case offset == dataArch:
		return arch
	case int(offset-dataArgs)/8 < len(args):
		return args[(offset-dataArgs)/8]
	}
	return 0
}

func TestFilter(t *testing.T) {
	f := filterProgram(denied())
	const eperm, enosys, noFamily = retErrno | uint32(unix.EPERM), retErrno | uint32(unix.ENOSYS), retErrno | uint32(unix.EAFNOSUPPORT)
	for _, c := range []struct {
		name string
		nr   uint32
		args []uint32
		want uint32
	}{
		{"read", unix.SYS_READ, nil, retAllow},
		{"execve", unix.SYS_EXECVE, nil, retAllow},
		{"mount", unix.SYS_MOUNT, nil, eperm},
		{"bpf", unix.SYS_BPF, nil, eperm},
		{"clone3", unix.SYS_CLONE3, nil, enosys},
		{"fork", unix.SYS_CLONE, []uint32{uint32(unix.SIGCHLD)}, retAllow},
		{"thread", unix.SYS_CLONE, []uint32{0x3d0f00}, retAllow},
		{"clone newuser", unix.SYS_CLONE, []uint32{unix.CLONE_NEWUSER}, eperm},
		{"clone newnet", unix.SYS_CLONE, []uint32{unix.CLONE_NEWNET | 17}, eperm},
		{"personality", unix.SYS_PERSONALITY, []uint32{0}, retAllow},
		{"ask personality", unix.SYS_PERSONALITY, []uint32{0xffffffff}, retAllow},
		{"personality of another system", unix.SYS_PERSONALITY, []uint32{4}, eperm},
		{"inet", unix.SYS_SOCKET, []uint32{unix.AF_INET, 1, 0}, retAllow},
		{"inet6", unix.SYS_SOCKET, []uint32{unix.AF_INET6, 1, 0}, retAllow},
		{"unix", unix.SYS_SOCKET, []uint32{unix.AF_UNIX, 1, 0}, retAllow},
		{"netlink route", unix.SYS_SOCKET, []uint32{unix.AF_NETLINK, 3, unix.NETLINK_ROUTE}, retAllow},
		{"netlink netfilter", unix.SYS_SOCKET, []uint32{unix.AF_NETLINK, 3, unix.NETLINK_NETFILTER}, noFamily},
		{"packet", unix.SYS_SOCKET, []uint32{unix.AF_PACKET, 3, 3}, noFamily},
		{"vsock", unix.SYS_SOCKET, []uint32{unix.AF_VSOCK, 1, 0}, noFamily},
		{"alg", unix.SYS_SOCKET, []uint32{unix.AF_ALG, 5, 0}, noFamily},
		{"tiocsti", unix.SYS_IOCTL, []uint32{0, unix.TIOCSTI}, eperm},
		{"ioctl", unix.SYS_IOCTL, []uint32{0, unix.TIOCGWINSZ}, retAllow},
	} {
		if got := decide(t, f, auditArch, c.nr, c.args...); got != c.want {
			t.Errorf("%s: %#x, want %#x", c.name, got, c.want)
		}
		if got := decide(t, f, auditArch^1, c.nr, c.args...); got != retKill {
			t.Errorf("%s of another architecture: %#x", c.name, got)
		}
		if x32Bit != 0 {
			if got := decide(t, f, auditArch, c.nr|x32Bit, c.args...); got != enosys {
				t.Errorf("%s as x32: %#x", c.name, got)
			}
		}
	}
	for _, nr := range denied() {
		if got := decide(t, f, auditArch, nr); got != eperm {
			t.Errorf("call %d: %#x", nr, got)
		}
	}
	if len(f) > 4096 {
		t.Errorf("%d instructions", len(f))
	}
}

// TestFilterRulesEveryCall compares the search with the lists, number by number.
func TestFilterRulesEveryCall(t *testing.T) {
	f, z := filterProgram(denied()), filterProgram(deniedZygotes())
	for nr := range uint32(1000) {
		want := uint32(retAllow)
		if slices.Contains(denied(), nr) {
			want = retErrno | uint32(unix.EPERM)
		}
		if _, ok := exceptions()[nr]; ok {
			continue
		}
		if got := decide(t, f, auditArch, nr); got != want {
			t.Errorf("call %d: %#x, want %#x", nr, got, want)
		}
		if nr == unix.SYS_SETNS {
			want = retAllow
		}
		if got := decide(t, z, auditArch, nr); got != want {
			t.Errorf("call %d of a zygote: %#x, want %#x", nr, got, want)
		}
	}
	for _, nr := range []uint32{1 << 20, 1<<30 - 1, 1<<32 - 1} {
		if got := decide(t, f, auditArch, nr); nr < x32Bit && got != retAllow || x32Bit != 0 && nr >= x32Bit && got == retAllow {
			t.Errorf("call %#x: %#x", nr, got)
		}
	}
}

func TestNothingIsDeniedTwice(t *testing.T) {
	d := denied()
	slices.Sort(d)
	if len(slices.Compact(slices.Clone(d))) != len(d) {
		t.Error("a call is listed twice")
	}
}
