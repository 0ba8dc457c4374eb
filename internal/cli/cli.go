// Package cli is the command line, a client of the API like any other. What it
// can do, any client can: it knows the server by its URL and a key alone.
package cli

import (
	"context"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"
)

// Exit codes. They are a promise: scripts rely on them.
const (
	exitOK          = 0
	exitFailure     = 1   // the server refused, or something went wrong
	exitUsage       = 2   // the command line or mayfly.json is wrong
	exitFunction    = 3   // the function itself failed
	exitUnreachable = 4   // no server answers
	exitInterrupted = 130 // Ctrl-C
)

// ServeOptions are what `mayfly serve` was asked for.
type ServeOptions struct {
	Listen      string // "127.0.0.1:4566"
	Data        string // folder
	Region      string
	AuthOff     bool
	Tier        string   // auto, namespace, process
	Near        bool     // run a runtime on a near version of its interpreter
	Version     string   // of this program
	Hosts       []string // names that clients may reach the server by, beside its own
	Offline     bool     // functions cannot reach the world outside this machine
	DynamoDB    string   // URL of a DynamoDB whose streams functions may read
	Concurrency int      // the account's limit of concurrent executions
	LogsMB      int      // how much of function logs is kept

	MemoryMB int           // that all sandboxes together may use; 0: four fifths of the machine's, negative: no limit
	BlanksMB int           // for interpreters started ahead; 0: a sixteenth of the machine's, negative: none
	KeepWarm time.Duration // the longest that an idle sandbox is kept

	ListenTLS       string // address for TLS, beside Listen; "" for none
	TLSCert, TLSKey string // files; with ListenTLS alone
}

// A Server runs a server until ctx ends.
type Server func(ctx context.Context, o ServeOptions) error

// Main runs the command line and returns the process's exit code.
func Main(args []string, version string, serve func(ctx context.Context, o ServeOptions) error) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends the process at once
	p := &program{
		version: version, serve: serve, env: os.Getenv,
		in: os.Stdin, out: os.Stdout, err: os.Stderr,
		inTerm: term.IsTerminal(int(os.Stdin.Fd())), outTerm: term.IsTerminal(int(os.Stdout.Fd())), errTerm: term.IsTerminal(int(os.Stderr.Fd())),
	}
	return p.run(ctx, args)
}

// A program is one run of the command line and the world that it sees.
type program struct {
	version  string
	serve    Server
	env      func(string) string
	in       io.Reader
	out, err io.Writer

	inTerm, outTerm, errTerm bool // which of them are terminals

	json bool   // --json
	data string // --data
}

func (p *program) run(ctx context.Context, args []string) int {
	root := p.root()
	root.SetArgs(args)
	root.SetIn(p.in)
	root.SetOut(p.out)
	root.SetErr(p.err)
	err := root.ExecuteContext(ctx)
	return p.report(ctx, err)
}

const rootLong = `Mayfly is AWS Lambda on machines you own.

Start a server with "mayfly serve", then use this command line, or any AWS
client: eval "$(mayfly env)" points them at the server.

Commands find the server by AWS_ENDPOINT_URL and the AWS_* key variables, or by
the data folder that it runs on: --data, or $MAYFLY_DATA, or ~/.mayfly.

Exit codes:
  0    done
  1    the server refused, or something went wrong
  2    the command line or mayfly.json is wrong
  3    the function failed (invoke)
  4    no server answers
  130  interrupted`

const rootExample = `  mayfly serve                              # in one terminal
  mayfly init hello --runtime python3.12    # in another
  cd hello
  mayfly deploy
  mayfly invoke hello --event event.json
  mayfly logs hello -f`

func (p *program) root() *cobra.Command {
	c := &cobra.Command{
		Use: "mayfly", Short: "AWS Lambda on machines you own", Long: rootLong, Example: rootExample,
		Version: p.version, SilenceErrors: true, SilenceUsage: true, DisableAutoGenTag: true,
	}
	c.SetVersionTemplate("mayfly {{.Version}}\n")
	c.PersistentFlags().BoolVar(&p.json, "json", false, "answer in JSON, errors too")
	c.PersistentFlags().StringVar(&p.data, "data", "", "data folder of the server (default $MAYFLY_DATA, else ~/.mayfly)")
	c.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return usage("%v", err).next("see `%s --help`", c.CommandPath())
	})
	c.AddGroup(&cobra.Group{ID: "server", Title: "Server:"}, &cobra.Group{ID: "function", Title: "Functions:"})
	c.SetHelpCommandGroupID("server")
	c.SetCompletionCommandGroupID("server")
	for _, s := range []*cobra.Command{p.serveCommand(), p.envCommand(), p.runtimesCommand(), p.usageCommand(), p.versionCommand()} {
		s.GroupID = "server"
		c.AddCommand(s)
	}
	for _, s := range []*cobra.Command{p.initCommand(), p.deployCommand(), p.invokeCommand(), p.logsCommand(), p.listCommand(), p.deleteCommand()} {
		s.GroupID = "function"
		c.AddCommand(s)
	}
	return c
}

// args checks the number of a command's arguments, and says what is wanted.
func args(low, high int, want string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		switch {
		case len(args) < low:
			return usage("%s wants %s", c.CommandPath(), want).next("see `%s --help`", c.CommandPath())
		case high >= 0 && len(args) > high:
			return usage("%s takes no %q: it wants %s", c.CommandPath(), args[high], want).next("see `%s --help`", c.CommandPath())
		}
		return nil
	}
}
