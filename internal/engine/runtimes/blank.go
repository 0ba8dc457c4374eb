package runtimes

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/mayfly-faas/mayfly/internal/engine/sandbox"
)

// A Blank says how a runtime is started before it is known for which function.
// What is started waits on its link (package runtimeapi) for an assignment: the
// whole environment of the function, whose _HANDLER it then loads.
type Blank struct {
	Key    string          // blanks of one Key are alike: "python3.12", "nodejs22.x/128"
	Mounts []sandbox.Mount // beside those of the function's code
	Args   []string        // the command line; descriptor 3 is the link
	Env    []string        // all that it needs until it is assigned
	Dir    string

	// Zygote, unless nil, is a command whose forks are this blank, too, where
	// the tier can fork. Zygotes of one ZygoteKey are alike.
	Zygote    *sandbox.Command
	ZygoteKey string
}

// linkVariable tells a bootstrap of ours the descriptor of its link. With
// _HANDLER beside it, the bootstrap does not wait for an assignment.
const linkVariable = "MAYFLY_LINK"

// Linked tells whether what Command returns for the launch can use a link:
// descriptor 3, with MAYFLY_LINK=3 in its environment.
func (s *Set) Linked(l Launch) bool {
	in, err := s.lookup(l.Runtime)
	return err == nil && in.spec.family != provided && l.Env["AWS_LAMBDA_EXEC_WRAPPER"] == ""
}

// Blank returns the blank that may become the launch. ok is false when there is
// none: for a custom runtime, for one that a wrapper starts, and for one whose
// user's variables are read by the interpreter itself as it starts.
func (s *Set) Blank(l Launch) (b Blank, ok bool) {
	in, err := s.lookup(l.Runtime)
	if err != nil || !s.Linked(l) || in.spec.family.startsWith(l.Env) {
		return Blank{}, false
	}
	mounts, err := s.Mounts(l.Runtime)
	if err != nil {
		return Blank{}, false
	}
	// The dynamic loader looks once whether a directory of LD_LIBRARY_PATH exists.
	// These two do when the code and its layers come, so let them exist now.
	for _, root := range []string{taskRoot, optRoot} {
		mounts = append(mounts, sandbox.Mount{Source: s.emptyDir(), Target: root + "/lib"})
	}
	at := places(l.Path)
	env := in.environment(at)
	maps.DeleteFunc(env, func(name, _ string) bool { return strings.HasPrefix(name, "LAMBDA_") || name == "MAYFLY_OPT" })
	b = Blank{
		Key: l.Runtime, Mounts: mounts, Args: in.command(at, l.MemoryMB), Dir: "/",
		Env: append(assignments(env), linkVariable+"=3"),
	}
	switch in.spec.family {
	case python:
		b.ZygoteKey = l.Runtime
		b.Zygote = &sandbox.Command{Args: b.Args, Env: append(assignments(env), "MAYFLY_ZYGOTE=3"), Dir: "/"}
	case nodejs:
		b.Key = fmt.Sprintf("%s/%d", l.Runtime, l.MemoryMB) // which is on its command line
		b.Env = append(b.Env, "AWS_EXECUTION_ENV=AWS_Lambda_"+l.Runtime)
	}
	return b, true
}

func assignments(env map[string]string) []string {
	var list []string
	for _, name := range slices.Sorted(maps.Keys(env)) {
		list = append(list, name+"="+env[name])
	}
	return list
}

// startsWith tells whether any of the user's variables must be there when the
// interpreter starts, because it, or a library below it, reads them only then.
func (f family) startsWith(user map[string]string) bool {
	for name, value := range user {
		if f.readsEarly(name, value) {
			return true
		}
	}
	return false
}

// readsEarly decides for one variable. A family of names is taken as a whole,
// even where some of it is read late: an executed start is always right.
func (f family) readsEarly(name, value string) bool {
	for _, prefix := range []string{
		"LD_",            // the dynamic loader, once, before main
		"GLIBC_TUNABLES", // the same
		"MALLOC_",        // the allocator, as it is first used
		"LC_",            // setlocale at the interpreter's start; the C library keeps it
		"LANG",           // LANG and LANGUAGE: the same
		"LOCPATH",        // the same
		"GCONV_PATH",     // the C library's converters, with the locale
		"OPENSSL_",       // libcrypto, as it is loaded: OPENSSL_CONF, OPENSSL_MODULES
		"MAYFLY_",        // ours
		"ASAN_", "LSAN_", // sanitizers' runtimes, before main
		"GOMP_", "KMP_", // OpenMP, should the interpreter be linked with it
		"JE_MALLOC", "TCM", // other allocators, as LD_PRELOAD's neighbours
	} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	switch f {
	case python:
		return pythonReadsEarly(name, value)
	case ruby: // RUBYOPT and all the others that begin so; gems' paths are read again
		return strings.HasPrefix(name, "RUBY") || name == "GEM_SPEC_CACHE"
	}
	return nodeReadsEarly(name)
}

// pythonReadsEarly: TZ is not among them, as time.tzset reads it again, nor
// SSL_CERT_FILE, which each context of the module ssl reads.
func pythonReadsEarly(name, value string) bool {
	switch {
	case strings.HasPrefix(name, "PYTHON"): // the interpreter's configuration, PYTHONHASHSEED among it
		return true
	case name == "HOME": // site looks there for packages; below /tmp there are none yet
		return value != "/tmp" && !strings.HasPrefix(value, "/tmp/")
	}
	return false
}

// nodeReadsEarly: TZ is not among them, as setting process.env.TZ has Node read it.
func nodeReadsEarly(name string) bool {
	switch name {
	case "NODE_ENV", "NODE_CONFIG", "NODE_CONFIG_DIR", "NODE_CONFIG_ENV", "NODE_APP_INSTANCE": // libraries read them
		return false
	case "NODE_PATH": // our bootstrap has Node.js read it again
		return false
	case "NODE_TLS_REJECT_UNAUTHORIZED": // is read at each connection
		return false
	}
	for _, prefix := range []string{
		"NODE_",     // options, debugging, certificates
		"UV_",       // libuv: UV_THREADPOOL_SIZE, as the first file is read
		"SSL_CERT_", // the root certificates of --use-openssl-ca
		"NO_COLOR", "FORCE_COLOR",
	} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}
