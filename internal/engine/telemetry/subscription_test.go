package telemetry

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"
)

const good = `{"schemaVersion":"2022-07-01","types":["platform","function"],"destination":{"protocol":"HTTP","URI":"http://sandbox.localdomain:8080/a?b=c"}}`

func TestParse(t *testing.T) {
	s, err := Parse([]byte(good), TelemetryAPI)
	if err != nil {
		t.Fatal(err)
	}
	if s.Port != 8080 || s.Path != "/a?b=c" || s.Method != "POST" || s.TCP || s.MaxItems != 10000 || s.MaxBytes != 262144 || s.Wait != time.Second {
		t.Errorf("%+v", s)
	}
	s, err = Parse([]byte(`{"schemaVersion":"2025-01-29","types":["extension","extension"],"destination":{"protocol":"TCP","port":53},
		"buffering":{"maxItems":1000,"maxBytes":1048576,"timeoutMs":25}}`), TelemetryAPI)
	if err != nil || !s.TCP || s.Port != 53 || len(s.Types) != 1 || s.MaxItems != 1000 || s.MaxBytes != 1<<20 || s.Wait != 25*time.Millisecond {
		t.Errorf("%+v, %v", s, err)
	}
	s, err = Parse([]byte(`{"types":["function"],"destination":{"protocol":"HTTP","URI":"http://sandbox:1","method":"PUT","encoding":"JSON"}}`), LogsAPI)
	if err != nil || s.Schema != firstLogs || s.Method != "PUT" || s.Path != "/" {
		t.Errorf("%+v, %v", s, err)
	}
}

func TestParseRefuses(t *testing.T) {
	edit := func(from, to string) string { return strings.Replace(good, from, to, 1) }
	buffering := func(s string) string { return edit(`{"schema`, `{"buffering":{`+s+`},"schema`) }
	for _, tt := range []struct{ body, want string }{
		{``, "JSON"},
		{`[]`, "array"},
		{`{}`, "schemaVersion is required"},
		{edit("2022-07-01", "2020-08-15"), "schemaVersion must be one of"},
		{edit(`["platform","function"]`, `[]`), "types must not be empty"},
		{edit(`"function"`, `"funktion"`), "types must be of"},
		{edit(`"destination"`, `"x"`), "destination is required"},
		{edit("HTTP", "UDP"), "HTTP or TCP"},
		{edit("http://sandbox.localdomain:8080", "https://sandbox.localdomain:8080"), "must begin with"},
		{edit("sandbox.localdomain", "127.0.0.1"), "must begin with"},
		{edit("sandbox.localdomain", "example.com"), "must begin with"},
		{edit("sandbox.localdomain:8080", "sandbox.localdomain@example.com"), "must begin with"},
		{edit("8080", "9001"), "9001 is reserved"},
		{edit("8080", "70000"), "between 1 and 65535"},
		{edit("8080", "-1"), "destination"},
		{edit(`"HTTP"`, `"TCP"`), "between 1 and 65535"},
		{edit(`"HTTP"`, `"HTTP","method":"GET"`), "POST or PUT"},
		{edit(`"HTTP"`, `"HTTP","encoding":"XML"`), "must be JSON"},
		{buffering(`"maxItems":999`), "buffering.maxItems must be between 1000 and 10000"},
		{buffering(`"maxItems":10001`), "buffering.maxItems"},
		{buffering(`"maxBytes":1`), "buffering.maxBytes must be between 262144 and 1048576"},
		{buffering(`"timeoutMs":24`), "buffering.timeoutMs must be between 25 and 30000"},
		{buffering(`"timeoutMs":30001`), "buffering.timeoutMs"},
	} {
		if _, err := Parse([]byte(tt.body), TelemetryAPI); !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s\ngot  %v\nwant %s", tt.body, err, tt.want)
		}
	}
}

// FuzzParse: what is accepted goes to the sandbox itself, within the limits, and not
// to the Runtime API.
func FuzzParse(f *testing.F) {
	f.Add([]byte(good), false)
	f.Add([]byte(`{"types":["function"],"destination":{"protocol":"TCP","port":1}}`), true)
	f.Fuzz(func(t *testing.T, body []byte, logs bool) {
		api := TelemetryAPI
		if logs {
			api = LogsAPI
		}
		s, err := Parse(body, api)
		if err != nil {
			if !errors.Is(err, ErrInvalid) {
				t.Errorf("%v is not ErrInvalid", err)
			}
			return
		}
		if s.Port < 1 || s.Port > 65535 || s.Port == 9001 || len(s.Types) == 0 || len(s.Types) > 3 || !s.TCP && !strings.HasPrefix(s.Path, "/") ||
			s.MaxItems < 1000 || s.MaxItems > 10000 || s.MaxBytes < 256<<10 || s.MaxBytes > 1<<20 || s.Wait < 25*time.Millisecond || s.Wait > 30*time.Second {
			t.Errorf("%q was accepted as %+v", body, s)
		}
	})
}

// FuzzEvent: whatever is written, an event is one JSON object.
func FuzzEvent(f *testing.F) {
	f.Add("hello", true)
	f.Add(`{"a":1}`, true)
	f.Add("{\xff", false)
	f.Fuzz(func(t *testing.T, line string, inJSON bool) {
		e := Event{Category: Function, Line: line, JSON: inJSON}
		for _, schema := range []string{firstLogs, first, latest} {
			b := e.appendTo(nil, schema)
			var doc struct{ Record any }
			if err := json.Unmarshal(b, &doc); err != nil || strings.ContainsRune(string(b), '\n') {
				t.Errorf("%q: %v", b, err)
			}
		}
	})
}
