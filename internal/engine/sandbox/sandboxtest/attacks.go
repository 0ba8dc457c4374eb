//go:build unix

package sandboxtest

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/mayfly-faas/mayfly/internal/engine/sandbox"
)

// addrPort is what a TCP listener's address can tell.
type addrPort interface{ AddrPort() netip.AddrPort }

// attacks are what code may try against the host and its neighbours.
func attacks() []test {
	return []test{
		{"ReadHost", attackReadHost},
		{"Environment", attackEnvironment},
		{"WriteOutsideTmp", attackWrite},
		{"MountsAreReadOnly", attackMounts},
		{"Processes", attackProcesses},
		{"KillEverything", attackKill},
		{"Memory", attackMemory},
		{"Neighbour", attackNeighbour},
		{"HostNetwork", attackNetwork},
		{"Calls", attackCalls},
		{"RawSockets", attackRawSockets},
		{"Setuid", attackSetuid},
		{"Privileges", attackPrivileges},
		{"Descriptors", attackDescriptors},
		{"Proc", attackProc},
		{"Devices", attackDevices},
		{"Daemons", attackDaemons},
		{"Symlinks", attackSymlinks},
		{"Stuck", attackStuck},
	}
}

func attackReadHost(t *testing.T, tier sandbox.Tier) {
	secret := filepath.Join(mountable(t), "secret")
	os.WriteFile(secret, []byte("secret"), 0o644)
	b := open(t, tier, spec())
	for _, name := range []string{secret, "/etc/shadow", "/etc/gshadow", "/etc/ssl/private", "/root", "/var/log", "/var/lib", "/boot", "/proc/1/root/etc",
		"/proc/1/cwd", "/proc/kcore", "/sys/kernel", "/proc/self/root/.." + secret, "/.." + secret} {
		if out, x := sh(t, b, "cat "+name+" || ls "+name); x.Code == 0 && strings.TrimSpace(out) != "" {
			t.Errorf("%s can be read: %.100q", name, out)
		}
	}
	if out, _ := sh(t, b, "ls -A /home /opt /var/task /run 2>&1 | grep -v : | tr -d '\n'"); out != "" {
		t.Errorf("not empty: %q", out)
	}
	if out, _ := sh(t, b, "cat /etc/passwd"); strings.Count(out, "\n") != 2 {
		t.Errorf("passwd: %q", out)
	}
}

func attackEnvironment(t *testing.T, tier sandbox.Tier) {
	b := open(t, tier, spec())
	out, _ := sh(t, b, "whoami; pwd; hostname; id -u; ulimit -n; ulimit -c")
	f := strings.Fields(out)
	if len(f) != 6 || f[0] != "sbx_user1051" || f[1] != "/tmp" || f[2] != "sandbox.localdomain" || f[3] == "0" || f[4] != "1024" || f[5] != "0" {
		t.Errorf("got %q", out)
	}
}

func attackUsers(t *testing.T, tier sandbox.Tier) {
	one, other := open(t, tier, spec()), open(t, tier, spec())
	id, _ := sh(t, one, "id -u")
	if same, _ := sh(t, other, "id -u"); id == same || id == strconv.Itoa(os.Geteuid())+"\n" {
		t.Errorf("users %q and %q", id, same)
	}
	if out, _ := sh(t, one, "cat /proc/self/status"); !strings.Contains(out, "Groups:\t \n") {
		t.Errorf("the server's groups: %s", out)
	}
	if out, _ := sh(t, one, "chmod 777 /tmp 2>/dev/null && echo changed"); out != "" {
		t.Error("/tmp is the code's own")
	}
}

func attackWrite(t *testing.T, tier sandbox.Tier) {
	b := open(t, tier, spec())
	out, _ := sh(t, b, `for d in / /usr /usr/bin /usr/local /etc /bin /lib /opt /var /var/task /home /root /run /dev /proc /proc/sys /sys; do
		touch $d/mayfly-was-here 2>/dev/null && echo "wrote $d"
	done
	for f in /etc/passwd /etc/hosts /etc/resolv.conf /etc/ld.so.cache /bin/sh /proc/sys/kernel/core_pattern /proc/sysrq-trigger; do
		(echo x >> $f) 2>/dev/null && echo "wrote $f"
	done
	touch /tmp/fine && echo fine`)
	if out != "fine\n" {
		t.Errorf("got %q", out)
	}
}

func attackMounts(t *testing.T, tier sandbox.Tier) {
	src := mountable(t)
	name := filepath.Join(src, "handler.py")
	os.WriteFile(name, []byte("original"), 0o666)
	os.Chmod(name, 0o666)
	os.Chmod(src, 0o777)
	s := spec()
	s.Mounts = []sandbox.Mount{{Source: src, Target: "/var/task"}}
	b := open(t, tier, s)
	sh(t, b, "echo evil > /var/task/handler.py; echo evil > /var/task/new; rm -f /var/task/handler.py; mv /var/task/handler.py /var/task/x; chmod 777 /var/task/handler.py")
	got, err := os.ReadFile(name)
	entries, _ := os.ReadDir(src)
	if err != nil || string(got) != "original" || len(entries) != 1 {
		t.Errorf("the code is now %q, %v, %v", got, err, entries)
	}
}

func attackProcesses(t *testing.T, tier sandbox.Tier) {
	b := open(t, tier, spec())
	out, _ := sh(t, b, "echo /proc/[0-9]* | wc -w; cat /proc/1/cmdline /proc/1/environ /proc/1/maps")
	if n, _, _ := strings.Cut(strings.TrimSpace(out), "\n"); len(n) > 1 || n > "4" {
		t.Errorf("processes seen: %q", out)
	}
	out, _ = sh(t, b, "kill -0 "+strconv.Itoa(os.Getpid())+" && echo reached")
	if strings.Contains(out, "reached") {
		t.Error("the server can be signalled")
	}
}

func attackKill(t *testing.T, tier sandbox.Tier) {
	b, other := open(t, tier, spec()), open(t, tier, spec())
	text := newText()
	sibling := start(t, other, text, "/bin/sh", "-c", "echo up; sleep 1000")
	text.await(t, "up")
	sh(t, b, "kill -9 -1; kill -9 1; kill -9 0")
	if out, _ := sh(t, b, "echo alive"); out != "alive\n" {
		t.Errorf("the sandbox did not survive its own code: %q", out)
	}
	select {
	case <-sibling.Done():
		t.Error("the neighbour was killed")
	default:
	}
}

// attackMemory looks for the secret of one sandbox from another.
func attackMemory(t *testing.T, tier sandbox.Tier) {
	victim, b := open(t, tier, spec()), open(t, tier, spec())
	text := newText()
	start(t, victim, text, "/bin/sh", "-c", "SECRET=hunter2; echo up; sleep 1000")
	text.await(t, "up")
	out, _ := python(t, b, `
import glob
for f in glob.glob("/proc/*/environ") + glob.glob("/proc/*/cmdline") + glob.glob("/proc/*/task/*/environ"):
    try:
        if b"hunter" + b"2" in open(f, "rb").read() and "self" not in f and "thread" not in f: print("found", f)
    except OSError: pass
`)
	if strings.Contains(out, "hunter2; echo") {
		t.Errorf("got %q", out)
	}
	out, _ = sh(t, b, "ls /proc/*/mem | wc -l; for p in /proc/[0-9]*; do cat $p/mem > /dev/null && echo read $p; done; cat /proc/1/mem && echo init")
	if strings.Contains(out, "read") || strings.Contains(out, "init") {
		t.Errorf("got %q", out)
	}
}

func attackNeighbour(t *testing.T, tier sandbox.Tier) {
	victim, b := open(t, tier, spec()), open(t, tier, spec())
	sh(t, victim, "echo secret > /tmp/secret; chmod 644 /tmp/secret; echo s > /dev/shm/secret")
	l, err := victim.Listen(9001)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	text := newText()
	start(t, victim, text, "/usr/bin/python3", "-I", "-S", "-c", `
import socket, time
s = socket.socket(socket.AF_UNIX); s.bind("\0abstract"); s.listen()
u = socket.socket(); u.bind(("0.0.0.0", 8080)); u.listen()
print("up", flush=True); time.sleep(1000)`)
	text.await(t, "up")
	out, _ := python(t, b, `
import glob, socket, os
print(glob.glob("/tmp/*") + glob.glob("/dev/shm/*"))
for a in (("127.0.0.1", 9001), ("127.0.0.1", 8080)):
    try: socket.create_connection(a, 1); print("reached", a)
    except OSError: pass
s = socket.socket(socket.AF_UNIX)
try: s.connect("\0abstract"); print("reached by name")
except OSError: pass
`)
	if out != "[]\n" {
		t.Errorf("got %q", out)
	}
	if out, _ := sh(t, b, "ipcmk -Q >/dev/null 2>&1; cat /proc/sysvipc/msg | wc -l"); strings.TrimSpace(out) > "2" {
		t.Errorf("message queues: %q", out)
	}
}

// dial tries to reach addresses from inside, and returns those that answered.
func dial(t *testing.T, b sandbox.Sandbox, addrs []string) []string {
	t.Helper()
	out, _ := python(t, b, fmt.Sprintf(`
import socket
for a in %q.split(","):
    host, port = a.rsplit(":", 1)
    try:
        socket.create_connection((host.strip("[]"), int(port)), 1).close()
        print(a)
    except OSError as e: pass
`, strings.Join(addrs, ",")))
	return strings.Fields(out)
}

// hostServices listens on every address that the host has.
func hostServices(t *testing.T) []string {
	t.Helper()
	all, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	var addrs []string
	for _, a := range append(all, &net.IPNet{IP: net.IPv4(127, 0, 0, 1)}) {
		ip := a.(*net.IPNet).IP
		if ip.IsLinkLocalUnicast() && ip.To4() == nil {
			continue
		}
		l, err := net.Listen("tcp", net.JoinHostPort(ip.String(), "0"))
		if err != nil {
			continue
		}
		t.Cleanup(func() { l.Close() })
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				c.Close()
			}
		}()
		addrs = append(addrs, l.Addr().String())
	}
	return addrs
}

func attackNetwork(t *testing.T, tier sandbox.Tier) {
	addrs := hostServices(t)
	if len(addrs) == 0 {
		t.Fatal("the host has no address to attack")
	}
	for _, out := range []bool{false, true} {
		s := spec()
		s.Outbound = out
		b := open(t, tier, s)
		if got := dial(t, b, addrs); len(got) > 0 {
			t.Errorf("outbound %t: the host's services can be reached: %v", out, got)
		}
	}
}

// attackCalls makes the system calls that get people out of sandboxes.
func attackCalls(t *testing.T, tier sandbox.Tier) {
	b := open(t, tier, spec())
	out, x := python(t, b, `
import ctypes, os, platform
libc = ctypes.CDLL(None, use_errno=True)
def call(name, f, *args):
    ctypes.set_errno(0)
    r = f(*args)
    if r != -1: print("allowed", name, r)
call("mount", libc.mount, b"tmpfs", b"/tmp", b"tmpfs", 0, None)
call("umount", libc.umount2, b"/proc", 2)
call("unshare user", libc.unshare, 0x10000000)
call("unshare net", libc.unshare, 0x40000000)
call("unshare mnt", libc.unshare, 0x20000)
call("setns", libc.setns, os.open("/proc/self/ns/net", 0), 0)
call("ptrace", libc.ptrace, 16, os.getppid(), 0, 0)
call("chroot", libc.chroot, b"/tmp")
call("sethostname", libc.sethostname, b"x", 1)
call("swapon", libc.swapon, b"/tmp/x", 0)
call("reboot", libc.reboot, 0)
call("personality", libc.personality, 0x0004)
call("setuid", libc.setuid, 0)
call("mknod", libc.mknod, b"/tmp/sda", 0o60666, 0xfe00)
x86 = platform.machine() == "x86_64"
for name, a, b in (("bpf", 321, 280), ("perf_event_open", 298, 241), ("userfaultfd", 323, 282), ("keyctl", 250, 219), ("add_key", 248, 217),
        ("io_uring_setup", 425, 425), ("open_by_handle_at", 304, 265), ("kexec_load", 246, 104), ("init_module", 175, 105), ("syslog", 103, 116),
        ("clock_settime", 227, 112), ("process_vm_readv", 310, 270), ("pivot_root", 155, 41), ("fsopen", 430, 430), ("open_tree", 428, 428),
        ("quotactl", 179, 60), ("pidfd_getfd", 438, 438), ("fanotify_init", 300, 262), ("clone3", 435, 435), ("acct", 163, 89)):
    call(name, libc.syscall, a if x86 else b, 0, 0, 0, 0, 0, 0)
    if ctypes.get_errno() not in (1, 38): print(name, "answers", ctypes.get_errno())
call("clone newuser", libc.syscall, 56 if x86 else 220, 0x10000000 | 17, 0, 0, 0, 0)
`)
	if out != "" || x.Code != 0 {
		t.Errorf("got %q, %+v", out, x)
	}
	if out, _ := sh(t, b, "unshare -r id 2>/dev/null; nsenter -t 1 -a id 2>/dev/null; echo end"); out != "end\n" {
		t.Errorf("got %q", out)
	}
}

func attackRawSockets(t *testing.T, tier sandbox.Tier) {
	b := open(t, tier, spec())
	out, _ := python(t, b, `
import socket
for f, k, p in ((socket.AF_INET, socket.SOCK_RAW, 1), (socket.AF_PACKET, socket.SOCK_RAW, 3), (socket.AF_NETLINK, socket.SOCK_RAW, 12),
        (socket.AF_ALG, socket.SOCK_SEQPACKET, 0), (socket.AF_VSOCK, socket.SOCK_STREAM, 0), (socket.AF_BLUETOOTH, socket.SOCK_STREAM, 3)):
    try: socket.socket(f, k, p); print("allowed", f, k)
    except OSError: pass
for f in (socket.AF_INET, socket.AF_INET6, socket.AF_UNIX): socket.socket(f).close()
socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0).close()
print(socket.getaddrinfo("localhost", 80, socket.AF_INET)[0][4])
`)
	if out != "('127.0.0.1', 80)\n" {
		t.Errorf("got %q", out)
	}
}

func attackSetuid(t *testing.T, tier sandbox.Tier) {
	src := mountable(t)
	b, err := os.ReadFile("/usr/bin/id")
	if err != nil {
		t.Skip(err)
	}
	name := filepath.Join(src, "id")
	os.WriteFile(name, b, 0o755)
	if err := os.Chmod(name, 0o755|os.ModeSetuid|os.ModeSetgid); err != nil {
		t.Skip(err)
	}
	s := spec()
	s.Mounts = []sandbox.Mount{{Source: src, Target: "/opt"}}
	box := open(t, tier, s)
	out, _ := sh(t, box, "/opt/id -u; /opt/id -ru; /opt/id -g; cp /usr/bin/id /tmp/id; chmod 6755 /tmp/id; /tmp/id -u; su -c id; sudo -n id")
	for _, l := range strings.Fields(out) {
		if l == "0" || strings.Contains(l, "uid=0") {
			t.Errorf("root by a setuid program: %q", out)
		}
	}
}

func attackPrivileges(t *testing.T, tier sandbox.Tier) {
	b := open(t, tier, spec())
	out, _ := sh(t, b, "cat /proc/self/status")
	for _, want := range []string{"CapInh:\t0000000000000000", "CapPrm:\t0000000000000000", "CapEff:\t0000000000000000", "CapBnd:\t0000000000000000",
		"CapAmb:\t0000000000000000", "NoNewPrivs:\t1", "Seccomp:\t2"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in %s", want, out)
		}
	}
}

func attackDescriptors(t *testing.T, tier sandbox.Tier) {
	leak, err := os.Open("/etc/hostname") // what the server has open, and does not close on execution
	if err == nil {
		defer leak.Close()
		leak.Fd()
	}
	b := open(t, tier, spec())
	for range 2 {
		out, _ := python(t, b, `
import os
for fd in os.listdir("/proc/self/fd"):
    try: print(fd, os.readlink("/proc/self/fd/" + fd).split(":")[0])
    except OSError: pass
`)
		if out != "0 /dev/null\n1 pipe\n2 pipe\n" {
			t.Errorf("descriptors: %q", out)
		}
	}
	if out, _ := sh(t, b, "ls /proc/1/fd && ls -l /proc/1/"); strings.Contains(out, "->") {
		t.Errorf("init's descriptors: %q", out)
	}
}

func attackProc(t *testing.T, tier sandbox.Tier) {
	b := open(t, tier, spec())
	out, _ := sh(t, b, `for f in kcore keys kmsg timer_list kallsyms sched_debug; do
		[ -e /proc/$f ] && head -c 10 /proc/$f | wc -c
	done; for f in /proc/sys/kernel/hostname /proc/sys/vm/drop_caches /proc/self/oom_score_adj; do
		(echo -- -1000 > $f) 2>/dev/null && echo "wrote $f"
	done; ls /proc/self/map_files /proc/bus 2>/dev/null | head -1 >/dev/null; echo end`)
	if strings.Trim(out, "0\n") != "end" {
		t.Errorf("got %q", out)
	}
	for _, f := range []string{"cpuinfo", "meminfo", "stat", "self/status", "self/cgroup", "sys/kernel/osrelease", "mounts"} {
		if out, x := sh(t, b, "cat /proc/"+f); x.Code != 0 || out == "" {
			t.Errorf("programs need /proc/%s: %q", f, out)
		}
	}
}

func attackDevices(t *testing.T, tier sandbox.Tier) {
	b := open(t, tier, spec())
	if out, _ := sh(t, b, "ls /dev | tr '\n' ' '"); out != "fd full null random shm stderr stdin stdout urandom zero " {
		t.Errorf("got %q", out)
	}
	if out, _ := sh(t, b, "echo x > /dev/null && head -c 4 /dev/zero | wc -c && head -c 8 /dev/urandom | wc -c && echo err > /dev/stderr"); out != "4\n8\nerr\n" {
		t.Errorf("got %q", out)
	}
}

// attackDaemons leaves processes behind in the ways that daemons have.
func attackDaemons(t *testing.T, tier sandbox.Tier) {
	b := open(t, tier, spec())
	marker := fmt.Sprintf("%d.%d", 4000+os.Getpid()%1000, serial.Add(1))
	_, x := sh(t, b, "(setsid setsid sleep "+marker+" >/dev/null 2>&1 &) ; (sleep "+marker+" &) ; trap '' TERM HUP; exit 0")
	if x.Code != 0 {
		t.Fatalf("%+v", x)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	if left := running(marker); len(left) > 0 {
		t.Errorf("processes outlive their sandbox: %v", left)
	}
}

// running lists the host's processes with an argument.
func running(argument string) []string {
	var pids []string
	files, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, f := range files {
		b, _ := os.ReadFile(f)
		if strings.Contains(string(b), argument) {
			pids = append(pids, filepath.Base(filepath.Dir(f)))
		}
	}
	return pids
}

// attackSymlinks puts links into the code, where the tier makes mounts.
func attackSymlinks(t *testing.T, tier sandbox.Tier) {
	src, outside := mountable(t), mountable(t)
	if err := os.Symlink(outside, filepath.Join(src, "link")); err != nil {
		t.Fatal(err)
	}
	os.WriteFile(filepath.Join(outside, "secret"), []byte("secret"), 0o644)
	s := spec()
	s.Mounts = []sandbox.Mount{{Source: src, Target: "/var/task"}}
	b := open(t, tier, s)
	if out, _ := sh(t, b, "cat /var/task/link/secret"); strings.HasPrefix(out, "secret") {
		t.Errorf("a link in the code leads to the host: %q", out)
	}
}

// attackStuck stops its own processes and ignores what can be ignored; Close
// ends it anyway.
func attackStuck(t *testing.T, tier sandbox.Tier) {
	b := open(t, tier, spec())
	text := newText()
	p := start(t, b, text, "/bin/sh", "-c", `trap "" TERM INT HUP QUIT USR1; echo up; kill -STOP $$; while :; do sleep 1000; done`)
	text.await(t, "up")
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	wait(t, p)
}
