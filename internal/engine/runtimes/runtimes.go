// Package runtimes says how to start each Lambda runtime on this machine: which
// interpreter runs it, what of the host a sandbox must show for that, and the
// command line. The bootstraps of the managed runtimes are ours, embedded here;
// they speak the public Runtime API and no more.
package runtimes

import (
	"fmt"
	"slices"

	"github.com/mayfly-faas/mayfly/internal/engine/sandbox"
)

// Where code inside a sandbox finds things, as on AWS.
const (
	taskRoot    = "/var/task"
	optRoot     = "/opt"
	runtimeRoot = "/var/runtime"
	langRoot    = "/var/lang"
	sdkRoot     = "/var/sdk/python" // AWS has boto3 among the language's own packages
)

// A Set is what this machine can run. It does not change after Discover, and
// may be used from any goroutine.
type Set struct {
	dir   string // our bootstraps, shown at /var/runtime
	sdk   string // host directory with boto3, for every Python; "" for none
	found map[string]interpreter
	list  []Status
}

// A Status says whether a runtime can run here.
type Status struct {
	Runtime     string `json:"runtime"`               // "python3.12"
	Available   bool   `json:"available"`             // functions of this runtime run
	Interpreter string `json:"interpreter,omitempty"` // the real binary, shims and links resolved
	Version     string `json:"version,omitempty"`     // its exact version, "3.12.1"
	Note        string `json:"note,omitempty"`        // what is not as on AWS
	Advice      string `json:"advice,omitempty"`      // how to get what is missing
}

// A Missing is the error for a runtime that cannot run here.
type Missing struct {
	Runtime string
	Advice  string // how to get it
}

func (m *Missing) Error() string {
	return fmt.Sprintf("runtimes: %s cannot run on this machine: %s", m.Runtime, m.Advice)
}

// List returns the state of every runtime that AWS offers, sorted by name and
// version.
func (s *Set) List() []Status { return slices.Clone(s.list) }

// Mounts returns what a sandbox for runtime must show of the host, beside the
// system directories. The error is *Missing when runtime cannot run here.
func (s *Set) Mounts(runtime string) ([]sandbox.Mount, error) {
	in, err := s.lookup(runtime)
	if err != nil {
		return nil, err
	}
	if in.spec.family == provided {
		return nil, nil
	}
	mounts := []sandbox.Mount{
		{Source: s.bootstraps(in.spec.family), Target: runtimeRoot},
		{Source: in.lang, Target: langRoot},
	}
	for _, dir := range in.own {
		mounts = append(mounts, sandbox.Mount{Source: dir, Target: dir})
	}
	if s.sdk != "" && in.spec.family == python {
		mounts = append(mounts, sandbox.Mount{Source: s.sdk, Target: sdkRoot})
	}
	return mounts, nil
}

// lookup finds the interpreter for a runtime.
func (s *Set) lookup(runtime string) (interpreter, error) {
	if in, ok := s.found[runtime]; ok {
		return in, nil
	}
	for _, st := range s.list {
		if st.Runtime == runtime {
			return interpreter{}, &Missing{Runtime: runtime, Advice: join(st.Note, st.Advice)}
		}
	}
	return interpreter{}, &Missing{Runtime: runtime, Advice: "it is no runtime that Mayfly knows; `mayfly runtimes` lists them"}
}
