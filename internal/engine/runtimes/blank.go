package runtimes

import "github.com/mayfly-faas/mayfly/internal/engine/sandbox"

// A Blank says how a runtime is started before it is known for which function.
// What is started waits on its link (package runtimeapi) for an assignment: the
// whole environment of the function, whose _HANDLER it then loads.
type Blank struct {
	Key    string          // blanks of one Key are alike: "python3.12", "nodejs22.x/128"
	Mounts []sandbox.Mount // as Set.Mounts tells them
	Args   []string        // the command line; descriptor 3 is the link
	Env    []string        // all that it needs until it is assigned
	Dir    string

	// Zygote, unless nil, is a command whose forks are this blank, too, where
	// the tier can fork. Zygotes of one ZygoteKey are alike.
	Zygote    *sandbox.Command
	ZygoteKey string
}

// Blank returns the blank that may become the launch. ok is false when there is
// none: for a custom runtime, for one that a wrapper starts, and for one whose
// user's variables are read by the interpreter itself as it starts.
func (s *Set) Blank(l Launch) (b Blank, ok bool) { return Blank{}, false }
