package wire

import (
	"fmt"
	"slices"
	"strings"
)

// Coverage renders which operations of each service are served, as Markdown.
func Coverage(services []Service) string {
	var b strings.Builder
	b.WriteString("| Service | Served | Of |\n|---|---:|---:|\n")
	for _, s := range services {
		fmt.Fprintf(&b, "| [%s](#%s) | %d | %d |\n", s.Title, anchor(s.Title), len(s.Ops), len(s.Models))
	}
	for _, s := range services {
		coverage(&b, s)
	}
	return b.String()
}

func coverage(b *strings.Builder, s Service) {
	fmt.Fprintf(b, "\n## %s\n\nAPI version %s, signing name `%s`.\n\n| Operation | |\n|---|---|\n", s.Title, s.Version, s.Name)
	for _, m := range s.Models {
		state := "not yet"
		if slices.ContainsFunc(s.Ops, func(op Op) bool { return op.Name == m.Name }) {
			state = "served"
		}
		fmt.Fprintf(b, "| %s | %s |\n", m.Name, state)
	}
}

// anchor is how Markdown renderers name a heading in a link.
func anchor(title string) string { return strings.ReplaceAll(strings.ToLower(title), " ", "-") }
