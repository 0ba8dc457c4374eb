package engine

import (
	"os"
	"path/filepath"
	"testing"
)

func TestMachineMB(t *testing.T) {
	const meminfo = "MemTotal:        8388608 kB\nMemFree:         1 kB\n"
	for _, tt := range []struct {
		name  string
		files map[string]string
		want  int
	}{
		{"nothing is known", nil, 0},
		{"no groups", map[string]string{"proc/meminfo": meminfo}, 8192},
		{"version 2", map[string]string{"proc/meminfo": meminfo, "proc/self/cgroup": "0::/a/b\n",
			"sys/fs/cgroup/a/b/memory.max": "max\n", "sys/fs/cgroup/a/memory.max": "1073741824\n"}, 1024},
		{"version 1", map[string]string{"proc/meminfo": meminfo, "proc/self/cgroup": "4:memory:/x\n3:cpu:/y\n",
			"sys/fs/cgroup/memory/x/memory.limit_in_bytes": "536870912\n", "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n"}, 512},
		{"in a container", map[string]string{"proc/meminfo": meminfo, "proc/self/cgroup": "0::/../../x\n", "sys/fs/cgroup/memory.max": "2147483648\n"}, 2048},
		{"larger than the machine", map[string]string{"proc/meminfo": meminfo, "proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "99999999999999\n"}, 8192},
	} {
		t.Run(tt.name, func(t *testing.T) {
			root := t.TempDir()
			for name, text := range tt.files {
				write(t, root, name, text)
			}
			if got := machineMB(root); got != tt.want {
				t.Errorf("%d MB, want %d", got, tt.want)
			}
		})
	}
}

func write(t *testing.T, root, name, text string) {
	t.Helper()
	file := filepath.Join(root, name)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func FuzzLimitFiles(f *testing.F) {
	f.Add("4:memory:/x\n0::/a/b\n")
	f.Fuzz(func(t *testing.T, own string) {
		for _, name := range limitFiles(own) {
			if !filepath.IsLocal(filepath.Clean("x" + name)) {
				t.Errorf("%q leads to %q", own, name)
			}
		}
	})
}

func TestDescriptorsAreMemory(t *testing.T) {
	for _, c := range []struct{ mb, open, want int }{
		{19000, 20000, 16}, // 1250 sandboxes at most
		{19000, 1 << 20, 1},
		{0, 20000, 0}, {-1, 20000, 0}, {19000, 0, 0},
		{19000, 8, 19000},
	} {
		if got := leastMB(c.mb, c.open); got != c.want {
			t.Errorf("leastMB(%d, %d) = %d, not %d", c.mb, c.open, got, c.want)
		}
	}
}

func TestOpenFiles(t *testing.T) {
	root := t.TempDir()
	if n := openFiles(root); n != 0 {
		t.Errorf("%d of a machine that does not tell", n)
	}
	write(t, root, "proc/self/limits", "Limit                     Soft Limit           Hard Limit           Units     \n"+
		"Max open files            20000                1048576              files     \n")
	if n := openFiles(root); n != 20000 {
		t.Errorf("%d", n)
	}
}
