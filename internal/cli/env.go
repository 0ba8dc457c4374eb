package cli

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

func (p *program) envCommand() *cobra.Command {
	var shell string
	c := &cobra.Command{
		Use: "env", Short: "Print the variables that point AWS clients at the server", Args: args(0, 0, "no arguments"),
		Long: `Print shell commands that set AWS_ENDPOINT_URL, AWS_ACCESS_KEY_ID,
AWS_SECRET_ACCESS_KEY, AWS_REGION and AWS_DEFAULT_REGION for the server on the
data folder. They hold the root key: whoever has it may do anything there.`,
		Example: `  eval "$(mayfly env)"
  mayfly env --shell fish | source
  mayfly env --shell powershell | Out-String | Invoke-Expression`,
		RunE: func(c *cobra.Command, _ []string) error {
			e, err := p.readEndpoint()
			if err != nil {
				return err
			}
			if err := p.printEnv(e, shell); err != nil {
				return err
			}
			p.warnIfDown(c.Context(), e)
			return nil
		},
	}
	c.Flags().StringVar(&shell, "shell", "sh", "sh, fish, powershell")
	return c
}

func (p *program) printEnv(e Endpoint, shell string) error {
	vars := [][2]string{
		{"AWS_ENDPOINT_URL", e.URL}, {"AWS_ACCESS_KEY_ID", e.AccessKeyID}, {"AWS_SECRET_ACCESS_KEY", e.SecretAccessKey},
		{"AWS_REGION", e.Region}, {"AWS_DEFAULT_REGION", e.Region},
	}
	if p.json {
		m := map[string]string{}
		for _, v := range vars {
			m[v[0]] = v[1]
		}
		return p.printJSON(p.out, m)
	}
	if err := oneOf("--shell", shell, "sh", "bash", "zsh", "fish", "powershell", "pwsh"); err != nil {
		return err
	}
	for _, v := range vars {
		fmt.Fprintln(p.out, export(shell, v[0], v[1]))
	}
	// A token of another account would be sent beside this key, and refused.
	fmt.Fprintln(p.out, unset(shell, "AWS_SESSION_TOKEN"))
	return nil
}

// warnIfDown tells that the server which wrote e is gone. The variables are
// printed all the same: it will be back on the same key, mostly on the same port.
func (p *program) warnIfDown(ctx context.Context, e Endpoint) {
	api, err := p.clientOf(e)
	if err != nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	if _, err = api.do(ctx, request{service: "mayfly", method: "GET", path: "/_mayfly/health"}); err != nil {
		fmt.Fprintf(p.err, "%s no server answers at %s now; %s\n", p.paintErr(yellow, "warning:"), e.URL, api.hint)
	}
}

func export(shell, name, value string) string {
	switch shell {
	case "fish":
		return "set -gx " + name + " '" + strings.NewReplacer(`\`, `\\`, "'", `\'`).Replace(value) + "';"
	case "powershell", "pwsh":
		return "$env:" + name + " = '" + strings.ReplaceAll(value, "'", "''") + "'"
	default:
		return "export " + name + "=" + quote(value)
	}
}

func unset(shell, name string) string {
	switch shell {
	case "fish":
		return "set -e " + name + ";"
	case "powershell", "pwsh":
		return "Remove-Item Env:" + name + " -ErrorAction SilentlyContinue"
	default:
		return "unset " + name
	}
}
