package runtimes

import (
	"fmt"
	"maps"
	"path/filepath"
	"strings"
)

// A Launch is a function about to be started.
type Launch struct {
	Runtime  string
	Handler  string
	Env      map[string]string // the user's variables
	MemoryMB int               // sizes Node's heap; 0 leaves it to Node

	// Code and Opt are the host directories behind /var/task and /opt, when
	// they are known: then a custom runtime starts without a shell.
	Code, Opt string

	// Path is where code inside finds what Mounts, /var/task and /opt are in
	// the sandbox: sandbox.Sandbox's Path. nil is the identity.
	Path func(inside string) string
}

// Command returns the command line that starts the runtime, and the variables
// that it wants: its own, overlaid with the user's. The caller adds those that
// name the function, its credentials and the Runtime API. The working directory
// is /var/task. The error is *Missing when the runtime cannot run here.
func (s *Set) Command(l Launch) (args []string, env map[string]string, err error) {
	in, err := s.lookup(l.Runtime)
	if err != nil {
		return nil, nil, err
	}
	at := places(l.Path)
	env = in.environment(at)
	maps.Copy(env, l.Env)
	if in.spec.family == provided {
		return l.provided(at), env, nil
	}
	if s.sdk != "" && in.spec.family == python {
		env["MAYFLY_PYTHON_SDK"] = at(sdkRoot)
	}
	env["AWS_EXECUTION_ENV"] = "AWS_Lambda_" + in.spec.id
	args = in.command(at, l.MemoryMB)
	if w := env["AWS_LAMBDA_EXEC_WRAPPER"]; w != "" {
		args = append([]string{"/bin/sh", at(runtimeRoot + "/bootstrap"), at(w)}, args...)
	}
	return args, env, nil
}

// command is how AWS's own bootstrap starts the interpreter.
func (in interpreter) command(at func(string) string, memoryMB int) []string {
	args := []string{at(langRoot + "/bin/" + in.name)}
	switch in.spec.family {
	case python:
		return append(args, at(runtimeRoot+"/bootstrap.py"))
	case ruby:
		return append(args, at(runtimeRoot+"/lib/runtime.rb"))
	}
	args = append(args, "--expose-gc", "--max-http-header-size", "81920")
	if memoryMB > 0 {
		young := memoryMB / 10
		args = append(args,
			fmt.Sprintf("--max-semi-space-size=%d", max(1, young/2)),
			fmt.Sprintf("--max-old-space-size=%d", memoryMB-young),
			// V8's helpers: no more of them than there are processors to run on.
			fmt.Sprintf("--v8-pool-size=%d", min(4, 1+memoryMB/1770)))
	}
	return append(args, at(runtimeRoot+"/index.mjs"))
}

// provided finds the bootstrap as AWS does: in the package, then in the layers.
// The shell, where one is needed to look, is gone once the bootstrap runs. What
// is not there fails as an unknown command does, with status 127.
func (l Launch) provided(at func(string) string) []string {
	switch {
	case l.Code == "":
	case isExecutable(filepath.Join(l.Code, "bootstrap")):
		return []string{at(taskRoot + "/bootstrap")}
	case l.Opt != "" && isExecutable(filepath.Join(l.Opt, "bootstrap")):
		return []string{at(optRoot + "/bootstrap")}
	}
	const script = `for b in "$1" "$2"; do if [ -f "$b" ]; then exec "$b"; fi; done
echo "Couldn't find valid bootstrap(s): [$1 $2]" >&2; exit 127`
	return []string{"/bin/sh", "-c", script, "bootstrap", at(taskRoot + "/bootstrap"), at(optRoot + "/bootstrap")}
}

// environment is what the launch is started with, but for the user's variables.
func (in interpreter) environment(at func(string) string) map[string]string {
	env := in.spec.environment(at)
	if in.Gems != "" { // AWS's interpreters find them without
		env["GEM_PATH"] += ":" + in.Gems
	}
	return env
}

// environment is what AWS sets for the family. PYTHONPATH is set by the
// bootstrap itself, after it has seen whether the user set one.
// https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html
func (s spec) environment(at func(string) string) map[string]string {
	env := map[string]string{
		"PATH": list(at, "/var/lang/bin", "/usr/local/bin", "/usr/bin/", "/bin", "/opt/bin"),
		"LD_LIBRARY_PATH": list(at, "/var/lang/lib", "/lib64", "/usr/lib64", "/var/runtime", "/var/runtime/lib",
			"/var/task", "/var/task/lib", "/opt/lib"),
		"LANG":             "en_US.UTF-8",
		"TZ":               ":UTC",
		"LAMBDA_TASK_ROOT": at(taskRoot), "LAMBDA_RUNTIME_DIR": at(runtimeRoot),
	}
	switch s.family {
	case python:
		// AWS does so from 3.12 on; here it also stands in for a host that
		// has no en_US.UTF-8.
		env["LC_CTYPE"] = "C.UTF-8"
		if opt := at(optRoot); opt != optRoot {
			env["MAYFLY_OPT"] = opt // where our bootstrap finds layers, without a root of our own
		}
	case ruby:
		abi := s.version + ".0"
		env["GEM_HOME"] = at(runtimeRoot)
		env["GEM_PATH"] = list(at, "/var/task/vendor/bundle/ruby/"+abi, "/opt/ruby/gems/"+abi, "/var/runtime", "/var/runtime/ruby/"+abi)
		env["RUBYLIB"] = list(at, "/var/task", "/var/runtime/lib", "/opt/ruby/lib")
	case nodejs:
		env["NODE_PATH"] = list(at, "/opt/nodejs/node"+s.version+"/node_modules", "/opt/nodejs/node_modules",
			"/var/runtime/node_modules", "/var/runtime", "/var/task")
	}
	return env
}

// places extends path, which knows the mounts, to what is below them.
func places(path func(string) string) func(string) string {
	if path == nil {
		return func(inside string) string { return inside }
	}
	return func(inside string) string {
		for _, root := range []string{taskRoot, optRoot, runtimeRoot, langRoot, sdkRoot} {
			if rest, ok := strings.CutPrefix(inside, root); ok && (rest == "" || rest[0] == '/') {
				return path(root) + rest
			}
		}
		return inside
	}
}

func list(at func(string) string, dirs ...string) string {
	for i, d := range dirs {
		dirs[i] = at(d)
	}
	return strings.Join(dirs, ":")
}
