package cli

import (
	"fmt"
	"strings"

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
			return p.printEnv(e, shell)
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
