package cli

import (
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
			var list []runtimeStatus
			if err := api.rest(c.Context(), "mayfly", "GET", "/_mayfly/runtimes", nil, &list); err != nil {
				return err
			}
			if p.json {
				return p.printJSON(p.out, list)
			}
			return p.printRuntimes(list)
		},
	}
}

func (p *program) printRuntimes(list []runtimeStatus) error {
	var have [][]string
	var missing []runtimeStatus
	for _, s := range list {
		if !s.Available {
			missing = append(missing, s)
			continue
		}
		have = append(have, []string{s.Runtime, first(s.Version, "-"), first(s.Interpreter, "-"), s.Note})
	}
	if err := p.table("RUNTIME VERSION INTERPRETER NOTE", have); err != nil {
		return err
	}
	if len(missing) > 0 {
		fmt.Fprintf(p.out, "\n%s\n", p.paint(bold, "Not here:"))
	}
	for _, m := range byAdvice(missing) {
		fmt.Fprintf(p.out, "  %s: %s\n", strings.Join(m.runtimes, ", "), m.advice)
	}
	return nil
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
