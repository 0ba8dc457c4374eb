package cli

import (
	"context"
	"fmt"
	"net/url"
	"strings"

	"github.com/spf13/cobra"
)

func (p *program) listCommand() *cobra.Command {
	return &cobra.Command{
		Use: "list", Aliases: []string{"ls"}, Short: "List the functions", Args: args(0, 0, "no arguments"),
		Example: `  mayfly list
  mayfly list --json | jq -r '.[].FunctionName'`,
		RunE: func(c *cobra.Command, _ []string) error {
			api, err := p.client()
			if err != nil {
				return err
			}
			list, err := api.functions(c.Context())
			if err != nil {
				return err
			}
			if p.json {
				return p.printJSON(p.out, list)
			}
			if len(list) == 0 {
				fmt.Fprintln(p.err, "There are no functions yet. Begin one with `mayfly init NAME --runtime RUNTIME`.")
				return nil
			}
			var rows [][]string
			for _, f := range list {
				modified, _, _ := strings.Cut(f.LastModified, ".")
				rows = append(rows, []string{f.FunctionName, first(f.Runtime, "-"), fmt.Sprintf("%d MB", f.MemorySize), fmt.Sprintf("%d s", f.Timeout), size(f.CodeSize), modified})
			}
			return p.table("NAME RUNTIME MEMORY TIMEOUT CODE MODIFIED", rows)
		},
	}
}

// functions lists all functions, page by page.
func (c *client) functions(ctx context.Context) ([]functionConfig, error) {
	list := []functionConfig{}
	for marker := ""; ; {
		path := "/2015-03-31/functions/"
		if marker != "" {
			path += "?Marker=" + url.QueryEscape(marker)
		}
		var page struct {
			Functions  []functionConfig
			NextMarker string
		}
		if err := c.rest(ctx, "lambda", "GET", path, nil, &page); err != nil {
			return nil, err
		}
		list = append(list, page.Functions...)
		if marker = page.NextMarker; marker == "" {
			return list, nil
		}
	}
}
