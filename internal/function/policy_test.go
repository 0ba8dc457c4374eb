package function

import (
	"encoding/json"
	"testing"
)

// FuzzPolicy: a policy that is taken is one that can be added to, and read again.
func FuzzPolicy(f *testing.F) {
	f.Add(`{"Version":"2012-10-17","Id":"default","Statement":[{"Sid":"a","Effect":"Allow","Principal":"*","Action":"x","Resource":"y"}]}`)
	f.Add(`{"Version":"2012-10-17","Statement":{}}`)
	f.Add(`{"Version":"2012-10-17","Statement":[null]}`)
	f.Add(`{}`)
	f.Fuzz(func(t *testing.T, text string) {
		d, err := parsePolicy(text)
		if err != nil {
			wantKind(t, err, ErrInvalid)
			return
		}
		if again, err := parsePolicy(d.text()); err != nil || len(again.Statement) != len(d.Statement) {
			t.Fatalf("%s became %s: %v", text, d.text(), err)
		}
		s, err := Permission{ID: "fuzz-new", Action: "lambda:InvokeFunction", Principal: "*"}.statement("arn")
		if err != nil {
			t.Fatal(err)
		}
		if err := d.add(s); err == nil && d.remove("fuzz-new") != nil {
			t.Fatal("a statement that was added cannot be removed")
		}
	})
}

func TestStatementOrder(t *testing.T) {
	s, err := Permission{ID: "a", Action: "lambda:InvokeFunction", Principal: "events.amazonaws.com", SourceARN: "arn:aws:events:us-east-1:1:rule/<&>"}.statement("arn:f")
	if err != nil {
		t.Fatal(err)
	}
	want := `{"Sid":"a","Effect":"Allow","Principal":{"Service":"events.amazonaws.com"},"Action":"lambda:InvokeFunction","Resource":"arn:f","Condition":{"ArnLike":{"AWS:SourceArn":"arn:aws:events:us-east-1:1:rule/<&>"}}}`
	if string(s) != want {
		t.Errorf("got %s\nwant %s", s, want)
	}
	if !json.Valid(s) {
		t.Error("not JSON")
	}
}
