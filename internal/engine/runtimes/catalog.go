package runtimes

import (
	"fmt"
	"strings"
)

// A family is a language, or provided: whatever the package brings.
type family string

const (
	python   family = "python"
	nodejs   family = "nodejs"
	ruby     family = "ruby"
	provided family = "provided"
	notYet   family = "" // known to AWS, not run here yet
)

// A spec is one runtime identifier.
type spec struct {
	id      string // "python3.12"
	family  family
	version string // "3.12", "22"; what an interpreter's version must begin with
	env     string // environment variable that names the interpreter
}

// catalog lists the runtimes in the order people read them.
// https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtimes.html
func catalog() []spec {
	var list []spec
	for _, id := range []string{
		"dotnet8", "dotnet10", "java8.al2", "java8.al2023", "java11", "java11.al2023",
		"java17", "java17.al2023", "java21", "java25",
	} {
		list = append(list, spec{id: id})
	}
	for major := 18; major <= 24; major += 2 {
		v := fmt.Sprint(major)
		list = append(list, spec{id: "nodejs" + v + ".x", family: nodejs, version: v, env: "MAYFLY_NODEJS" + v})
	}
	list = append(list, spec{id: "provided.al2", family: provided}, spec{id: "provided.al2023", family: provided})
	for minor := 9; minor <= 14; minor++ {
		list = append(list, spec{id: fmt.Sprintf("python3.%d", minor), family: python,
			version: fmt.Sprintf("3.%d", minor), env: fmt.Sprintf("MAYFLY_PYTHON3%d", minor)})
	}
	for _, id := range []string{"ruby3.2", "ruby3.3", "ruby3.4", "ruby4.0"} {
		v := strings.TrimPrefix(id, "ruby")
		list = append(list, spec{id: id, family: ruby, version: v, env: "MAYFLY_RUBY" + strings.ReplaceAll(v, ".", "")})
	}
	return list
}

// advice says how to get the runtime.
func (s spec) advice() string {
	switch s.family {
	case python:
		return fmt.Sprintf("install Python %s: `apt-get install python%s`, `pyenv install %s` or `uv python install %s`; "+
			"or set %s to its path; or start with near versions allowed", s.version, s.version, s.version, s.version, s.env)
	case nodejs:
		return fmt.Sprintf("install Node.js %s: the distribution's or NodeSource's node_%s.x packages, `nvm install %s` or `fnm install %s`; "+
			"or set %s to its path; or start with near versions allowed", s.version, s.version, s.version, s.version, s.env)
	case ruby:
		return fmt.Sprintf("install Ruby %s: the distribution's package, `rbenv install %s` or `mise use -g ruby@%s`; "+
			"or set %s to its path; or start with near versions allowed", s.version, s.version, s.version, s.env)
	case provided:
		return ""
	}
	return "Mayfly does not run this runtime yet; a function on provided.al2023 can bring it along"
}
