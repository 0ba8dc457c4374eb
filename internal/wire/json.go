package wire

import (
	"bytes"
	"encoding/json"
	"io"
)

// ParseJSON reads one JSON value as a tree. An empty body is a nil tree.
func ParseJSON(b []byte) (any, error) {
	if len(bytes.TrimSpace(b)) == 0 {
		return nil, nil
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	var tree any
	if err := d.Decode(&tree); err != nil {
		return nil, Serialization("Could not parse request body into json: %v", err)
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, Serialization("Could not parse request body into json: there is more behind the value")
	}
	return tree, nil
}
