package cli

import (
	"context"
	"encoding/xml"
	"slices"
	"strings"
)

// A notification is what a bucket tells whom. Deploy changes its own rules, and
// writes the others as it read them.
type notification struct {
	XMLName xml.Name           `xml:"http://s3.amazonaws.com/doc/2006-03-01/ NotificationConfiguration"`
	Parts   []notificationPart `xml:",any"`
}

type notificationPart struct {
	XMLName xml.Name
	Inner   string `xml:",innerxml"`
}

// A bucketRule is a part that tells a function.
type bucketRule struct {
	XMLName  xml.Name   `xml:"CloudFunctionConfiguration"`
	ID       string     `xml:"Id"`
	Function string     `xml:"CloudFunction"`
	Events   []string   `xml:"Event"`
	Filter   *keyFilter `xml:"Filter"`
}

type keyFilter struct {
	Rules []filterRule `xml:"S3Key>FilterRule"`
}

type filterRule struct {
	Name  string `xml:"Name"`
	Value string `xml:"Value"`
}

// attachBucket has a bucket tell the function what happens in it.
func (a *attacher) attachBucket(ctx context.Context, t trigger) (action string, err error) {
	bucket, name := strings.TrimPrefix(t.S3, "arn:aws:s3:::"), a.name(t)
	if err := a.api.bucket(ctx, bucket); err != nil {
		return "", err
	}
	n, err := a.notification(ctx, bucket)
	if err != nil {
		return "", err
	}
	if slices.Contains(a.rules(n), name) {
		return "unchanged", nil
	}
	if err := a.permit(ctx, name, "s3.amazonaws.com", "arn:aws:s3:::"+bucket); err != nil {
		return "", err
	}
	a.drop(n, func(id string) bool { return !a.wanted[id] }) // it might want the same events
	part, err := t.rule(name, a.f.FunctionArn)
	if err != nil {
		return "", err
	}
	n.Parts = append(n.Parts, part)
	return "created", a.setNotification(ctx, bucket, n)
}

// rule is the trigger as a bucket knows it.
func (t trigger) rule(id, function string) (p notificationPart, err error) {
	r := bucketRule{ID: id, Function: function, Events: []string{"s3:ObjectCreated:*"}}
	if t.Events != nil {
		r.Events = nil
	}
	for _, e := range t.Events {
		r.Events = append(r.Events, "s3:"+strings.TrimPrefix(e, "s3:"))
	}
	for _, f := range []filterRule{{"prefix", t.Prefix}, {"suffix", t.Suffix}} {
		if f.Value == "" {
			continue
		}
		if r.Filter == nil {
			r.Filter = new(keyFilter)
		}
		r.Filter.Rules = append(r.Filter.Rules, f)
	}
	text, err := xml.Marshal(r)
	if err == nil {
		err = xml.Unmarshal(text, &p)
	}
	return p, err
}

// rules are the ids of those rules of a bucket that deploy made for the function.
func (a *attacher) rules(n *notification) (ids []string) {
	for _, p := range n.Parts {
		if id, ok := a.ours(p); ok {
			ids = append(ids, id)
		}
	}
	return ids
}

// ours tells whether deploy made a part for the function. The prefix of another
// function may begin with ours.
func (a *attacher) ours(p notificationPart) (id string, ok bool) {
	var r bucketRule
	if xml.Unmarshal([]byte("<CloudFunctionConfiguration>"+p.Inner+"</CloudFunctionConfiguration>"), &r) != nil {
		return "", false
	}
	return r.ID, strings.HasPrefix(r.ID, a.prefix()) && r.Function == a.f.FunctionArn
}

// drop takes away those of the function's rules that gone picks.
func (a *attacher) drop(n *notification, gone func(id string) bool) {
	n.Parts = slices.DeleteFunc(n.Parts, func(p notificationPart) bool {
		id, ok := a.ours(p)
		return ok && gone(id)
	})
}

// leaveBucket takes a rule away from a bucket, if both are there.
func (a *attacher) leaveBucket(ctx context.Context, source, id string) error {
	bucket := strings.TrimPrefix(source, "arn:aws:s3:::")
	n, err := a.notification(ctx, bucket)
	if is(err, "NoSuchBucket") {
		return nil
	}
	if err != nil || !slices.Contains(a.rules(n), id) {
		return err
	}
	a.drop(n, func(other string) bool { return other == id })
	return a.setNotification(ctx, bucket, n)
}

func (a *attacher) notification(ctx context.Context, bucket string) (*notification, error) {
	r, err := a.api.do(ctx, request{service: "s3", method: "GET", path: "/" + bucket + "?notification"})
	if err != nil {
		return nil, err
	}
	n := new(notification)
	if err := xml.Unmarshal(r.body, n); err != nil {
		return nil, fail("what bucket %s tells cannot be read: %v", bucket, err)
	}
	return n, nil
}

func (a *attacher) setNotification(ctx context.Context, bucket string, n *notification) error {
	body, err := xml.Marshal(n)
	if err != nil {
		return err
	}
	return a.api.read(ctx, request{service: "s3", method: "PUT", path: "/" + bucket + "?notification", body: body, header: map[string]string{"Content-Type": "application/xml"}}, nil)
}
