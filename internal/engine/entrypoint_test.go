package engine_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/mayfly-faas/mayfly/internal/engine"
	"github.com/mayfly-faas/mayfly/internal/engine/runtimes"
)

// taskRuntime runs the package's bootstrap.
type taskRuntime struct{ selfRuntime }

func (taskRuntime) Command(l runtimes.Launch) ([]string, map[string]string, error) {
	return []string{l.Path("/var/task/bootstrap")}, nil, nil
}

// TestUnexecutable is bootstraps that are there, may be executed, and cannot be:
// the failure is the code's, and names the file as AWS does.
func TestUnexecutable(t *testing.T) {
	foreign := make([]byte, 64) // the head of a program for a machine that nobody has
	copy(foreign, "\x7fELF\x02\x01\x01")
	foreign[16], foreign[18], foreign[20] = 2, 0xff, 1
	rt := taskRuntime{newSelfRuntime(t)}
	for _, tt := range []struct{ name, text, want string }{
		{"another machine's", string(foreign), "exec format error"},
		{"no program", "hello", "exec format error"},
		{"no interpreter", "#!/no/such/interpreter\n", "no such file or directory"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, tm := range tiers() {
				t.Run(tm.name, func(t *testing.T) {
					e, u := newEngine(t, tm, rt, engine.Config{})
					if err := os.WriteFile(filepath.Join(u.Code, "bootstrap"), []byte(tt.text), 0o755); err != nil {
						t.Fatal(err)
					}
					o, _ := invoke(t, e, u, "x")
					want := `{"errorType":"Runtime.InvalidEntrypoint","errorMessage":"RequestId: r-1 Error: fork/exec /var/task/bootstrap: ` + tt.want + `"}`
					if o.Failure == nil || o.Failure.Type != "Runtime.InvalidEntrypoint" || string(o.Failure.Payload) != want {
						t.Errorf("%+v, want %s", o.Failure, want)
					}
				})
			}
		})
	}
}
