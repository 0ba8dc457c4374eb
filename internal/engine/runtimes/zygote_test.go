package runtimes

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// forks tells whether this machine can run forkInto.
const forks = runtime.GOOS == "linux" && runtime.GOARCH == "amd64"

// forkInto stands in for the native code of a tier that can fork. It makes a copy
// of the zygote that is our child, gives it the descriptors 5 and 6, as link and as
// output, and writes its number to the zygote's own output.
var forkInto = slices.Concat(
	[]byte{0xb8, 56, 0, 0, 0, 0xbf, 0x11, 0x80, 0, 0, 0x31, 0xf6, 0x31, 0xd2, 0x4d, 0x31, 0xd2, 0x4d, 0x31, 0xc0, 0x0f, 0x05}, // clone(CLONE_PARENT|SIGCHLD)
	[]byte{0x85, 0xc0, 0x75, 73}, // to the parent's part
	[]byte{0xb8, 33, 0, 0, 0, 0xbf, 5, 0, 0, 0, 0xbe, 3, 0, 0, 0, 0x0f, 0x05},                       // dup2(5, 3)
	[]byte{0xb8, 33, 0, 0, 0, 0xbf, 6, 0, 0, 0, 0xbe, 1, 0, 0, 0, 0x0f, 0x05},                       // dup2(6, 1)
	[]byte{0xb8, 33, 0, 0, 0, 0xbf, 6, 0, 0, 0, 0xbe, 2, 0, 0, 0, 0x0f, 0x05},                       // dup2(6, 2)
	[]byte{0xb8, 0xb4, 1, 0, 0, 0xbf, 4, 0, 0, 0, 0xbe, 255, 255, 255, 255, 0x31, 0xd2, 0x0f, 0x05}, // close_range(4, all)
	[]byte{0x31, 0xc0, 0xc3}, // return 0
	[]byte{0x50, 0xb8, 1, 0, 0, 0, 0xbf, 1, 0, 0, 0, 0x48, 0x89, 0xe6, 0xba, 8, 0, 0, 0, 0x0f, 0x05}, // write(1, pid)
	[]byte{0xb8, 0xb4, 1, 0, 0, 0xbf, 5, 0, 0, 0, 0xbe, 6, 0, 0, 0, 0x31, 0xd2, 0x0f, 0x05},          // close_range(5, 6)
	[]byte{0x58, 0xb8, 1, 0, 0, 0, 0xc3}, // return 1
)

// A zygote is one that runs for all tests.
type zygote struct {
	cmd     *exec.Cmd
	control *net.UnixConn
	pids    *os.File

	mu sync.Mutex // held during a fork
}

// nursery keeps the zygotes, by runtime.
var nursery struct {
	mu  sync.Mutex
	all map[string]*zygote
}

func zygoteOf(t testing.TB, b Blank) *zygote {
	t.Helper()
	nursery.mu.Lock()
	defer nursery.mu.Unlock()
	if z := nursery.all[b.ZygoteKey]; z != nil {
		return z
	}
	z, err := startZygote(b)
	if err != nil {
		t.Fatal(err)
	}
	if nursery.all == nil {
		nursery.all = map[string]*zygote{}
	}
	nursery.all[b.ZygoteKey] = z
	return z
}

func closeNursery() {
	for _, z := range nursery.all {
		z.close()
	}
}

func startZygote(b Blank) (*zygote, error) {
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_SEQPACKET, 0)
	if err != nil {
		return nil, err
	}
	syscall.CloseOnExec(fds[0])
	syscall.CloseOnExec(fds[1])
	ours, theirs := os.NewFile(uintptr(fds[0]), "control"), os.NewFile(uintptr(fds[1]), "control")
	defer ours.Close()
	defer theirs.Close()
	conn, err := net.FileConn(ours)
	if err != nil {
		return nil, err
	}
	code, err := os.CreateTemp("", "mayfly-fork-")
	if err != nil {
		return nil, err
	}
	defer code.Close()
	os.Remove(code.Name())
	if _, err := code.Write(forkInto); err != nil {
		return nil, err
	}
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer w.Close()
	z := &zygote{control: conn.(*net.UnixConn), pids: r}
	z.cmd = exec.Command(b.Zygote.Args[0], b.Zygote.Args[1:]...)
	z.cmd.Env, z.cmd.Dir, z.cmd.ExtraFiles = b.Zygote.Env, b.Zygote.Dir, []*os.File{theirs, code}
	z.cmd.Stdout, z.cmd.Stderr = w, os.Stderr
	if err := z.cmd.Start(); err != nil {
		return nil, err
	}
	theirs.Close() // so that its end is heard
	hello := make([]byte, 1000)
	n, err := conn.Read(hello)
	var said struct{ Base uint64 }
	if err == nil {
		err = json.Unmarshal(hello[:n], &said)
	}
	if err != nil || said.Base == 0 {
		return nil, fmt.Errorf("a zygote says %q: %w", hello[:n], err)
	}
	return z, nil
}

func (z *zygote) close() {
	z.control.Close()
	z.cmd.Wait()
	z.pids.Close()
}

// fork returns a fork with its link and its output.
func (z *zygote) fork(link, out *os.File) (*os.Process, error) {
	z.mu.Lock()
	defer z.mu.Unlock()
	rights := syscall.UnixRights(int(link.Fd()), int(out.Fd()))
	if _, _, err := z.control.WriteMsgUnix([]byte("program"), rights, nil); err != nil {
		return nil, err
	}
	var pid [8]byte
	if _, err := z.pids.Read(pid[:]); err != nil {
		return nil, err
	}
	return os.FindProcess(int(binary.LittleEndian.Uint64(pid[:])))
}

// forked is a lab test that is about forks alone.
func forked(t *testing.T, test func(t *testing.T, runtime string)) {
	if !forks {
		t.Skip("no native code for this machine")
	}
	each(t, python, func(t *testing.T, runtime string) {
		if wayOf(t) == byFork {
			test(t, runtime)
		}
	})
}

// TestForksShareNothing: what is to be random is so in each fork, and what is
// to be private is.
func TestForksShareNothing(t *testing.T) {
	forked(t, func(t *testing.T, runtime string) {
		f := py(runtime, `
import gc, hmac, os, random, secrets, sys, tempfile, threading, uuid
drawn = [random.random(), random.SystemRandom().random(), secrets.token_hex(), str(uuid.uuid4()), str(uuid.uuid1()), next(tempfile._get_candidate_names()), os.urandom(8).hex()]
def h(event, context):
    t = threading.Thread(target=lambda: drawn.append("thread"))
    t.start(); t.join()
    if event == "draw": return drawn
    files = sorted(int(n) for n in os.listdir("/proc/self/fd"))
    return [files[:4], len(files), gc.isenabled(), threading.current_thread() is threading.main_thread(), threading.get_native_id() == os.getpid(),
        "MAYFLY_ZYGOTE" in os.environ, [m for m in ("ssl", "multiprocessing", "asyncio", "http.client") if m in sys.modules]]
`)
		var draws []string
		for range 3 {
			l := start(t, f)
			equal(t, "state", l.invoke("{}"), `[[0, 1, 2, 3], 5, true, true, true, false, []]`) // and one for the folder
			var values []string
			for _, v := range parseList(t, l.invoke(`"draw"`)) {
				if !bytes.Equal(v, []byte(`"thread"`)) {
					values = append(values, string(v))
				}
			}
			draws = append(draws, values...)
		}
		slices.Sort(draws)
		if n := len(slices.Compact(draws)); n != 21 {
			t.Errorf("forks draw the same: %q", draws)
		}
	})
}

// TestForksCountNothing: what a zygote has loaded is not written to by who uses
// it, and what warmed it up has left nothing.
func TestForksCountNothing(t *testing.T) {
	forked(t, func(t *testing.T, runtime string) {
		f := py(runtime, `
import csv, json, logging, os, sys
from mayfly_runtime import logs
own = lambda: 1
before = ["_X_AMZN_TRACE_ID" in os.environ, logs.Current.request_id, logs.Current.tenant_id]
def forever(o): return sys.getrefcount(o) == sys.getrefcount(None)
def h(event, context):
    shared = (json.loads, json.loads.__code__, json.JSONEncoder, json.decoder.__doc__, csv.DictReader.__init__.__code__.co_consts, logging.root, str.__dict__["join"])
    return [all(map(forever, shared)) or sys.version_info < (3, 12), forever(own), before, len(logging.root.handlers)]
`)
		equal(t, "state", start(t, f).invoke("{}"), `[true, false, [false, "", null], 1]`)
	})
}

func parseList(t *testing.T, text string) (list []json.RawMessage) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), &list); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return list
}

// TestPythonShadows: a function's own modules come before those of the standard
// library, even where a blank has imported those already.
func TestPythonShadows(t *testing.T) {
	each(t, python, func(t *testing.T, runtime string) {
		f := py(runtime, "import random, uuid, csv\ndef h(e, c): return [random.whose, csv.whose, uuid.UUID(int=0).hex[:2]]")
		f.files["random.py"] = "whose = 'task'"
		f.layer = map[string]string{"python/csv/__init__.py": "whose = 'layer'"}
		equal(t, "answer", start(t, f).invoke("{}"), `["task", "layer", "00"]`)
	})
}

// TestLinkIsPrivate: programs that a function runs do not get its link.
func TestLinkIsPrivate(t *testing.T) {
	const list = "ls -l /proc/self/fd"
	each(t, python, func(t *testing.T, runtime string) {
		l := start(t, py(runtime, "import os\ndef h(e, c): return os.system('"+list+" >&2')"))
		l.invoke("{}")
		if strings.Contains(l.out.String(), "socket:") {
			t.Errorf("a child has a socket:\n%s", l.out)
		}
	})
	each(t, nodejs, func(t *testing.T, runtime string) {
		l := start(t, js(runtime, "exports.h = async () => String(require('node:child_process').execSync('"+list+"'))"))
		for _, line := range strings.Split(l.invoke("{}"), `\n`) {
			if strings.Contains(line, " 3 -> ") && strings.Contains(line, "socket:") {
				t.Errorf("a child has the link: %s", line)
			}
		}
	})
}

// TestBlankIsAsExecuted compares what a function can see of its process.
func TestBlankIsAsExecuted(t *testing.T) {
	pyCode := `
import __main__, locale, os, sys, time, warnings
def h(event, context):
    mask = os.umask(0); os.umask(mask)
    main = sorted(n for n in dir(__main__) if not n.startswith("__"))
    return [sys.path, sys.argv, sys.executable, sys.flags.__repr__(), sys.warnoptions, repr(warnings.filters), main, __main__.__file__, __name__,
        list(os.environ.items()), os.getcwd(), mask, locale.setlocale(locale.LC_CTYPE), sys.getfilesystemencoding(), sys.stdout.encoding, sys.stdout.errors,
        sys.stdin.read(), os.path.basename(os.readlink("/proc/self/fd/0")), time.tzname, time.strftime("%H", time.localtime(0)), os.popen("echo $MINE $TZ").read(), sys.getrecursionlimit(), sys.dont_write_bytecode]
`
	jsCode := `exports.h = async () => [process.argv, process.execArgv, process.execPath, process.title, module.paths.slice(0, 3), require('module').globalPaths.slice(-3), process.env, process.cwd(),
  process.umask(), new Date(0).getHours(), require('child_process').execSync('echo $MINE $TZ').toString(), Object.keys(require.cache), process.stdout.isTTY, Object.keys(globalThis), process.listenerCount('beforeExit')]`
	env := map[string]string{"TZ": "Asia/Tokyo", "MINE": "ü x", "HOME": "/tmp", "NODE_ENV": "production"}
	seen := map[string]string{}
	var mu sync.Mutex
	look := func(t *testing.T, runtime string, f function) {
		f.env = env
		l := start(t, f)
		got := strings.ReplaceAll(l.invoke("{}"), l.root, "ROOT")
		got = strings.ReplaceAll(got, l.addr, "API")
		mu.Lock()
		defer mu.Unlock()
		if seen[runtime] == "" {
			seen[runtime] = got
		}
		if want := seen[runtime]; got != want {
			t.Errorf("%s\n got %s\nwant %s", wayOf(t), got, want)
		}
	}
	t.Run("all", func(t *testing.T) {
		each(t, python, func(t *testing.T, runtime string) { look(t, runtime, py(runtime, pyCode)) })
		each(t, nodejs, func(t *testing.T, runtime string) { look(t, runtime, js(runtime, jsCode)) })
	})
}

// TestBlankFor decides which launches have a blank.
func TestBlankFor(t *testing.T) {
	s := discovered(t)
	type row struct {
		name, value  string
		python, node bool
	}
	for _, r := range []row{
		{"MINE", "x", true, true}, {"TZ", "Asia/Tokyo", true, true}, {"HOME", "/tmp", true, true}, {"HOME", "/var/task", false, true},
		{"PYTHONHASHSEED", "0", false, true}, {"PYTHONPATH", "/opt", false, true}, {"NODE_OPTIONS", "", true, false},
		{"NODE_ENV", "x", true, true}, {"NODE_PATH", "x", true, true}, {"NODE_EXTRA_CA_CERTS", "x", true, false}, {"UV_THREADPOOL_SIZE", "9", true, false},
		{"LD_PRELOAD", "x", false, false}, {"LD_LIBRARY_PATH", "x", false, false}, {"MALLOC_ARENA_MAX", "1", false, false}, {"GLIBC_TUNABLES", "x", false, false},
		{"LANG", "C", false, false}, {"LC_ALL", "C", false, false}, {"OPENSSL_CONF", "x", false, false}, {"SSL_CERT_FILE", "x", true, false},
		{"PATH", "/bin", true, true}, {"AWS_LAMBDA_EXEC_WRAPPER", "/opt/w", false, false}, {"MAYFLY_LINK", "7", false, false},
	} {
		for _, st := range s.List() {
			if f := s.found[st.Runtime].spec.family; st.Available && (f == python || f == nodejs) {
				_, ok := s.Blank(Launch{Runtime: st.Runtime, Env: map[string]string{r.name: r.value}, MemoryMB: 128})
				equal(t, st.Runtime+" with "+r.name+"="+r.value, ok, f == python && r.python || f == nodejs && r.node)
			}
		}
	}
	for _, id := range []string{"provided.al2023", "java21", "nothing"} {
		if _, ok := s.Blank(Launch{Runtime: id}); ok {
			t.Errorf("a blank for %s", id)
		}
	}
}

// TestBlankKeys: blanks of one key are alike, whatever the function.
func TestBlankKeys(t *testing.T) {
	s := discovered(t)
	for _, st := range s.List() {
		a, ok := s.Blank(Launch{Runtime: st.Runtime, Handler: "a.h", MemoryMB: 128, Env: map[string]string{"A": "1"}, Code: "/a"})
		if !ok {
			continue
		}
		b, _ := s.Blank(Launch{Runtime: st.Runtime, Handler: "b.h", MemoryMB: 128, Opt: "/b"})
		c, _ := s.Blank(Launch{Runtime: st.Runtime, MemoryMB: 256})
		if fmt.Sprint(a.Key, a.Mounts, a.Args, a.Env, a.Dir, a.ZygoteKey) != fmt.Sprint(b.Key, b.Mounts, b.Args, b.Env, b.Dir, b.ZygoteKey) {
			t.Errorf("blanks differ: %+v, %+v", a, b)
		}
		if (a.Key == c.Key) != (fmt.Sprint(a.Args) == fmt.Sprint(c.Args)) {
			t.Errorf("%s and %s have the command lines %q and %q", a.Key, c.Key, a.Args, c.Args)
		}
		if _, err := os.Stat(s.emptyDir()); err != nil {
			t.Error(err)
		}
	}
}
