package cli

import (
	"encoding/xml"
	"slices"
	"strings"
	"testing"
)

const told = `<?xml version="1.0" encoding="UTF-8"?>
<NotificationConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/">
<QueueConfiguration><Id>q</Id><Queue>arn:aws:sqs:us-east-1:000000000000:q</Queue><Event>s3:ObjectRemoved:*</Event></QueueConfiguration>
<CloudFunctionConfiguration><Id>mayfly-f-01</Id><CloudFunction>arn:f</CloudFunction><Event>s3:ObjectCreated:*</Event></CloudFunctionConfiguration>
<CloudFunctionConfiguration><Id>mayfly-f-02</Id><CloudFunction>arn:other</CloudFunction><Event>s3:ObjectCreated:Put</Event></CloudFunctionConfiguration>
<CloudFunctionConfiguration><Id>mine</Id><CloudFunction>arn:f</CloudFunction><Event>s3:ObjectCreated:Post</Event></CloudFunctionConfiguration>
<EventBridgeConfiguration/></NotificationConfiguration>`

// Deploy changes its own rules alone.
func TestRulesOfABucket(t *testing.T) {
	a := &attacher{f: functionConfig{FunctionName: "f", FunctionArn: "arn:f"}}
	n := new(notification)
	if err := xml.Unmarshal([]byte(told), n); err != nil {
		t.Fatal(err)
	}
	if got := a.rules(n); !slices.Equal(got, []string{"mayfly-f-01"}) {
		t.Errorf("ours are %v", got)
	}
	a.drop(n, func(string) bool { return true })
	p, err := trigger{S3: "b", Events: []string{"ObjectCreated:Put", "s3:ObjectRemoved:*"}, Prefix: "a&b/", Suffix: ".jpg"}.rule("mayfly-f-03", "arn:f")
	if err != nil {
		t.Fatal(err)
	}
	n.Parts = append(n.Parts, p)
	text, err := xml.Marshal(n)
	if err != nil {
		t.Fatal(err)
	}
	var again notification
	if err := xml.Unmarshal(text, &again); err != nil {
		t.Fatal(err)
	}
	if got := a.rules(&again); !slices.Equal(got, []string{"mayfly-f-03"}) || len(again.Parts) != 5 {
		t.Errorf("ours are %v of %d", got, len(again.Parts))
	}
	for _, want := range []string{"<Queue>arn:aws:sqs:us-east-1:000000000000:q</Queue>", "<CloudFunction>arn:other</CloudFunction>", "<Id>mine</Id>", "EventBridgeConfiguration",
		"<Event>s3:ObjectCreated:Put</Event><Event>s3:ObjectRemoved:*</Event>", "<Name>prefix</Name><Value>a&amp;b/</Value>", "<Name>suffix</Name><Value>.jpg</Value>"} {
		if !strings.Contains(string(text), want) {
			t.Errorf("%s lacks %s", text, want)
		}
	}
}

func TestRuleWantsWhatIsMade(t *testing.T) {
	p, err := trigger{S3: "b"}.rule("id", "arn:f")
	if err != nil || strings.Contains(p.Inner, "Filter") || !strings.Contains(p.Inner, "<Event>s3:ObjectCreated:*</Event>") {
		t.Errorf("%s, %v", p.Inner, err)
	}
}
