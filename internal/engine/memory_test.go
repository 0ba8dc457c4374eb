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
				file := filepath.Join(root, name)
				if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if got := machineMB(root); got != tt.want {
				t.Errorf("%d MB, want %d", got, tt.want)
			}
		})
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
