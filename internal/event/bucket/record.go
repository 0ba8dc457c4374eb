package bucket

import (
	"bytes"
	"encoding/json"
	"net/url"
	"strings"
	"time"

	"github.com/mayfly-faas/mayfly/internal/object"
)

// subject is what a topic's messages are titled.
const subject = "Amazon S3 Notification"

// noContent is the ETag that AWS gives a delete marker: the MD5 of nothing.
const noContent = "d41d8cd98f00b204e9800998ecf8427e"

// The versions of a record's form: what came later has the second.
const (
	firstForm = "2.1"
	laterForm = "2.3"
)

// A notice is what functions, queues and topics get.
//
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html
type notice struct {
	Records []entry `json:"Records"`
}

type entry struct {
	Version  string   `json:"eventVersion"`
	Source   string   `json:"eventSource"`
	Region   string   `json:"awsRegion"`
	Time     string   `json:"eventTime"`
	Name     string   `json:"eventName"`
	User     identity `json:"userIdentity"`
	Request  request  `json:"requestParameters"`
	Response response `json:"responseElements"`
	S3       s3       `json:"s3"`
}

type identity struct {
	Principal string `json:"principalId"`
}

type request struct {
	IP string `json:"sourceIPAddress"`
}

type response struct {
	ID   string `json:"x-amz-request-id"`
	Host string `json:"x-amz-id-2"`
}

type s3 struct {
	Schema string `json:"s3SchemaVersion"`
	Rule   string `json:"configurationId"`
	Bucket home   `json:"bucket"`
	Object thing  `json:"object"`
}

type home struct {
	Name  string   `json:"name"`
	Owner identity `json:"ownerIdentity"`
	ARN   string   `json:"arn"`
}

type thing struct {
	Key       string `json:"key"`
	Size      *int64 `json:"size,omitempty"`
	ETag      string `json:"eTag,omitempty"`
	Version   string `json:"versionId,omitempty"`
	Sequencer string `json:"sequencer,omitempty"`
}

// record is the notice of a change, for the rule called id.
func record(c object.Change, id string) []byte {
	e := entry{
		Version: form(c.Event), Source: "aws:s3", Region: c.Region, Time: stamp(c.Time), Name: c.Event,
		User: identity{who(c)}, Request: request{from(c)}, Response: response{c.By.RequestID, c.By.HostID},
		S3: s3{Schema: "1.0", Rule: id, Bucket: home{c.Object.Bucket, identity{c.Owner}, ARN(c.Object.Bucket)}, Object: thingOf(c)},
	}
	return encode(notice{[]entry{e}})
}

// thingOf is what a change tells about its object: its size and its ETag when it
// is there, and its place in the order of things when its content changed.
func thingOf(c object.Change) thing {
	o := thing{Key: escape(c.Object.Key), Version: version(c.Object), Sequencer: strings.ToUpper(c.Object.Sequencer)}
	switch family(c.Event) {
	case "ObjectCreated":
		o.Size, o.ETag = &c.Object.Size, c.Object.ETag
	case "ObjectTagging":
		o.ETag, o.Sequencer = c.Object.ETag, ""
	}
	if marker(c.Event) {
		o.ETag = noContent
	}
	return o
}

// form is the version of the record's form.
func form(event string) string {
	switch family(event) {
	case "ObjectCreated", "ObjectRemoved":
		return firstForm
	}
	return laterForm
}

// family is the event's name up to the colon: "ObjectCreated".
func family(event string) string {
	name, _, _ := strings.Cut(event, ":")
	return name
}

// marker tells whether the event made a delete marker.
func marker(event string) bool { return strings.HasSuffix(event, ":DeleteMarkerCreated") }

// who is the principal as a record names it: S3 itself when a lifecycle did it, and
// another service by its name.
func who(c object.Change) string {
	p := c.By.Principal
	switch {
	case p == "":
		return principal
	case strings.HasPrefix(p, "AWS:"), strings.HasSuffix(p, ".amazonaws.com"):
		return p
	}
	return "AWS:" + p
}

func from(c object.Change) string {
	if c.By.SourceIP == "" {
		return principal
	}
	return c.By.SourceIP
}

// version is the object's version, unless the bucket has none.
func version(o object.Info) string {
	if o.Version == "null" {
		return ""
	}
	return o.Version
}

// stamp is a time to the millisecond.
func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

// escape writes a key as a form's value, with its slashes as they are: so does
// S3, whatever its documentation says about them.
func escape(key string) string {
	return strings.NewReplacer("%2F", "/", "%2A", "*", "~", "%7E").Replace(url.QueryEscape(key))
}

// encode writes v with its texts as they are.
func encode(v any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic("bucket: a record does not encode: " + err.Error()) // they are texts and numbers
	}
	return bytes.TrimRight(b.Bytes(), "\n")
}
