package kafka

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"regexp"
)

// ErrNoCluster means that nobody has said where the brokers of a cluster are.
var ErrNoCluster = errors.New("kafka: no such cluster")

// A Clusters is a file that says where the brokers of clusters are that mappings
// name by an ARN, as MSK has them: {"arn:aws:kafka:...": ["b-1:9092", "b-2:9092"]}.
// It is read whenever a mapping starts.
type Clusters string

// server is the form of a broker's address.
var server = regexp.MustCompile(`^[A-Za-z0-9.\-]{1,253}:[0-9]{1,5}$`)

// Servers are the brokers of a cluster.
func (c Clusters) Servers(arn string) ([]string, error) {
	b, err := os.ReadFile(string(c))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: %s: there is no file %s", ErrNoCluster, arn, string(c))
	}
	if err != nil {
		return nil, fmt.Errorf("read clusters: %w", err)
	}
	var all map[string][]string
	if err := json.Unmarshal(b, &all); err != nil {
		return nil, fmt.Errorf("read clusters from %s: %w", string(c), err)
	}
	servers := all[arn]
	if len(servers) == 0 {
		return nil, fmt.Errorf("%w: %s is not in %s", ErrNoCluster, arn, string(c))
	}
	for _, s := range servers {
		if !server.MatchString(s) {
			return nil, fmt.Errorf("read clusters from %s: %q is not an address", string(c), s)
		}
	}
	return servers, nil
}
