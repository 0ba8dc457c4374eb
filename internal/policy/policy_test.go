package policy

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
)

func TestParseNormalises(t *testing.T) {
	d, err := Parse(Resource, `{"Version": "2012-10-17", "Id": "x", "Statement": {
		"Sid": "one", "Effect": "Allow", "Principal": {"AWS": "000000000000", "Service": ["s3.amazonaws.com", "sns.amazonaws.com"]},
		"Action": "lambda:InvokeFunction", "Resource": "arn:aws:lambda:us-east-1:000000000000:function:f",
		"Condition": {"StringEquals": {"aws:b": true, "aws:a": ["1", 2]}, "ArnLike": {"AWS:SourceArn": "arn:aws:s3:::b"}}}}`)
	if err != nil {
		t.Fatal(err)
	}
	want := &Document{Version: "2012-10-17", ID: "x", Statements: []Statement{{
		SID: "one", Effect: "Allow",
		Principal: &Principal{AWS: []string{"000000000000"}, Service: []string{"s3.amazonaws.com", "sns.amazonaws.com"}},
		Action:    []string{"lambda:InvokeFunction"},
		Resource:  []string{"arn:aws:lambda:us-east-1:000000000000:function:f"},
		Conditions: []Condition{
			{"ArnLike", "AWS:SourceArn", []string{"arn:aws:s3:::b"}},
			{"StringEquals", "aws:a", []string{"1", "2"}},
			{"StringEquals", "aws:b", []string{"true"}},
		},
	}}}
	if !reflect.DeepEqual(d, want) {
		t.Errorf("got %+v, want %+v", d, want)
	}
}

// trust and identity wrap one statement.
func doc(statement string) string {
	return `{"Version":"2012-10-17","Statement":[` + statement + `]}`
}

func TestMessages(t *testing.T) {
	const (
		syntax = "Syntax errors in policy."
		legacy = "The policy failed legacy parsing"
	)
	for _, c := range []struct {
		name, text, want string
		kind             Kind
	}{
		{"not JSON", `{`, syntax, Identity},
		{"not JSON, trust", `{`, "This policy contains invalid Json", Trust},
		{"a list", `[]`, syntax, Identity},
		{"null", `null`, syntax, Trust},
		{"two documents", doc(`{"Effect":"Allow","Action":"*","Resource":"*"}`) + `{}`, syntax, Identity},
		{"a name twice", `{"Version":"2012-10-17","Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}`, syntax, Identity},
		{"unknown element", `{"Version":"2012-10-17","Statements":[]}`, syntax, Identity},
		{"no statement", `{"Version":"2012-10-17"}`, syntax, Identity},
		{"empty list of statements", `{"Version":"2012-10-17","Statement":[]}`, syntax, Identity},
		{"version of another day", `{"Version":"2013-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}`, syntax, Identity},
		{"old version", `{"Version":"2008-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}`, "Policy document must be version 2012-10-17 or greater.", Identity},
		{"no version", `{"Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}`, "Policy document must be version 2012-10-17 or greater.", Identity},
		{"element in lower case", doc(`{"effect":"Allow","Action":"*","Resource":"*"}`), syntax, Identity},
		{"no effect", doc(`{"Action":"*","Resource":"*"}`), syntax, Identity},
		{"other effect", doc(`{"Effect":"Permit","Action":"*","Resource":"*"}`), syntax, Identity},
		{"effect in lower case", doc(`{"Effect":"allow","Action":"*","Resource":"*"}`), legacy, Identity},
		{"number for an action", doc(`{"Effect":"Allow","Action":1,"Resource":"*"}`), syntax, Identity},
		{"null for an action", doc(`{"Effect":"Allow","Action":null,"Resource":"*"}`), syntax, Identity},
		{"action and not action", doc(`{"Effect":"Allow","Action":"*","NotAction":"*","Resource":"*"}`), syntax, Identity},
		{"no action", doc(`{"Effect":"Allow","Resource":"*"}`), "Policy statement must contain actions.", Identity},
		{"empty list of actions", doc(`{"Effect":"Allow","Action":[],"Resource":"*"}`), "Policy statement must contain actions.", Identity},
		{"no resource", doc(`{"Effect":"Allow","Action":"s3:*"}`), "Policy statement must contain resources.", Identity},
		{"action without vendor", doc(`{"Effect":"Allow","Action":"GetObject","Resource":"*"}`), "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.", Identity},
		{"two colons", doc(`{"Effect":"Allow","Action":"s3:Get:Object","Resource":"*"}`), "Actions/Condition can contain only one colon.", Identity},
		{"strange vendor", doc(`{"Effect":"Allow","Action":"s 3:GetObject","Resource":"*"}`), "Vendor s 3 is not valid", Identity},
		{"resource no ARN", doc(`{"Effect":"Allow","Action":"s3:*","Resource":"bucket"}`), `Resource bucket must be in ARN format or "*".`, Identity},
		{"other partition", doc(`{"Effect":"Allow","Action":"s3:*","Resource":"arn:nope:s3:::b"}`), `Partition "nope" is not valid for resource "arn:nope:s3:::b".`, Identity},
		{"region on a bucket", doc(`{"Effect":"Allow","Action":"s3:*","Resource":"arn:aws:s3:us-east-1::b"}`), "Resource arn:aws:s3:us-east-1::b can not contain region information.", Identity},
		{"short ARN", doc(`{"Effect":"Allow","Action":"s3:*","Resource":"arn:aws:s3:::"}`), "", Identity},
		{"shorter ARN", doc(`{"Effect":"Allow","Action":"s3:*","Resource":"arn:aws:s3::"}`), legacy, Identity},
		{"principal", doc(`{"Effect":"Allow","Principal":"*","Action":"s3:*","Resource":"*"}`), "Policy document should not specify a principal.", Identity},
		{"the same SID", doc(`{"Sid":"a","Effect":"Allow","Action":"s3:*","Resource":"*"},{"Sid":"a","Effect":"Allow","Action":"s3:*","Resource":"*"}`), "Statement IDs (SID) in a single policy must be unique.", Identity},
		{"unknown operator", doc(`{"Effect":"Allow","Action":"s3:*","Resource":"*","Condition":{"Is":{"a":"b"}}}`), syntax, Identity},
		{"condition on an object", doc(`{"Effect":"Allow","Action":"s3:*","Resource":"*","Condition":{"Bool":{"a":{}}}}`), syntax, Identity},
		{"operator if exists", doc(`{"Effect":"Allow","Action":"s3:*","Resource":"*","Condition":{"ForAnyValue:StringLikeIfExists":{"a":"b"}}}`), "", Identity},
		{"good", doc(`{"Effect":"Allow","Action":["logs:*","*"],"Resource":["arn:aws:logs:*:*:*","*"]}`), "", Identity},
		{"trust", doc(`{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}`), "", Trust},
		{"trust, old version", `{"Statement":{"Effect":"Allow","Principal":{"AWS":"*"},"Action":"sts:AssumeRole"}}`, "", Trust},
		{"trust with resource", doc(`{"Effect":"Allow","Principal":"*","Action":"sts:AssumeRole","Resource":"*"}`), "Has prohibited field Resource", Trust},
		{"trust without principal", doc(`{"Effect":"Allow","Action":"sts:AssumeRole"}`), "Missing required field Principal", Trust},
		{"trust without action", doc(`{"Effect":"Allow","Principal":"*"}`), "Missing required field Action", Trust},
		{"trust for another action", doc(`{"Effect":"Allow","Principal":"*","Action":"s3:GetObject"}`), "AssumeRole policy may only specify STS AssumeRole actions.", Trust},
		{"trust for nobody", doc(`{"Effect":"Allow","Principal":{"AWS":"me"},"Action":"sts:AssumeRole"}`), `Invalid principal in policy: "AWS":"me"`, Trust},
		{"trust for no service", doc(`{"Effect":"Allow","Principal":{"Service":"lambda"},"Action":"sts:AssumeRole"}`), `Invalid principal in policy: "SERVICE":"lambda"`, Trust},
		{"resource without principal", doc(`{"Effect":"Allow","Action":"s3:*","Resource":"*"}`), "Missing required field Principal", Resource},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Parse(c.kind, c.text)
			got := ""
			if err != nil {
				got = err.Error()
			}
			if got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func FuzzParse(f *testing.F) {
	f.Add(0, doc(`{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"Bool":{"a":true}}}`))
	f.Add(1, doc(`{"Effect":"Deny","Principal":{"AWS":["*"]},"NotAction":[],"NotResource":"arn:aws:s3:::b"}`))
	f.Add(2, doc(`{"Effect":"Allow","Principal":"*","Action":"sts:AssumeRole"}`))
	f.Add(0, `{"Version":`)
	f.Fuzz(func(t *testing.T, kind int, text string) {
		d, err := Parse(Kind(uint(kind)%3), text)
		if err != nil {
			if e, ok := errors.AsType[*Error](err); !ok || e.Message == "" {
				t.Fatalf("not an *Error with a message: %v", err)
			}
			return
		}
		if !json.Valid([]byte(text)) {
			t.Fatalf("took what is no JSON: %q", text)
		}
		if len(d.Statements) == 0 {
			t.Fatalf("a document without statements: %q", text)
		}
		for _, s := range d.Statements {
			if len(s.Action)+len(s.NotAction) == 0 || !strings.Contains("Allow Deny", s.Effect) {
				t.Fatalf("a statement that says nothing: %+v", s)
			}
		}
	})
}
