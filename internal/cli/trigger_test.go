package cli

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
)

func TestTriggersThatAreWrong(t *testing.T) {
	for in, want := range map[string]string{
		`{"sqs": "a", "sns": "b"}`:           "line 2: a trigger has one of bus, s3, schedule, sns, sqs",
		`{"batch": 1}`:                       "line 2: a trigger has one of",
		`7`:                                  "line 2: a trigger looks like",
		`null`:                               "line 2: a trigger looks like",
		"{\"sqs\": \"a\",\n\"pattern\": {}}": `line 3: a trigger by sqs has no "pattern", but batch, `,
		"{\"sns\": \"a\",\n\"Retries\": 1}":  `line 3: a trigger by sns has no "Retries"`,
		"{\"sqs\": \"a\",\n\n\"batch\": \"ten\"}": `line 4: "batch" must not be a string`,
		`{"sqs": ""}`:                                         "line 2: a trigger needs the name",
		`{"bus": "default"}`:                                  "line 2: bus default needs a pattern",
		`{"sqs": "a", "retries": 1}`:                          "line 2: sqs a has retries, which need a dead_letter queue",
		`{"sqs": "a", "filter": {"body": ["x"]}}`:             "line 2: the filter of a queue is a list",
		`{"sns": "a", "scope": "all"}`:                        "line 2: scope is",
		"{\"sqs\": \"a\"},\n{\"sqs\": \"arn:aws:sqs:x:1:a\"}": "line 3: sqs arn:aws:sqs:x:1:a is there twice",
	} {
		b := []byte("{\"env\": {\"triggers\": \"[{\"}, \"triggers\": [\n" + in + "]}")
		var m manifest
		if err := parseManifest(b, &m); err != nil {
			t.Fatal(in, err)
		}
		if _, err := parseTriggers(b, m.Triggers); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s: %v, want %s", in, err, want)
		}
	}
}

func TestNoTriggersAreNotAnEmptyList(t *testing.T) {
	for in, want := range map[string]bool{`{}`: true, `{"triggers": []}`: false} {
		var m manifest
		if err := parseManifest([]byte(in), &m); err != nil {
			t.Fatal(err)
		}
		if got, err := parseTriggers([]byte(in), m.Triggers); err != nil || (got == nil) != want {
			t.Errorf("%s: %v %v", in, got, err)
		}
	}
}

func FuzzTriggers(f *testing.F) {
	f.Add(`{"triggers": [{"sqs": "q", "batch": 1}, {"bus": "b", "pattern": {}}], "name": "x"}`)
	f.Add(`{"TRIGGERS": [ ,`)
	f.Add(`{"triggers": [null, 1, "{"]}`)
	f.Fuzz(func(t *testing.T, in string) {
		var m manifest
		if parseManifest([]byte(in), &m) != nil {
			return
		}
		list, err := parseTriggers([]byte(in), m.Triggers)
		if err != nil {
			return
		}
		if len(list) != len(m.Triggers) {
			t.Fatalf("%d triggers of %d", len(list), len(m.Triggers))
		}
		names := slices.Sorted(func(yield func(string) bool) {
			for _, tr := range list {
				if !yield(tr.identity()) {
					return
				}
			}
		})
		if len(slices.Compact(names)) != len(list) {
			t.Errorf("two of %q are the same", names)
		}
		for _, tr := range list {
			if _, err := json.Marshal(tr); err != nil {
				t.Error(err)
			}
		}
	})
}
