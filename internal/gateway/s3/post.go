package s3

import (
	"context"
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"mime/multipart"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/mayfly-faas/mayfly/internal/awserr"
	"github.com/mayfly-faas/mayfly/internal/object"
	"github.com/mayfly-faas/mayfly/internal/wire"
	"github.com/mayfly-faas/mayfly/internal/wire/sigv4"
)

// A form is what a browser uploads with: its fields by their names in lower case, up
// to the file, which is last.
type form struct {
	fields map[string]string
	name   string // of the file
	file   io.Reader
}

const mostField = 20 << 10 // bytes of all fields together

// postObject implements POST Object, an upload by a browser's form. Who made the form
// signed a policy that says what may be uploaded with it.
// https://docs.aws.amazon.com/AmazonS3/latest/API/RESTObjectPOST.html
func (q *request) postObject() error {
	f, err := readForm(q.Request)
	if err != nil {
		return err
	}
	ctx, err := q.g.formCaller(q.Request, f)
	if err != nil {
		return err
	}
	q.Request = q.WithContext(ctx)
	least, most, err := f.policyHolds(q.bucket, q.g.c.Now())
	if err != nil {
		return err
	}
	q.key = strings.ReplaceAll(f.fields["key"], "${filename}", f.name)
	if q.key == "" {
		return invalid("InvalidArgument", "Bucket POST must contain a field named 'key'.  If it is specified, please check the order of the fields.")
	}
	for name := range q.Header { // the policy covers the form's fields: nothing else may speak
		if n := strings.ToLower(name); strings.HasPrefix(n, "x-amz-") || strings.HasPrefix(n, "if-") || strings.HasPrefix(n, "content-") || n == "cache-control" || n == "expires" {
			q.Header.Del(name)
		}
	}
	for name, value := range f.fields {
		if strings.HasPrefix(name, "x-amz-meta-") || strings.HasPrefix(name, "x-amz-checksum-") ||
			name == "content-type" || name == "cache-control" || name == "content-disposition" || name == "content-encoding" || name == "expires" || name == "x-amz-storage-class" {
			q.Header.Set(name, value)
		}
	}
	p, w, err := q.putOf("ObjectCreated:Post")
	if err != nil {
		return err
	}
	if text := f.fields["tagging"]; text != "" {
		var t tags
		if xml.Unmarshal([]byte(text), &t) != nil {
			return malformed()
		}
		if p.Tags, err = t.pairs(10); err != nil {
			return err
		}
	}
	p.Check = func(size int64, digests map[string]string) error {
		if size < least {
			return invalid("EntityTooSmall", "Your proposed upload is smaller than the minimum allowed size")
		}
		return w.check(size, digests)
	}
	info, err := q.g.c.Store.Put(q.ctx(), p, &limited{f.file, most})
	if err != nil {
		return err
	}
	return q.posted(f, info)
}

// posted answers as the form wants it.
func (q *request) posted(f *form, info object.Info) error {
	location := q.location()
	h := q.w.Header()
	h.Set("Location", location)
	q.written(info)
	if to := f.fields["success_action_redirect"]; to != "" {
		if u, err := url.Parse(to); err == nil && u.Host != "" {
			query := u.Query()
			query.Set("bucket", q.bucket)
			query.Set("key", q.key)
			query.Set("etag", quoted(info.ETag))
			u.RawQuery = query.Encode()
			h.Set("Location", u.String())
			q.w.WriteHeader(http.StatusSeeOther)
			return nil
		}
	}
	switch f.fields["success_action_status"] {
	case "200":
		q.w.WriteHeader(http.StatusOK)
	case "201":
		h.Set("Content-Type", "application/xml")
		q.w.WriteHeader(http.StatusCreated)
		text, err := xml.Marshal(struct {
			XMLName                     xml.Name `xml:"PostResponse"`
			Location, Bucket, Key, ETag string
		}{Location: location, Bucket: q.bucket, Key: q.key, ETag: quoted(info.ETag)})
		if err == nil {
			q.w.Write(append([]byte(xml.Header), text...))
		}
	default:
		q.w.WriteHeader(http.StatusNoContent)
	}
	return nil
}

// location is the address of the object.
func (q *request) location() string {
	path := "/" + (&url.URL{Path: q.key}).EscapedPath()
	if q.g.hostBucket(q.Host) == "" {
		path = "/" + q.bucket + path
	}
	return wire.BaseURL(q.ctx()) + path
}

// readForm reads the fields that come before the file.
func readForm(r *http.Request) (*form, error) {
	m, err := r.MultipartReader()
	if err != nil {
		return nil, awserr.New(http.StatusPreconditionFailed, "PreconditionFailed", "Bucket POST must be of the enclosure-type multipart/form-data")
	}
	f := &form{fields: map[string]string{}}
	for left := int64(mostField); ; {
		part, err := m.NextPart()
		if errors.Is(err, io.EOF) {
			return nil, invalid("InvalidArgument", "POST requires exactly one file upload per request.")
		}
		if err != nil {
			return nil, invalid("MalformedPOSTRequest", "The body of your POST request is not well-formed multipart/form-data.")
		}
		if strings.EqualFold(part.FormName(), "file") {
			f.name, f.file = part.FileName(), part
			return f, nil
		}
		text, err := readField(part, left)
		if err != nil {
			return nil, err
		}
		left -= int64(len(text))
		f.fields[strings.ToLower(part.FormName())] = text
	}
}

func readField(part *multipart.Part, most int64) (string, error) {
	text, err := io.ReadAll(io.LimitReader(part, most+1))
	if err != nil {
		return "", invalid("MalformedPOSTRequest", "The body of your POST request is not well-formed multipart/form-data.")
	}
	if int64(len(text)) > most {
		return "", invalid("MaxPostPreDataLengthExceeded", "Your POST request fields preceding the upload file were too large.")
	}
	return string(text), nil
}

// formCaller checks who signed the form's policy, in either of the two ways.
func (g *Gateway) formCaller(r *http.Request, f *form) (context.Context, error) {
	scope := strings.Split(f.fields["x-amz-credential"], "/")
	if id := f.fields["awsaccesskeyid"]; id != "" {
		scope = []string{id}
	} else if len(scope) != 5 || scope[3] != "s3" || scope[4] != "aws4_request" || !strings.HasPrefix(f.fields["x-amz-date"], scope[1]) {
		if g.c.Off {
			return wire.WithCaller(r.Context(), wire.Caller{Account: g.c.Account, Root: true}), nil
		}
		return nil, accessDenied()
	}
	secret, caller, err := g.c.Lookup(r.Context(), scope[0], f.fields["x-amz-security-token"])
	if err != nil {
		return nil, err
	}
	caller.AccessKeyID, caller.Region = scope[0], g.c.Region
	if !g.c.Off && !f.signed(secret, scope) {
		return nil, awserr.New(http.StatusForbidden, "SignatureDoesNotMatch", "The request signature we calculated does not match the signature you provided. Check your key and signing method.")
	}
	return wire.WithCaller(r.Context(), caller), nil
}

// signed tells whether the policy's signature is secret's; scope is that of version 4, or
// the key's id alone.
func (f *form) signed(secret string, scope []string) bool {
	if len(scope) == 1 {
		mac := hmac.New(sha1.New, []byte(secret))
		io.WriteString(mac, f.fields["policy"])
		sent, err := base64.StdEncoding.DecodeString(f.fields["signature"])
		return err == nil && hmac.Equal(mac.Sum(nil), sent)
	}
	sent, err := hex.DecodeString(f.fields["x-amz-signature"])
	return err == nil && sigv4.Signs(secret, scope[1], scope[2], scope[3], f.fields["policy"], sent)
}

// policyHolds compares the fields with the policy, and returns how long the file may be.
// https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-HTTPPOSTConstructPolicy.html
func (f *form) policyHolds(bucket string, now time.Time) (least, most int64, err error) {
	var policy struct {
		Expiration time.Time
		Conditions []json.RawMessage
	}
	text, err := base64.StdEncoding.DecodeString(f.fields["policy"])
	if err != nil || json.Unmarshal(text, &policy) != nil {
		return 0, 0, invalid("InvalidPolicyDocument", "Invalid Policy: Invalid JSON.")
	}
	if now.After(policy.Expiration) {
		return 0, 0, failedPolicy("Policy expired.")
	}
	f.fields["bucket"] = bucket
	most = mostBytes
	covered := map[string]bool{"policy": true, "x-amz-signature": true, "signature": true, "awsaccesskeyid": true, "file": true, "bucket": true, "submit": true}
	for _, raw := range policy.Conditions {
		names, least1, most1, err := f.conditionHolds(raw)
		if err != nil {
			return 0, 0, err
		}
		for _, name := range names {
			if name == "content-length-range" {
				least, most = max(least, least1), min(most, most1)
			}
			covered[name] = true
		}
	}
	for name := range f.fields {
		if !covered[name] && !strings.HasPrefix(name, "x-ignore-") {
			return 0, 0, failedPolicy("Extra input fields: " + name)
		}
	}
	return least, most, nil
}

func failedPolicy(why string) error {
	return awserr.New(http.StatusForbidden, "AccessDenied", "Invalid according to Policy: %s", why)
}

// conditionHolds checks one condition, and tells which fields it is about.
func (f *form) conditionHolds(raw json.RawMessage) (names []string, least, most int64, err error) {
	failed := func() error { return failedPolicy("Policy Condition failed: " + string(raw)) }
	var exact map[string]string
	if json.Unmarshal(raw, &exact) == nil {
		for n, v := range exact {
			name := strings.ToLower(n)
			if f.fields[name] != v {
				return nil, 0, 0, failed()
			}
			names = append(names, name)
		}
		return names, 0, 0, nil
	}
	var list []any
	if json.Unmarshal(raw, &list) != nil || len(list) != 3 {
		return nil, 0, 0, invalid("InvalidPolicyDocument", "Invalid Policy: Invalid Condition")
	}
	kind, _ := list[0].(string)
	if strings.EqualFold(kind, "content-length-range") {
		a, ok1 := list[1].(float64)
		b, ok2 := list[2].(float64)
		if !ok1 || !ok2 {
			return nil, 0, 0, invalid("InvalidPolicyDocument", "Invalid Policy: Invalid content-length-range")
		}
		return []string{"content-length-range"}, int64(a), int64(b), nil
	}
	field, _ := list[1].(string)
	value, _ := list[2].(string)
	name := strings.ToLower(strings.TrimPrefix(field, "$"))
	if kind == "eq" && f.fields[name] == value || kind == "starts-with" && strings.HasPrefix(f.fields[name], value) {
		return []string{name}, 0, 0, nil
	}
	return nil, 0, 0, failed()
}

// limited is a reader of what may not be longer.
type limited struct {
	r    io.Reader
	left int64
}

func (l *limited) Read(b []byte) (int, error) {
	n, err := l.r.Read(b)
	if l.left -= int64(n); l.left < 0 {
		return 0, invalid("EntityTooLarge", "Your proposed upload exceeds the maximum allowed size")
	}
	return n, err
}
