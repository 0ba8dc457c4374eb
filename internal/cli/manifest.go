package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
)

const manifestFile = "mayfly.json"

// A manifest is mayfly.json: what a folder's function is. What it does not
// mention is AWS's default for a new function, and stays as it is for one that
// is there.
type manifest struct {
	Name         string            `json:"name,omitempty"`
	Runtime      string            `json:"runtime,omitempty"`
	Handler      string            `json:"handler,omitempty"`
	Memory       *int              `json:"memory,omitempty"`  // MB
	Timeout      *int              `json:"timeout,omitempty"` // seconds
	Env          map[string]string `json:"env,omitempty"`
	Role         string            `json:"role,omitempty"` // ARN
	Description  *string           `json:"description,omitempty"`
	Layers       []string          `json:"layers,omitempty"`            // ARNs of versions
	Architecture string            `json:"architecture,omitempty"`      // x86_64, arm64
	Storage      *int              `json:"ephemeral_storage,omitempty"` // MB of /tmp
	Async        *asynchrony       `json:"async,omitempty"`
	Triggers     []json.RawMessage `json:"triggers,omitempty"`
	URL          *address          `json:"url,omitempty"`

	triggers []trigger // what Triggers say; nil when there is no such member
}

// An asynchrony is what becomes of asynchronous invocations.
type asynchrony struct {
	Retries   *int   `json:"retries,omitempty"`
	MaxAge    *int   `json:"max_age,omitempty"` // seconds
	OnSuccess string `json:"on_success,omitempty"`
	OnFailure string `json:"on_failure,omitempty"`
}

// readManifest reads a folder's mayfly.json; one that is not there is empty.
func readManifest(dir string) (m manifest, err error) {
	name := filepath.Join(dir, manifestFile)
	b, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return m, nil
	}
	if err != nil {
		return m, fail("%v", err)
	}
	if err := parseManifest(b, &m); err != nil {
		return m, usage("%s: %v", name, err).next("its members are %s", strings.Join(manifestMembers(), ", "))
	}
	if m.triggers, err = parseTriggers(b, m.Triggers); err != nil {
		return m, usage("%s: %v", name, err).next("docs/events/README.md has an example of each trigger")
	}
	return m, nil
}

// parseManifest reads b and refuses what it does not know: a misspelt member
// that is passed over costs an hour.
func parseManifest(b []byte, m *manifest) error {
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	err := d.Decode(m)
	if err == nil {
		if _, extra := d.Token(); extra != io.EOF {
			return fmt.Errorf("line %d: something follows the closing brace", line(b, d.InputOffset()))
		}
		return nil
	}
	if e, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return fmt.Errorf("line %d: %q must not be a %s", line(b, e.Offset), e.Field, e.Value)
	}
	if e, ok := errors.AsType[*json.SyntaxError](err); ok {
		return fmt.Errorf("line %d: %v", line(b, e.Offset), e)
	}
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		return errors.New("it ends in the middle")
	}
	return errors.New(strings.TrimPrefix(err.Error(), "json: "))
}

func line(b []byte, offset int64) int {
	return 1 + bytes.Count(b[:min(int(offset), len(b))], []byte("\n"))
}

// manifestMembers are the names that mayfly.json knows.
func manifestMembers() (names []string) {
	for f := range reflect.TypeFor[manifest]().Fields() {
		if n, _, _ := strings.Cut(f.Tag.Get("json"), ","); n != "" {
			names = append(names, n)
		}
	}
	return names
}

// checkName refuses what cannot name a function.
func checkName(name string) error {
	if !regexp.MustCompile(`^[a-zA-Z0-9-_]{1,64}$`).MatchString(name) {
		return usage("%q cannot name a function", name).next("use up to 64 letters, digits, hyphens and underscores")
	}
	return nil
}
