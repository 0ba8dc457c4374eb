package bucket

import (
	"encoding/json"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/mayfly-faas/mayfly/internal/object"
)

// change is a put of an object; tests change what they are about.
func change(event string, edits ...func(*object.Change)) object.Change {
	c := object.Change{
		Seq: 1, Event: event, Time: time.Date(2026, 11, 23, 11, 42, 29, 123_456_789, time.UTC),
		Object: object.Info{Bucket: "photos", Key: "in/red flower+ä.jpg", Version: "null", Size: 1024, ETag: "0123abcd", Sequencer: "0055aed6dcd90281e5"},
		By:     object.Origin{Principal: "AIDAX", Account: "000000000000", SourceIP: "127.0.0.1", RequestID: "C3D1", HostID: "FM+/="},
		Owner:  "A3NL", Region: "us-east-1",
	}
	for _, edit := range edits {
		edit(&c)
	}
	return c
}

func versioned(c *object.Change) { c.Object.Version = "096f" }

func byLifecycle(c *object.Change) { c.By, c.Reason = object.Origin{}, "Lifecycle Expiration" }

// same compares two JSON texts.
func same(t *testing.T, got []byte, want string) {
	t.Helper()
	var g, w any
	if err := json.Unmarshal(got, &g); err != nil {
		t.Fatalf("%s: %v", got, err)
	}
	if err := json.Unmarshal([]byte(want), &w); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(g, w) {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// wrap is a whole notice around what differs.
func wrap(version, event, user, ip, response, object string) string {
	return `{"Records":[{"eventVersion":"` + version + `","eventSource":"aws:s3","awsRegion":"us-east-1","eventTime":"2026-11-23T11:42:29.123Z",
		"eventName":"` + event + `","userIdentity":{"principalId":"` + user + `"},"requestParameters":{"sourceIPAddress":"` + ip + `"},
		"responseElements":` + response + `,"s3":{"s3SchemaVersion":"1.0","configurationId":"thumbs",
		"bucket":{"name":"photos","ownerIdentity":{"principalId":"A3NL"},"arn":"arn:aws:s3:::photos"},"object":` + object + `}}]}`
}

const (
	key       = `"key":"in/red+flower%2B%C3%A4.jpg"`
	ids       = `{"x-amz-request-id":"C3D1","x-amz-id-2":"FM+/="}`
	sequencer = `"sequencer":"0055AED6DCD90281E5"`
)

func TestRecord(t *testing.T) {
	tests := []struct {
		c              object.Change
		version        string
		user, ip, resp string
		object         string
	}{
		{change("ObjectCreated:Put"), "2.1", "AWS:AIDAX", "127.0.0.1", ids, `{` + key + `,"size":1024,"eTag":"0123abcd",` + sequencer + `}`},
		{change("ObjectCreated:Put", func(c *object.Change) { c.Object.Size = 0 }), "2.1", "AWS:AIDAX", "127.0.0.1", ids, `{` + key + `,"size":0,"eTag":"0123abcd",` + sequencer + `}`},
		{change("ObjectCreated:CompleteMultipartUpload", versioned), "2.1", "AWS:AIDAX", "127.0.0.1", ids, `{` + key + `,"size":1024,"eTag":"0123abcd","versionId":"096f",` + sequencer + `}`},
		{change("ObjectRemoved:Delete"), "2.1", "AWS:AIDAX", "127.0.0.1", ids, `{` + key + `,` + sequencer + `}`},
		{change("ObjectRemoved:DeleteMarkerCreated", versioned), "2.1", "AWS:AIDAX", "127.0.0.1", ids,
			`{` + key + `,"eTag":"d41d8cd98f00b204e9800998ecf8427e","versionId":"096f",` + sequencer + `}`},
		{change("ObjectTagging:Put", versioned), "2.3", "AWS:AIDAX", "127.0.0.1", ids, `{` + key + `,"eTag":"0123abcd","versionId":"096f"}`},
		{change("LifecycleExpiration:Delete", byLifecycle), "2.3", "s3.amazonaws.com", "s3.amazonaws.com", `{"x-amz-request-id":"","x-amz-id-2":""}`, `{` + key + `,` + sequencer + `}`},
	}
	for _, tt := range tests {
		t.Run(tt.c.Event, func(t *testing.T) {
			same(t, record(tt.c, "thumbs"), wrap(tt.version, tt.c.Event, tt.user, tt.ip, tt.resp, tt.object))
		})
	}
}

func TestWho(t *testing.T) {
	for by, want := range map[string]string{"": "s3.amazonaws.com", "AIDAX": "AWS:AIDAX", "AWS:AROAX:session": "AWS:AROAX:session",
		"AROAX:session": "AWS:AROAX:session", "lambda.amazonaws.com": "lambda.amazonaws.com"} {
		if got := who(change("ObjectCreated:Put", func(c *object.Change) { c.By.Principal = by })); got != want {
			t.Errorf("%q: %s, want %s", by, got, want)
		}
	}
}

// A client that reads texts may look for what JSON would let stand otherwise.
func TestRecordIsWrittenPlainly(t *testing.T) {
	c := change("ObjectCreated:Put", func(c *object.Change) { c.By.HostID = "a<b>&c" })
	if text := string(record(c, "x")); !strings.Contains(text, "a<b>&c") || strings.HasSuffix(text, "\n") {
		t.Errorf("got %s", text)
	}
}

func TestEscape(t *testing.T) {
	for key, want := range map[string]string{
		"a/b/c.txt":            "a/b/c.txt",
		"red flower.jpg":       "red+flower.jpg",
		"dt=2018/a:b;c,d@e$f":  "dt%3D2018/a%3Ab%3Bc%2Cd%40e%24f",
		"plus+%2F-_.*~":        "plus%2B%252F-_.*%7E",
		"ä/漢":                  "%C3%A4/%E6%BC%A2",
		"(paren)'quote'!\"x\"": "%28paren%29%27quote%27%21%22x%22",
	} {
		if got := escape(key); got != want {
			t.Errorf("%s: %s, want %s", key, got, want)
		}
	}
}

// Whoever decodes a key as AWS says gets the key again.
func FuzzEscape(f *testing.F) {
	f.Add("a b/c+d%2F")
	f.Add("%7E~*/")
	f.Fuzz(func(t *testing.T, key string) {
		got, err := url.QueryUnescape(escape(key))
		if err != nil || got != key {
			t.Errorf("%q became %q and then %q: %v", key, escape(key), got, err)
		}
	})
}

func TestBusEvent(t *testing.T) {
	whole := func(kind, detail string) string {
		return `{"detail-type":"` + kind + `","source":"aws.s3","account":"000000000000","time":"2026-11-23T11:42:29Z","region":"us-east-1",
			"resources":["arn:aws:s3:::photos"],"detail":{"version":"0","bucket":{"name":"photos"},` + detail + `}}`
	}
	const by = `"request-id":"C3D1","requester":"000000000000","source-ip-address":"127.0.0.1"`
	const key = `"key":"in/red flower+ä.jpg"`
	tests := []struct {
		c            object.Change
		kind, detail string
	}{
		{change("ObjectCreated:Put"), "Object Created", `"object":{` + key + `,"size":1024,"etag":"0123abcd",` + sequencer + `},` + by + `,"reason":"PutObject"`},
		{change("ObjectCreated:Copy", versioned), "Object Created",
			`"object":{` + key + `,"size":1024,"etag":"0123abcd","version-id":"096f",` + sequencer + `},` + by + `,"reason":"CopyObject"`},
		{change("ObjectCreated:Post"), "Object Created", `"object":{` + key + `,"size":1024,"etag":"0123abcd",` + sequencer + `},` + by + `,"reason":"POST Object"`},
		{change("ObjectCreated:CompleteMultipartUpload"), "Object Created", `"object":{` + key + `,"size":1024,"etag":"0123abcd",` + sequencer + `},` + by + `,"reason":"CompleteMultipartUpload"`},
		{change("ObjectRemoved:Delete"), "Object Deleted", `"object":{` + key + `,` + sequencer + `},` + by + `,"reason":"DeleteObject","deletion-type":"Permanently Deleted"`},
		{change("ObjectRemoved:DeleteMarkerCreated", versioned), "Object Deleted",
			`"object":{` + key + `,"etag":"d41d8cd98f00b204e9800998ecf8427e","version-id":"096f",` + sequencer + `},` + by + `,"reason":"DeleteObject","deletion-type":"Delete Marker Created"`},
		{change("LifecycleExpiration:Delete", byLifecycle), "Object Deleted",
			`"object":{` + key + `,` + sequencer + `},"request-id":"","requester":"s3.amazonaws.com","reason":"Lifecycle Expiration","deletion-type":"Permanently Deleted"`},
		{change("ObjectTagging:Put"), "Object Tags Added", `"object":{` + key + `,"etag":"0123abcd"},` + by},
		{change("ObjectTagging:Delete"), "Object Tags Deleted", `"object":{` + key + `,"etag":"0123abcd"},` + by},
	}
	for _, tt := range tests {
		t.Run(tt.c.Event, func(t *testing.T) {
			got, ok := busEvent(tt.c, "000000000000")
			if !ok {
				t.Fatal("the bus gets nothing")
			}
			same(t, got, whole(tt.kind, tt.detail))
		})
	}
	if _, ok := busEvent(change("ReducedRedundancyLostObject"), "000000000000"); ok {
		t.Error("the bus gets what it does not know")
	}
}
