package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// A failure is an error with an exit code and what to do next.
type failure struct {
	exit    int
	code    string // AWS's error code, if the server gave one
	message string
	hint    string
}

func (f *failure) Error() string { return f.message }

// next adds what to do next.
func (f *failure) next(format string, args ...any) *failure {
	f.hint = fmt.Sprintf(format, args...)
	return f
}

func fail(format string, args ...any) *failure {
	return &failure{exit: exitFailure, message: fmt.Sprintf(format, args...)}
}

func usage(format string, args ...any) *failure {
	return &failure{exit: exitUsage, message: fmt.Sprintf(format, args...)}
}

// report tells of err, if there is one, and returns the exit code.
func (p *program) report(ctx context.Context, err error) int {
	if err == nil {
		return exitOK
	}
	f, ok := errors.AsType[*failure](err)
	switch {
	case ok:
	case ctx.Err() != nil && errors.Is(err, context.Canceled):
		return exitInterrupted
	case strings.HasPrefix(err.Error(), "unknown command"): // cobra has no type for it
		f = usage("%s", strings.Join(strings.Fields(err.Error()), " ")).next("see `mayfly --help`")
	default:
		f = fail("%v", err)
	}
	if f.message == "" { // all was said already
		return f.exit
	}
	if p.json {
		p.printJSON(p.err, map[string]any{"error": map[string]any{"code": f.code, "message": f.message, "hint": f.hint, "exit": f.exit}})
		return f.exit
	}
	fmt.Fprintf(p.err, "%s %s\n", p.paintErr(red, "mayfly:"), f.message)
	if f.hint != "" {
		fmt.Fprintf(p.err, "%s %s\n", p.paintErr(dim, "next:"), f.hint)
	}
	return f.exit
}
