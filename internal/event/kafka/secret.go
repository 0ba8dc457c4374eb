package kafka

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"regexp"
	"strings"

	"github.com/mayfly-faas/mayfly/internal/arn"
)

// Secrets holds what mappings need to be let into clusters, as JSON objects.
type Secrets interface {
	// Secret reads the one that an ARN of Secrets Manager names. Without it the
	// error is ErrNoSecret.
	Secret(ctx context.Context, arn string) ([]byte, error)
}

// ErrNoSecret means that there is no secret of that name.
var ErrNoSecret = errors.New("kafka: no such secret")

// A Folder is Secrets in files: the secret prod/kafka is prod/kafka.json. Files
// are read whenever a secret is needed, so that a new password needs no restart.
type Folder string

// random is what AWS appends to the name of a secret in its ARN.
var random = regexp.MustCompile(`-[A-Za-z0-9]{6}$`)

// Secret implements Secrets. A name is tried as it stands in the ARN, and then
// without the six random characters that AWS has it end with.
func (f Folder) Secret(_ context.Context, secret string) ([]byte, error) {
	a, err := arn.Parse(secret)
	name, ok := strings.CutPrefix(a.Resource, "secret:")
	if err != nil || !ok || a.Service != "secretsmanager" {
		return nil, fmt.Errorf("%w: %q is not the ARN of one", ErrNoSecret, secret)
	}
	root, err := os.OpenRoot(string(f))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: %s", ErrNoSecret, name)
	}
	if err != nil {
		return nil, fmt.Errorf("read secret: %w", err)
	}
	defer root.Close()
	b, err := root.ReadFile(name + ".json")
	if err != nil && random.MatchString(name) {
		b, err = root.ReadFile(random.ReplaceAllString(name, "") + ".json")
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %s", ErrNoSecret, name)
	}
	if !json.Valid(b) {
		return nil, fmt.Errorf("read secret %s: it is not JSON", name)
	}
	return b, nil
}
