package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestScripts tells the stories of testdata, each to a server of its own: what a
// person types, and what is seen. $PYTHON and $NODE are runtimes that are here;
// a script says [python] or [node] where it needs one.
func TestScripts(t *testing.T) {
	stories, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(stories) == 0 {
		t.Fatalf("no stories: %v", err)
	}
	for _, file := range stories {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) { story(t, file) })
	}
}

func story(t *testing.T, file string) {
	s := start(t)
	family := map[string]string{}
	for _, f := range []string{"python", "nodejs"} {
		family[f] = strings.TrimSpace(s.sh(s.Data, `mayfly runtimes --json | tr -d ' \n' | grep -oE '"runtime":"`+f+`[^"]*","available":true' | cut -d'"' -f4 | tail -1 || true`))
	}
	testscript.Run(t, testscript.Params{
		Files: []string{file},
		Setup: func(e *testscript.Env) error {
			e.Setenv("PATH", filepath.Dir(binary(t))+":"+os.Getenv("PATH"))
			e.Setenv("HOME", e.WorkDir+"/home")
			e.Setenv("MAYFLY_DATA", s.Data)
			e.Setenv("URL", s.URL)
			e.Setenv("PYTHON", family["python"])
			e.Setenv("NODE", family["nodejs"])
			for _, v := range []string{"GOCACHE", "GOMODCACHE", "GOPROXY", "GOFLAGS"} {
				out, err := exec.Command("go", "env", v).Output()
				if err != nil {
					return err
				}
				e.Setenv(v, strings.TrimSpace(string(out)))
			}
			return nil
		},
		Condition: func(c string) (bool, error) {
			return family[map[string]string{"python": "python", "node": "nodejs"}[c]] != "", nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"until": until},
	})
}

// until runs a command until it succeeds and prints what its first argument
// says.
func until(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: until TEXT command [args...]")
	}
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		if err := ts.Exec(args[1], args[2:]...); err == nil && strings.Contains(ts.ReadFile("stdout"), args[0]) {
			return
		}
	}
	ts.Fatalf("%q did not print %q in 20 s; last it printed\n%s", args[1:], args[0], ts.ReadFile("stdout"))
}
