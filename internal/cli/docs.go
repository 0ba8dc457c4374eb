package cli

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// Docs writes the command line's manual as Markdown, from its own help.
func Docs(w io.Writer) error {
	var b strings.Builder
	b.WriteString("# The command line\n\n<!-- Made from the program's help by tools/docs. Do not edit. -->\n")
	root := (&program{version: "dev"}).root()
	root.InitDefaultCompletionCmd()
	describe(&b, root)
	for _, c := range root.Commands() {
		if c.IsAvailableCommand() && c.Name() != "help" {
			describe(&b, c)
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func describe(b *strings.Builder, c *cobra.Command) {
	fmt.Fprintf(b, "\n## %s\n\n%s.\n\n", c.CommandPath(), c.Short)
	if c.Runnable() {
		fmt.Fprintf(b, "    %s\n\n", c.UseLine())
	}
	if c.Long != "" && c.Name() != "completion" {
		fmt.Fprintf(b, "%s\n\n", markdown(c.Long))
	}
	if c.Example != "" {
		fmt.Fprintf(b, "```sh\n%s\n```\n", unindent(c.Example))
	}
	flags := c.NonInheritedFlags()
	flags.SortFlags = true
	rows := false
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Hidden || f.Name == "help" || f.Name == "version" {
			return
		}
		if !rows {
			b.WriteString("\n| Flag | Default | |\n|---|---|---|\n")
			rows = true
		}
		name := "--" + f.Name
		if f.Shorthand != "" {
			name = "-" + f.Shorthand + ", " + name
		}
		def := ""
		if f.DefValue != "" && f.DefValue != "false" {
			def = "`" + f.DefValue + "`"
		}
		fmt.Fprintf(b, "| `%s` | %s | %s |\n", name, def, strings.ReplaceAll(f.Usage, "|", `\|`))
	})
}

func unindent(s string) string {
	return strings.TrimPrefix(strings.ReplaceAll("\n"+s, "\n  ", "\n"), "\n")
}

// markdown keeps the lines of tables in help texts apart.
func markdown(s string) string {
	head, codes, ok := strings.Cut(s, "Exit codes:\n")
	if !ok {
		return s
	}
	return head + "Exit codes:\n\n```\n" + unindent(codes) + "\n```"
}
