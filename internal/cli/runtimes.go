package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

// A runtimeStatus is what the server tells of a runtime.
type runtimeStatus struct {
	Runtime     string `json:"runtime"`
	Available   bool   `json:"available"`
	Interpreter string `json:"interpreter,omitempty"`
	Version     string `json:"version,omitempty"`
	Note        string `json:"note,omitempty"`
	Advice      string `json:"advice,omitempty"`
}

func (p *program) runtimesCommand() *cobra.Command {
	return &cobra.Command{
		Use: "runtimes", Short: "List the runtimes that the server can run", Args: args(0, 0, "no arguments"),
		Long: "List the runtimes that the server found on its machine, and how to get those that are missing.",
		Example: `  mayfly runtimes
  mayfly runtimes --json`,
		RunE: func(c *cobra.Command, _ []string) error {
			api, err := p.client()
			if err != nil {
				return err
			}
			list, err := api.runtimes(c.Context())
			if err != nil {
				return err
			}
			if p.json {
				return p.printJSON(p.out, list)
			}
			return p.printRuntimes(list)
		},
	}
}

func (c *client) runtimes(ctx context.Context) (list []runtimeStatus, err error) {
	err = c.rest(ctx, "mayfly", "GET", "/_mayfly/runtimes", nil, &list)
	return list, err
}

func (p *program) printRuntimes(list []runtimeStatus) error {
	var have [][]string
	var missing, noted []runtimeStatus
	for _, s := range list {
		if !s.Available {
			missing = append(missing, s)
			continue
		}
		have = append(have, []string{s.Runtime, first(s.Version, "-"), first(s.Interpreter, "-")})
		if s.Note != "" {
			noted = append(noted, runtimeStatus{Runtime: s.Runtime, Advice: s.Note})
		}
	}
	if err := p.table("RUNTIME VERSION INTERPRETER", have); err != nil {
		return err
	}
	if p.printAdvice("Notes:", noted); len(have) > 0 {
		fmt.Fprintf(p.out, "\n%s\n", snapStart)
	}
	p.printAdvice("Not here:", missing)
	return nil
}

// snapStart says what becomes of a function's SnapStart.
const snapStart = "SnapStart is accepted, and nothing is restored: a cold start takes an interpreter that has been started already."

func (p *program) printAdvice(heading string, list []runtimeStatus) {
	if len(list) > 0 {
		fmt.Fprintf(p.out, "\n%s\n", p.paint(bold, heading))
	}
	for _, m := range byAdvice(list) {
		fmt.Fprintf(p.out, "  %s: %s\n", strings.Join(m.runtimes, ", "), m.advice)
	}
}

// An advised is runtimes that share one advice.
type advised struct {
	runtimes []string
	advice   string
}

// byAdvice puts runtimes with the same advice together, where the first stands.
func byAdvice(list []runtimeStatus) (out []advised) {
	for _, s := range list {
		advice := first(s.Advice, "no interpreter was found")
		i := slices.IndexFunc(out, func(a advised) bool { return a.advice == advice })
		if i < 0 {
			i = len(out)
			out = append(out, advised{advice: advice})
		}
		out[i].runtimes = append(out[i].runtimes, s.Runtime)
	}
	return out
}
