// Package vtl runs mapping templates of API Gateway: the part of Apache
// Velocity's language that they use. It knows #set, #if, #elseif, #else,
// #foreach, #break, #stop, comments, and references with members, indexes and
// method calls; what the references mean is its caller's. It has no #macro,
// #parse, #include, #define, #evaluate.
//
// https://velocity.apache.org/engine/1.7/vtl-reference.html
package vtl

import (
	"errors"
	"fmt"
	"strings"
)

// MaxOutput bounds what a template writes.
const MaxOutput = 10 << 20

// maxSteps bounds how long a template runs.
const maxSteps = 200_000

// What may be wrong with a template when it runs.
var (
	ErrTooLong  = errors.New("the template writes too much")
	ErrTooSlow  = errors.New("the template takes too many steps")
	ErrNoMethod = errors.New("no such method")
)

// A Value is nil, a string, a float64, a bool, a Map, a *List or an Object.
type Value any

// A Map has members that a template may read and set.
type Map = map[string]Value

// A List has members that a template may read and add to.
type List struct{ Items []Value }

// An Object is what the caller puts in: its members and methods are computed.
type Object interface {
	// Member answers a member, nil when there is none.
	Member(name string) Value

	// Call calls a method; ErrNoMethod when there is none.
	Call(method string, args []Value) (Value, error)
}

// A Template is made ready to run, any number of times at once.
type Template struct{ body []node }

// A node is a piece of a template.
type node interface {
	run(r *runner) error
}

// A runner is one run.
type runner struct {
	vars  Map
	out   strings.Builder
	steps int
}

// Run writes the template with vars, which it may change.
func (t *Template) Run(vars Map) (string, error) {
	r := &runner{vars: vars}
	err := r.all(t.body)
	if err != nil && !errors.Is(err, errStop) {
		return "", err
	}
	return r.out.String(), nil
}

// What ends a part of a run early.
var (
	errStop  = errors.New("#stop")
	errBreak = errors.New("#break")
)

func (r *runner) all(nodes []node) error {
	for _, n := range nodes {
		if r.steps++; r.steps > maxSteps {
			return ErrTooSlow
		}
		if err := n.run(r); err != nil {
			return err
		}
	}
	return nil
}

func (r *runner) write(s string) error {
	if r.out.Len()+len(s) > MaxOutput {
		return ErrTooLong
	}
	r.out.WriteString(s)
	return nil
}

type textNode string

func (n textNode) run(r *runner) error { return r.write(string(n)) }

// A refNode writes a reference's value; what has none is written as it stands,
// unless it is quiet.
type refNode struct {
	ref   *reference
	quiet bool
	raw   string
}

func (n refNode) run(r *runner) error {
	v, err := n.ref.eval(r)
	switch {
	case err != nil:
		return err
	case v == nil && n.quiet:
		return nil
	case v == nil:
		return r.write(n.raw)
	}
	return r.write(Text(v))
}

type setNode struct {
	to *reference
	ex expr
}

func (n setNode) run(r *runner) error {
	v, err := n.ex.eval(r)
	if err != nil {
		return err
	}
	return n.to.set(r, v)
}

type ifNode struct {
	conds  []expr
	blocks [][]node // one for each condition, and perhaps one more: #else
}

func (n ifNode) run(r *runner) error {
	for i, c := range n.conds {
		v, err := c.eval(r)
		if err != nil {
			return err
		}
		if truth(v) {
			return r.all(n.blocks[i])
		}
	}
	if len(n.blocks) > len(n.conds) {
		return r.all(n.blocks[len(n.conds)])
	}
	return nil
}

type eachNode struct {
	name string
	over expr
	body []node
}

func (n eachNode) run(r *runner) error {
	v, err := n.over.eval(r)
	if err != nil {
		return err
	}
	items := itemsOf(v)
	before, loop := r.vars[n.name], r.vars["foreach"]
	defer func() { r.vars[n.name], r.vars["foreach"] = before, loop }()
	for i, item := range items {
		if r.steps++; r.steps > maxSteps {
			return ErrTooSlow
		}
		r.vars[n.name] = item
		r.vars["foreach"] = Map{"index": float64(i), "count": float64(i + 1), "hasNext": i+1 < len(items), "first": i == 0, "last": i+1 == len(items)}
		r.vars["velocityCount"] = float64(i + 1)
		if err := r.all(n.body); errors.Is(err, errBreak) {
			return nil
		} else if err != nil {
			return err
		}
	}
	return nil
}

type endNode struct{ err error }

func (n endNode) run(*runner) error { return n.err }

// A reference is $name.member[index].method(args).
type reference struct {
	name  string
	steps []step
}

// A step goes on from a value: to a member, an index, or by a call.
type step struct {
	name  string
	index expr // unless nil: [index]
	call  bool // name(args)
	args  []expr
}

func (f *reference) eval(r *runner) (Value, error) {
	v := r.vars[f.name]
	var err error
	for _, s := range f.steps {
		if r.steps++; r.steps > maxSteps {
			return nil, ErrTooSlow
		}
		if v, err = s.from(r, v); err != nil {
			return nil, err
		}
	}
	return v, nil
}

func (s step) from(r *runner, v Value) (Value, error) {
	switch {
	case s.index != nil:
		i, err := s.index.eval(r)
		if err != nil {
			return nil, err
		}
		return at(v, i), nil
	case !s.call:
		return memberOf(v, s.name), nil
	case v == nil:
		return nil, nil
	}
	args := make([]Value, len(s.args))
	for i, a := range s.args {
		var err error
		if args[i], err = a.eval(r); err != nil {
			return nil, err
		}
	}
	if o, ok := v.(Object); ok {
		return called(o.Call(s.name, args))
	}
	return called(method(v, s.name, args))
}

// called makes a method that is not there worth nothing, as Velocity does.
func called(v Value, err error) (Value, error) {
	if errors.Is(err, ErrNoMethod) {
		return nil, nil
	}
	return v, err
}

// set gives a variable, or a member of a map, a value.
func (f *reference) set(r *runner, v Value) error {
	if len(f.steps) == 0 {
		r.vars[f.name] = v
		return nil
	}
	last := len(f.steps) - 1
	on, err := (&reference{f.name, f.steps[:last]}).eval(r)
	if err != nil {
		return err
	}
	s := f.steps[last]
	name := s.name
	if s.index != nil {
		i, err := s.index.eval(r)
		if err != nil {
			return err
		}
		name = Text(i)
	}
	if s.call {
		return fmt.Errorf("#set cannot set what a method answers")
	}
	if m, ok := on.(Map); ok {
		m[name] = v
	}
	return nil
}
