package cli

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// An Endpoint is how to reach a server: what a running server writes to
// endpoint.json in its data folder.
type Endpoint struct {
	URL             string `json:"url"`
	Region          string `json:"region"`
	AccessKeyID     string `json:"access_key_id"`
	SecretAccessKey string `json:"secret_access_key"`
	SessionToken    string `json:"-"` // from the environment only
	PID             int    `json:"pid"`
	Version         string `json:"version"`
}

const (
	endpointFile  = "endpoint.json"
	defaultRegion = "us-east-1"
	defaultListen = "127.0.0.1:4566"
)

// folder is the data folder.
func (p *program) folder() (string, error) {
	if p.data != "" {
		return p.data, nil
	}
	if d := p.env("MAYFLY_DATA"); d != "" {
		return d, nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", usage("there is no home folder to keep the data in").next("name one with --data DIR")
	}
	return filepath.Join(home, ".mayfly"), nil
}

// readEndpoint reads what the server on the data folder wrote.
func (p *program) readEndpoint() (e Endpoint, err error) {
	dir, err := p.folder()
	if err != nil {
		return e, err
	}
	b, err := os.ReadFile(filepath.Join(dir, endpointFile))
	if errors.Is(err, fs.ErrNotExist) {
		f := fail("no server has run on %s", dir).next("start one with `mayfly serve%s`", p.dataFlag())
		f.exit = exitUnreachable
		return e, f
	}
	if err != nil {
		return e, fail("%v", err).next("the server's key is in that file: run as the user that runs the server")
	}
	if err := json.Unmarshal(b, &e); err != nil || e.URL == "" {
		return e, fail("%s is damaged", filepath.Join(dir, endpointFile)).next("restart the server: it writes the file anew")
	}
	return e, nil
}

// dataFlag is the --data flag as it has to be repeated in advice.
func (p *program) dataFlag() string {
	if p.data == "" {
		return ""
	}
	return " --data " + quote(p.data)
}

// endpoint is the server that commands talk to. A --data flag is the most
// explicit; then the variables that every AWS client obeys; then the default
// folder. The AWS_* keys count only beside AWS_ENDPOINT_URL: on their own they
// are for AWS itself.
func (p *program) endpoint() (Endpoint, error) {
	url := p.env("AWS_ENDPOINT_URL")
	if p.data != "" || url == "" {
		return p.readEndpoint()
	}
	e := Endpoint{
		URL: strings.TrimRight(url, "/"), AccessKeyID: p.env("AWS_ACCESS_KEY_ID"), SecretAccessKey: p.env("AWS_SECRET_ACCESS_KEY"),
		SessionToken: p.env("AWS_SESSION_TOKEN"), Region: first(p.env("AWS_REGION"), p.env("AWS_DEFAULT_REGION"), defaultRegion),
	}
	if e.AccessKeyID == "" || e.SecretAccessKey == "" {
		known, err := p.readEndpoint()
		if err != nil || known.URL != e.URL {
			return e, usage("AWS_ENDPOINT_URL is set, but AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not").
				next("set all of them with `eval \"$(mayfly env)\"`, or unset AWS_ENDPOINT_URL")
		}
		e = known
	}
	return e, nil
}

// first is the first string that is not empty.
func first(list ...string) string {
	for _, s := range list {
		if s != "" {
			return s
		}
	}
	return ""
}

// quote makes s one word of a POSIX shell.
func quote(s string) string {
	if s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./:=+,@%") == "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
