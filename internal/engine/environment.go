package engine

import (
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
)

// Where code inside finds things.
const (
	taskRoot    = "/var/task"
	optRoot     = "/opt"
	runtimeRoot = "/var/runtime"
)

// reserved are the variables that a user cannot set: AWS refuses them at the
// API, and what slipped through is not passed on.
// https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html
func reserved(name string) bool {
	switch name {
	case "_HANDLER", "_X_AMZN_TRACE_ID", "AWS_DEFAULT_REGION", "AWS_REGION", "AWS_EXECUTION_ENV",
		"AWS_LAMBDA_FUNCTION_NAME", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "AWS_LAMBDA_FUNCTION_VERSION",
		"AWS_LAMBDA_INITIALIZATION_TYPE", "AWS_LAMBDA_LOG_GROUP_NAME", "AWS_LAMBDA_LOG_STREAM_NAME",
		"AWS_ACCESS_KEY", "AWS_ACCESS_KEY_ID", "AWS_SECRET_KEY", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN",
		"AWS_LAMBDA_RUNTIME_API", "LAMBDA_TASK_ROOT", "LAMBDA_RUNTIME_DIR", "AWS_LAMBDA_MAX_CONCURRENCY",
		"AWS_LAMBDA_METADATA_API", "AWS_LAMBDA_METADATA_TOKEN", "AWS_LAMBDA_LOG_FORMAT", "AWS_LAMBDA_LOG_LEVEL":
		return true
	}
	return false
}

// A place is what the environment needs to know about a sandbox.
type place struct {
	path     func(inside string) string
	api      string // host:port of the Runtime API
	endpoint string // URL of the platform; "" for none
	stream   string
	initType string
}

// environment makes the whole environment of u's code. Later wins: what every
// function has, what its language wants (runtime), what the user says, and what
// the user cannot say otherwise.
func environment(u *Unit, runtime map[string]string, cred Credentials, at place) map[string]string {
	env := map[string]string{
		"LANG": "en_US.UTF-8", "TZ": ":UTC", "PWD": at.path(taskRoot), "SHLVL": "0",
		"AWS_XRAY_CONTEXT_MISSING": "LOG_ERROR",
		"AWS_XRAY_DAEMON_ADDRESS":  "127.0.0.1:2000",
		"_AWS_XRAY_DAEMON_ADDRESS": "127.0.0.1",
		"_AWS_XRAY_DAEMON_PORT":    "2000",
	}
	if at.endpoint != "" {
		env["AWS_ENDPOINT_URL"] = at.endpoint
	}
	if isCustom(u.Runtime) {
		env["GOMAXPROCS"] = strconv.Itoa(u.processors())
	}
	maps.Copy(env, runtime)
	maps.Copy(env, u.Env)
	maps.DeleteFunc(env, func(name, _ string) bool { return reserved(name) })
	maps.Copy(env, fixed(u, cred, at))
	return env
}

// processors is how many the unit's share of them amounts to. A Go program that
// takes itself to have more has threads wake each other for nothing: a short
// invocation costs it half as much again.
func (u *Unit) processors() int { return max(1, int(math.Ceil(u.share()))) }

// list is an environment as a process has it.
func list(env map[string]string) []string {
	list := make([]string, 0, len(env))
	for _, name := range slices.Sorted(maps.Keys(env)) {
		list = append(list, name+"="+env[name])
	}
	return list
}

// fixed are the reserved variables that are set.
func fixed(u *Unit, cred Credentials, at place) map[string]string {
	env := map[string]string{
		"_HANDLER": u.Handler, "AWS_REGION": u.Region, "AWS_DEFAULT_REGION": u.Region,
		"AWS_LAMBDA_FUNCTION_NAME":        u.Function,
		"AWS_LAMBDA_FUNCTION_VERSION":     u.Version,
		"AWS_LAMBDA_FUNCTION_MEMORY_SIZE": strconv.Itoa(u.MemoryMB),
		"AWS_LAMBDA_INITIALIZATION_TYPE":  at.initType,
		"AWS_LAMBDA_LOG_GROUP_NAME":       u.Log.Group,
		"AWS_LAMBDA_LOG_STREAM_NAME":      at.stream,
		"AWS_LAMBDA_RUNTIME_API":          at.api,
		"LAMBDA_TASK_ROOT":                at.path(taskRoot),
		"LAMBDA_RUNTIME_DIR":              at.path(runtimeRoot),
	}
	if !isCustom(u.Runtime) {
		env["AWS_EXECUTION_ENV"] = "AWS_Lambda_" + u.Runtime
	}
	if u.Log.JSON {
		env["AWS_LAMBDA_LOG_FORMAT"] = "JSON"
		env["AWS_LAMBDA_LOG_LEVEL"] = or(u.Log.AppLevel, "INFO")
	}
	if cred.AccessKeyID != "" {
		env["AWS_ACCESS_KEY_ID"] = cred.AccessKeyID
		env["AWS_SECRET_ACCESS_KEY"] = cred.SecretAccessKey
		env["AWS_SESSION_TOKEN"] = cred.SessionToken
	}
	if cred.AccessKeyID != "" && u.Runtime == "java8.al2" {
		env["AWS_ACCESS_KEY"] = cred.AccessKeyID
		env["AWS_SECRET_KEY"] = cred.SecretAccessKey
	}
	return env
}

// isCustom reports whether the package brings its own runtime.
func isCustom(runtime string) bool { return strings.HasPrefix(runtime, "provided") }

// joinsLines reports whether the runtime's bootstrap writes an event of several
// lines as one line.
func joinsLines(runtime string) bool {
	return strings.HasPrefix(runtime, "python") || strings.HasPrefix(runtime, "nodejs")
}

func or(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}
