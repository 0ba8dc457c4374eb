package vtl

import "strings"

// An expr is an expression of #set, #if, #foreach or an argument.
type expr interface {
	eval(r *runner) (Value, error)
}

type literal struct{ v Value }

func (l literal) eval(*runner) (Value, error) { return l.v, nil }

// A refExpr is a reference within an expression.
type refExpr struct{ ref *reference }

func (e refExpr) eval(r *runner) (Value, error) { return e.ref.eval(r) }

// A quoted is a string in double quotes: a template of its own.
type quoted struct{ body []node }

func (q quoted) eval(r *runner) (Value, error) {
	in := &runner{vars: r.vars, steps: r.steps}
	err := in.all(q.body)
	r.steps = in.steps
	return in.out.String(), err
}

type listExpr struct{ items []expr }

func (e listExpr) eval(r *runner) (Value, error) {
	l := &List{}
	for _, i := range e.items {
		v, err := i.eval(r)
		if err != nil {
			return nil, err
		}
		l.Items = append(l.Items, v)
	}
	return l, nil
}

// maxRange bounds [from..to].
const maxRange = 10_000

type rangeExpr struct{ from, to expr }

func (e rangeExpr) eval(r *runner) (Value, error) {
	a, err := e.from.eval(r)
	if err != nil {
		return nil, err
	}
	b, err := e.to.eval(r)
	if err != nil {
		return nil, err
	}
	from, ok1 := a.(float64)
	to, ok2 := b.(float64)
	if !ok1 || !ok2 {
		return nil, nil
	}
	if to-from > maxRange {
		return nil, ErrTooSlow
	}
	l := &List{}
	for f := from; f <= to; f++ {
		l.Items = append(l.Items, f)
	}
	return l, nil
}

type mapExpr struct{ keys, values []expr }

func (e mapExpr) eval(r *runner) (Value, error) {
	m := Map{}
	for i := range e.keys {
		k, err := e.keys[i].eval(r)
		if err != nil {
			return nil, err
		}
		v, err := e.values[i].eval(r)
		if err != nil {
			return nil, err
		}
		m[Text(k)] = v
	}
	return m, nil
}

type notExpr struct{ e expr }

func (e notExpr) eval(r *runner) (Value, error) {
	v, err := e.e.eval(r)
	return !truth(v), err
}

type binary struct {
	op   string
	a, b expr
}

func (e binary) eval(r *runner) (Value, error) {
	a, err := e.a.eval(r)
	if err != nil {
		return nil, err
	}
	switch {
	case e.op == "&&" && !truth(a):
		return false, nil
	case e.op == "||" && truth(a):
		return true, nil
	}
	b, err := e.b.eval(r)
	if err != nil {
		return nil, err
	}
	switch e.op {
	case "&&", "||":
		return truth(b), nil
	case "==":
		return same(a, b), nil
	case "!=":
		return !same(a, b), nil
	}
	return arithmetic(e.op, a, b)
}

func arithmetic(op string, a, b Value) (Value, error) {
	x, ok1 := a.(float64)
	y, ok2 := b.(float64)
	if !ok1 || !ok2 {
		return words(op, a, b)
	}
	switch op {
	case "+":
		return x + y, nil
	case "-":
		return x - y, nil
	case "*":
		return x * y, nil
	case "<":
		return x < y, nil
	case "<=":
		return x <= y, nil
	case ">":
		return x > y, nil
	case ">=":
		return x >= y, nil
	}
	if y == 0 {
		return nil, nil
	}
	if op == "/" {
		return float64(int64(x / y)), nil // Java's integers
	}
	if int64(y) == 0 {
		return nil, nil
	}
	return float64(int64(x) % int64(y)), nil
}

// words are the operators on what is no number: + puts texts together.
func words(op string, a, b Value) (Value, error) {
	_, s1 := a.(string)
	_, s2 := b.(string)
	if !s1 && !s2 {
		return nil, nil
	}
	switch x, y := Text(a), Text(b); op {
	case "+":
		if len(x)+len(y) > MaxOutput {
			return nil, ErrTooLong
		}
		return x + y, nil
	case "<":
		return strings.Compare(x, y) < 0, nil
	case ">":
		return strings.Compare(x, y) > 0, nil
	case "<=":
		return strings.Compare(x, y) <= 0, nil
	case ">=":
		return strings.Compare(x, y) >= 0, nil
	}
	return nil, nil
}
