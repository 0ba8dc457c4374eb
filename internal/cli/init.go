package cli

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/template"

	"github.com/spf13/cobra"
)

//go:embed templates
var templates embed.FS

// A scaffold is how a function of a family of runtimes begins.
type scaffold struct {
	folder  string // in templates
	handler string
	build   string // command that makes the function, if it has to be made
}

// scaffoldRuntimes are the runtimes that init knows, the newest of a language last.
func scaffoldRuntimes() []string {
	return []string{
		"python3.9", "python3.10", "python3.11", "python3.12", "python3.13", "python3.14",
		"nodejs18.x", "nodejs20.x", "nodejs22.x", "nodejs24.x", "ruby3.2", "ruby3.3", "ruby3.4",
		"provided.al2", "provided.al2023",
	}
}

const goBuild = "go mod tidy && CGO_ENABLED=0 GOOS=linux go build -o bootstrap ."

func scaffoldOf(runtime string) scaffold {
	switch {
	case strings.HasPrefix(runtime, "python"):
		return scaffold{"python", "app.handler", ""}
	case strings.HasPrefix(runtime, "nodejs"):
		return scaffold{"nodejs", "index.handler", ""}
	case strings.HasPrefix(runtime, "ruby"):
		return scaffold{"ruby", "app.handler", ""}
	default:
		return scaffold{"provided", "bootstrap", goBuild}
	}
}

func (p *program) initCommand() *cobra.Command {
	var runtime string
	c := &cobra.Command{
		Use: "init NAME --runtime RUNTIME", Short: "Begin a function in a new folder", Args: args(1, 1, "the function's name"),
		Long: `Make a folder with a function that works: its code, mayfly.json, a test event and
.mayflyignore.

Runtimes: ` + strings.Join(scaffoldRuntimes(), ", ") + `.
For provided.al2023 the function is a Go program.`,
		Example: `  mayfly init hello --runtime python3.12
  mayfly init api/users --runtime nodejs22.x
  mayfly init fast --runtime provided.al2023`,
		RunE: func(_ *cobra.Command, args []string) error {
			if !slices.Contains(scaffoldRuntimes(), runtime) {
				f := usage("%q is no runtime that init knows", runtime)
				if runtime == "" {
					f = usage("init wants a runtime")
				}
				return f.next("choose with --runtime: %s", strings.Join(scaffoldRuntimes(), ", "))
			}
			return p.scaffold(args[0], runtime)
		},
	}
	c.Flags().StringVar(&runtime, "runtime", "", "what runs the function, such as python3.12")
	c.RegisterFlagCompletionFunc("runtime", cobra.FixedCompletions(scaffoldRuntimes(), cobra.ShellCompDirectiveNoFileComp))
	return c
}

// scaffold fills a new folder.
func (p *program) scaffold(dir, runtime string) error {
	name := filepath.Base(dir)
	if err := checkName(name); err != nil {
		return err
	}
	if list, err := os.ReadDir(dir); err == nil && len(list) > 0 {
		return usage("%s is there already, and not empty", dir).next("choose another name, or empty the folder")
	} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fail("%v", err)
	}
	s := scaffoldOf(runtime)
	files, err := s.files(name, runtime)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fail("%v", err)
	}
	var names []string
	for _, f := range files {
		if err := os.WriteFile(filepath.Join(dir, f.name), f.content, 0o644); err != nil {
			return fail("%v", err)
		}
		names = append(names, f.name)
	}
	if p.json {
		return p.printJSON(p.out, map[string]any{"name": name, "runtime": runtime, "folder": dir, "files": names, "build": s.build})
	}
	fmt.Fprintf(p.out, "%s %s (%s)\n", p.paint(green, "made"), dir, runtime)
	for _, n := range names {
		fmt.Fprintf(p.out, "  %s\n", n)
	}
	fmt.Fprintf(p.out, "\nNext:\n  cd %s\n", quote(dir))
	if s.build != "" {
		fmt.Fprintf(p.out, "  %s\n", s.build)
	}
	fmt.Fprintf(p.out, "  mayfly deploy\n  mayfly invoke %s --event event.json\n", name)
	return nil
}

// A made file is a file of a scaffold.
type madeFile struct {
	name    string
	content []byte
}

// files renders a scaffold's files, in order of name.
func (s scaffold) files(name, runtime string) ([]madeFile, error) {
	m := manifest{Name: name, Runtime: runtime, Handler: s.handler, Memory: new(128), Timeout: new(3)}
	text, err := manifestText(m)
	if err != nil {
		return nil, err
	}
	files := []madeFile{{manifestFile, text}, {"event.json", []byte("{\"name\": \"Mayfly\"}\n")}}
	list, err := fs.Glob(templates, "templates/"+s.folder+"/*.tmpl")
	if err != nil {
		return nil, err
	}
	for _, file := range append(list, "templates/README.md.tmpl") {
		t, err := template.ParseFS(templates, file)
		if err != nil {
			return nil, err
		}
		var b bytes.Buffer
		if err := t.Execute(&b, map[string]string{"Name": name, "Runtime": runtime, "Build": s.build}); err != nil {
			return nil, err
		}
		as := strings.TrimSuffix(filepath.Base(file), ".tmpl")
		if as == "ignore" {
			as = ignoreFile
		}
		files = append(files, madeFile{as, b.Bytes()})
	}
	slices.SortFunc(files, func(a, b madeFile) int { return strings.Compare(a.name, b.name) })
	return files, nil
}

// manifestText writes a manifest with an empty env, to show where it goes.
func manifestText(m manifest) ([]byte, error) {
	var b bytes.Buffer
	err := (&program{}).printJSON(&b, struct {
		manifest
		Env map[string]string `json:"env"`
	}{m, map[string]string{}})
	return b.Bytes(), err
}
