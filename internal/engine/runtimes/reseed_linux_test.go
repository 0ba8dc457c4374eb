//go:build linux

package runtimes

import (
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// TestReseed proves that forks of one number would draw the same of OpenSSL, and
// that those of ours do not.
func TestReseed(t *testing.T) {
	if !forks || os.Getuid() != 0 {
		t.Skip("takes amd64 Linux, and root for namespaces")
	}
	s := discovered(t)
	for _, st := range s.List() {
		if !st.Available || s.found[st.Runtime].spec.family != python {
			continue
		}
		cmd := exec.Command(st.Interpreter, "-c", sameNumber, s.bootstraps(python))
		cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWPID}
		out, err := cmd.CombinedOutput()
		drawn := strings.Fields(string(out))
		if err != nil || len(drawn) != 4 {
			t.Fatalf("%s: %v: %s", st.Runtime, err, out)
		}
		if drawn[0] != drawn[1] {
			t.Logf("%s: its OpenSSL tells such forks apart", st.Runtime)
		}
		if drawn[2] == drawn[3] || slices.Contains(drawn[:2], drawn[2]) {
			t.Errorf("%s: forks draw the same: %q", st.Runtime, drawn)
		}
	}
}
