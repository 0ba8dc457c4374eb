package cli

import (
	"context"
	"io"
	"strings"
)

// RunForTest runs one command line without a terminal, as Main would.
func RunForTest(ctx context.Context, out, err io.Writer, args ...string) int {
	p := &program{version: "test", env: func(string) string { return "" }, in: strings.NewReader(""), out: out, err: err}
	return p.run(ctx, args)
}
