package kafka

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func TestClusters(t *testing.T) {
	path := filepath.Join(t.TempDir(), "clusters.json")
	c := Clusters(path)
	if _, err := c.Servers("arn:a"); !errors.Is(err, ErrNoCluster) {
		t.Errorf("without a file: %v", err)
	}
	for _, test := range []struct {
		file, arn string
		want      []string
		none      bool
	}{
		{`{"arn:a":["b-1:9092","b-2.example.com:9092"]}`, "arn:a", []string{"b-1:9092", "b-2.example.com:9092"}, false},
		{`{"arn:a":["b-1:9092"]}`, "arn:b", nil, true},
		{`{"arn:a":[]}`, "arn:a", nil, true},
		{`{"arn:a":["b-1"]}`, "arn:a", nil, false},
		{`[`, "arn:a", nil, false},
	} {
		if err := os.WriteFile(path, []byte(test.file), 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := c.Servers(test.arn)
		if !slices.Equal(got, test.want) || (err == nil) != (test.want != nil) || errors.Is(err, ErrNoCluster) != test.none {
			t.Errorf("%s of %s: got %v, %v", test.arn, test.file, got, err)
		}
	}
}
