package cli

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"os"
	"strings"

	"github.com/spf13/cobra"
)

func (p *program) invokeCommand() *cobra.Command {
	var event, qualifier string
	c := &cobra.Command{
		Use: "invoke [NAME]", Short: "Run a function once and show its result", Args: args(0, 1, "at most one function"),
		Long: `Run a function and wait for its result, which goes to standard output. What it
logged and how long it took goes to standard error. Without a name it is the
function of mayfly.json in this folder.

The exit code is 3 when the function failed.`,
		Example: `  mayfly invoke hello
  mayfly invoke hello --event '{"name": "you"}'
  mayfly invoke hello --event event.json --qualifier prod
  echo '{}' | mayfly invoke hello --event - | jq .message`,
		ValidArgsFunction: p.completeFunctions,
		RunE: func(c *cobra.Command, args []string) error {
			name, err := nameOr(args)
			if err != nil {
				return err
			}
			payload, err := p.readEvent(event)
			if err != nil {
				return err
			}
			api, err := p.client()
			if err != nil {
				return err
			}
			r, err := api.invoke(c.Context(), name, qualifier, payload)
			if err != nil {
				return err
			}
			return p.showResult(name, r)
		},
	}
	c.Flags().StringVar(&event, "event", "{}", "the event: a file, - for standard input, or JSON itself")
	c.Flags().StringVar(&qualifier, "qualifier", "", "version or alias (default $LATEST)")
	return c
}

// nameOr is the function that a command names, or that of this folder.
func nameOr(args []string) (string, error) {
	if len(args) > 0 {
		return args[0], nil
	}
	m, err := readManifest(".")
	if err == nil && m.Name == "" {
		err = usage("which function?").next("name one, or run this in the folder of a function that has a %s", manifestFile)
	}
	return m.Name, err
}

// readEvent reads --event.
func (p *program) readEvent(event string) ([]byte, error) {
	switch {
	case event == "-":
		b, err := io.ReadAll(p.in)
		if err != nil {
			return nil, fail("read standard input: %v", err)
		}
		return checkEvent("standard input", b)
	case json.Valid([]byte(event)):
		return []byte(event), nil
	case strings.ContainsAny(first(event, " ")[:1], `{["`):
		return checkEvent("--event", []byte(event))
	}
	b, err := os.ReadFile(event)
	if err != nil {
		return nil, usage("--event: %v", err).next("give a file, - for standard input, or JSON such as '{\"name\": \"you\"}'")
	}
	return checkEvent(event, b)
}

func checkEvent(from string, b []byte) ([]byte, error) {
	if !json.Valid(b) {
		var v any
		return nil, usage("%s is not JSON: %v", from, json.Unmarshal(b, &v)).next("text and the names of members have to be in double quotes: '{\"name\": \"you\"}'")
	}
	return b, nil
}

// A result is an invocation's answer.
type result struct {
	Payload  []byte
	Failure  string // Handled, Unhandled; "" for success
	Log      string // the last 4 KB
	Version  string
	ErrorMsg struct {
		Message string   `json:"errorMessage"`
		Type    string   `json:"errorType"`
		Trace   []string `json:"stackTrace"`
	}
}

func (c *client) invoke(ctx context.Context, name, qualifier string, payload []byte) (*result, error) {
	path := functionPath(name, "/invocations")
	if qualifier != "" {
		path += "?Qualifier=" + url.QueryEscape(qualifier)
	}
	a, err := c.do(ctx, request{service: "lambda", path: path, body: payload, header: map[string]string{
		"Content-Type": "application/json", "X-Amz-Log-Type": "Tail",
	}})
	if err != nil {
		return nil, err
	}
	r := &result{Payload: a.body, Failure: a.header.Get("X-Amz-Function-Error"), Version: a.header.Get("X-Amz-Executed-Version")}
	if log, err := base64.StdEncoding.DecodeString(a.header.Get("X-Amz-Log-Result")); err == nil {
		r.Log = string(log)
	}
	if r.Failure != "" {
		_ = json.Unmarshal(r.Payload, &r.ErrorMsg) // a payload of another form is shown as it is
	}
	return r, nil
}

// showResult prints a result and makes the exit code of a function's failure.
func (p *program) showResult(name string, r *result) error {
	lines, rep := splitLog(r.Log)
	if p.json {
		err := p.printJSON(p.out, map[string]any{
			"payload": payloadJSON(r.Payload), "function_error": r.Failure, "executed_version": r.Version, "log": lines, "report": rep,
		})
		if err != nil || r.Failure == "" {
			return err
		}
		return &failure{exit: exitFunction}
	}
	for _, l := range lines {
		fmt.Fprintln(p.err, p.paintErr(dim, "| "+strings.ReplaceAll(breaks(l), "\n", "\n| ")))
	}
	if rep != nil {
		fmt.Fprintln(p.err, p.paintErr(cyan, rep.String()))
	}
	fmt.Fprintf(p.out, "%s\n", bytes.TrimRight(p.pretty(r.Payload), "\n"))
	if r.Failure == "" {
		return nil
	}
	message := strings.TrimSuffix(first(r.ErrorMsg.Type, r.Failure)+": "+r.ErrorMsg.Message, ": ")
	f := fail("the function failed: %s", message).next("see the rest of its log with `mayfly logs %s%s`", name, p.dataFlag())
	f.exit = exitFunction
	return f
}

// payloadJSON is a payload inside JSON: itself when it is JSON, else its text.
func payloadJSON(b []byte) any {
	if json.Valid(b) {
		return json.RawMessage(b)
	}
	return string(b)
}

// pretty indents JSON for a terminal; a program gets it as it is.
func (p *program) pretty(b []byte) []byte {
	var out bytes.Buffer
	if !p.outTerm || json.Indent(&out, b, "", "  ") != nil {
		return b
	}
	return out.Bytes()
}

// completeFunctions completes the names of functions.
func (p *program) completeFunctions(c *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
	api, err := p.client()
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	list, err := api.functions(c.Context())
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var names []string
	for _, f := range list {
		names = append(names, f.FunctionName)
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}
