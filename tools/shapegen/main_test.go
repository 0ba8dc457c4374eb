package main

import (
	"bytes"
	"compress/gzip"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const published = `{
  "operations": {
    "PutThing": {"http": {"method": "PUT", "requestUri": "/things/{Name}?List=ALL", "responseCode": 201},
      "input": {"shape": "PutThingRequest"}, "output": {"shape": "Thing", "resultWrapper": "PutThingResult"}},
    "Ping": {"http": {"method": "POST", "requestUri": "/"}},
    "Other": {"http": {"method": "GET", "requestUri": "/other"}, "output": {"shape": "Unused"}}
  },
  "shapes": {
    "PutThingRequest": {"type": "structure", "required": ["Name"], "payload": "Body", "members": {
      "Name": {"shape": "Name", "location": "uri", "locationName": "Name"},
      "Kind": {"shape": "Kind", "location": "header", "locationName": "X-Kind"},
      "Keys": {"shape": "Names", "location": "querystring", "locationName": "keys"},
      "Body": {"shape": "Bytes"}}},
    "Thing": {"type": "structure", "members": {
      "Status": {"shape": "Int", "location": "statusCode"},
      "tags": {"shape": "Tags"}, "Matrix": {"shape": "Matrix"}, "When": {"shape": "Date"}, "Since": {"shape": "Moment"},
      "Secret": {"shape": "Secret"}, "Flat": {"shape": "FlatList"}, "Renamed": {"shape": "Renamed"},
      "Labels": {"shape": "Labels"}, "Self": {"shape": "Thing"}, "Many": {"shape": "Things"}}},
    "Name": {"type": "string", "min": 1, "max": 64, "pattern": "[a-z\\d]+"},
    "Kind": {"type": "string", "enum": ["a", "b"]},
    "Names": {"type": "list", "member": {"shape": "Name"}, "max": 50},
    "Bytes": {"type": "blob", "max": 1024},
    "Int": {"type": "integer", "min": 0},
    "Date": {"type": "timestamp"},
    "Moment": {"type": "timestamp", "timestampFormat": "iso8601"},
    "Secret": {"type": "string", "sensitive": true},
    "Tags": {"type": "map", "key": {"shape": "Name"}, "value": {"shape": "Names"}},
    "Labels": {"type": "map", "key": {"shape": "Name", "locationName": "Name"}, "value": {"shape": "Name", "locationName": "Value"}},
    "Matrix": {"type": "list", "member": {"shape": "Names"}},
    "FlatList": {"type": "list", "member": {"shape": "Kind"}, "flattened": true},
    "Renamed": {"type": "list", "member": {"shape": "Kind", "locationName": "Item"}},
    "Things": {"type": "list", "member": {"shape": "Thing"}},
    "Unused": {"type": "structure", "members": {}}
  }
}`

func generate(t *testing.T, want ...string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "service-2.json")
	if err := os.WriteFile(file, []byte(published), 0o600); err != nil {
		t.Fatal(err)
	}
	m, err := read(file)
	if err != nil {
		t.Fatal(err)
	}
	out, err := m.write("things", want)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := parser.ParseFile(token.NewFileSet(), "shapes.go", out, parser.ParseComments); err != nil {
		t.Fatal(err)
	}
	return regexp.MustCompile(` +`).ReplaceAllString(string(out), " ") // whatever gofmt aligned
}

func TestWrite(t *testing.T) {
	out := generate(t, "PutThing", "Ping")
	for _, want := range []string{
		`{Name: "PutThing", Method: "PUT", URI: "/things/{Name}?List=ALL", Status: 201, Result: "PutThingResult"},`,
		`{Name: "Other", Method: "GET", URI: "/other", Status: 0},`, // every operation has a model
		"Name *string `wire:\"Name,uri\" required:\"true\" len:\"1..64\" pattern:\"[a-z\\\\d]+\"`",
		"entries:\"Name,Value\"",
		"Kind *string `wire:\"X-Kind,header\" enum:\"a|b\"`",
		"Keys []string `wire:\"keys,query\" len:\"..50\" elem.len:\"1..64\" elem.pattern:\"[a-z\\\\d]+\"`",
		"Body []byte `wire:\"Body,payload\" len:\"..1024\"`",
		"Status *int32 `wire:\"Status,status\" range:\"0..\"`",
		"Tags map[string][]string `wire:\"tags\" key.len:\"1..64\" key.pattern:\"[a-z\\\\d]+\" elem.len:\"..50\" elem.elem.len:\"1..64\" elem.elem.pattern:\"[a-z\\\\d]+\"`",
		"Matrix [][]string `wire:\"Matrix\" elem.len:\"..50\" elem.elem.len:\"1..64\"",
		"When *wire.Time `wire:\"When\"`",
		"Since *wire.Time `wire:\"Since\" time:\"iso8601\"`",
		"Secret *string `wire:\"Secret\" sensitive:\"true\"`",
		"Flat []string `wire:\"Flat\" elem.enum:\"a|b\" list:\",flat\"`",
		"Renamed []string `wire:\"Renamed\" elem.enum:\"a|b\" list:\"Item\"`",
		"Self *Thing `wire:\"Self\"`",
		"Many []*Thing `wire:\"Many\"`",
		"type PingRequest struct{}", "type PingResponse struct{}",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("no %s in\n%s", want, out)
		}
	}
	if strings.Contains(out, "Unused") {
		t.Error("a shape that no wanted operation uses")
	}
}

func TestUnknownOperation(t *testing.T) {
	m := &model{Operations: map[string]operation{}}
	if _, err := m.write("things", []string{"Nope"}); err == nil || !strings.Contains(err.Error(), "Nope") {
		t.Errorf("%v", err)
	}
}

func TestReadGzip(t *testing.T) {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write([]byte(published)); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "service-2.json.gz")
	if err := os.WriteFile(file, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	m, err := read(file)
	if err != nil || len(m.Operations) != 3 {
		t.Errorf("%v, %v", m, err)
	}
}
