package cli

import (
	"bufio"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

func (p *program) deleteCommand() *cobra.Command {
	var yes bool
	c := &cobra.Command{
		Use: "delete NAME...", Aliases: []string{"rm"}, Short: "Delete functions", Args: args(1, -1, "the names of functions"),
		Long: "Delete functions, with their versions and aliases. Their logs stay.",
		Example: `  mayfly delete hello
  mayfly delete hello goodbye --yes`,
		ValidArgsFunction: p.completeFunctions,
		RunE: func(c *cobra.Command, names []string) error {
			if !yes {
				if err := p.confirm("delete " + strings.Join(names, ", ")); err != nil {
					return err
				}
			}
			api, err := p.client()
			if err != nil {
				return err
			}
			deleted := []string{}
			for _, n := range names {
				if err = api.rest(c.Context(), "lambda", "DELETE", functionPath(n, ""), nil, nil); err != nil {
					break
				}
				deleted = append(deleted, n)
				if !p.json {
					fmt.Fprintf(p.out, "%s %s\n", p.paint(green, "deleted"), n)
				}
			}
			if p.json {
				err = firstError(err, p.printJSON(p.out, map[string]any{"deleted": deleted}))
			}
			return err
		},
	}
	c.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	return c
}

func firstError(list ...error) error {
	for _, err := range list {
		if err != nil {
			return err
		}
	}
	return nil
}

// confirm asks a person. A script has to say --yes.
func (p *program) confirm(what string) error {
	if !p.inTerm || p.json {
		return usage("this would %s, and there is nobody to ask", what).next("add --yes")
	}
	fmt.Fprintf(p.err, "%s? [y/N] ", strings.ToUpper(what[:1])+what[1:])
	s := bufio.NewScanner(p.in)
	if s.Scan(); !strings.EqualFold(strings.TrimSpace(s.Text()), "y") && !strings.EqualFold(strings.TrimSpace(s.Text()), "yes") {
		return fail("nothing was deleted")
	}
	return nil
}
