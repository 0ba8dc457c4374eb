package iam

import (
	"bytes"
	"encoding/base64"
	"errors"
	"net/url"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/mayfly-faas/mayfly/internal/awserr"
	"github.com/mayfly-faas/mayfly/internal/identity"
	"github.com/mayfly-faas/mayfly/internal/policy"
	"github.com/mayfly-faas/mayfly/internal/wire"
)

// or is what p points to, or instead when there is nothing.
func or[T any](p *T, instead T) T {
	if p == nil {
		return instead
	}
	return *p
}

// str is an optional string, "" when absent.
func str(p *string) string { return or(p, "") }

// some is s, absent when empty.
func some(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

func stamp(t time.Time) *wire.Time {
	if t.IsZero() {
		return nil
	}
	return &wire.Time{Time: t}
}

// escape writes a document as IAM's answers carry it: percent-encoded, as
// RFC 3986 has it.
func escape(document string) *string {
	return new(strings.ReplaceAll(url.QueryEscape(document), "+", "%20"))
}

// checkDocument refuses a document that IAM would not take.
func checkDocument(kind policy.Kind, document string) error {
	_, err := policy.Parse(kind, document)
	if e, ok := errors.AsType[*policy.Error](err); ok {
		return awserr.New(400, "MalformedPolicyDocument", "%s", e.Message)
	}
	return err
}

// quota refuses what is over a limit of the account.
func quota(name string, have, limit int) error {
	if have > limit {
		return awserr.New(409, "LimitExceeded", "Cannot exceed quota for %s: %d", name, limit)
	}
	return nil
}

func invalid(format string, args ...any) error {
	return awserr.New(400, "ValidationError", format, args...)
}

// tagsIn reads a request's tags. Their keys differ in more than case.
func tagsIn(in []*Tag) ([]identity.Tag, error) {
	seen := map[string]bool{}
	var out []identity.Tag
	for _, t := range in {
		key := strings.ToLower(str(t.Key))
		if seen[key] {
			return nil, awserr.New(400, "InvalidInput", "Duplicate tag keys found. Please note that Tag keys are case insensitive.")
		}
		seen[key] = true
		out = append(out, identity.Tag{Key: str(t.Key), Value: str(t.Value)})
	}
	return out, nil
}

// tagsOut is nil, and so left out of an answer, when there are none.
func tagsOut(in []identity.Tag) []*Tag {
	var out []*Tag
	for _, t := range in {
		out = append(out, &Tag{Key: &t.Key, Value: &t.Value})
	}
	return out
}

// defaultItems is how much a page holds when the request does not say.
const defaultItems = 100

// after decodes a marker: the key of the last item of the page before. It goes
// to the database, which need not take what is no text.
func after(marker *string) (string, error) {
	b, err := base64.RawURLEncoding.DecodeString(str(marker))
	if err != nil || marker != nil && len(b) == 0 || !utf8.Valid(b) || bytes.IndexByte(b, 0) >= 0 {
		return "", invalid("Invalid Marker.")
	}
	return string(b), nil
}

// A page is a part of a list, and where the next part begins.
type page[T any] struct {
	items     []T // never nil: IAM sends an empty list
	truncated *bool
	marker    *string
}

// pageOf cuts the page that a request asks for out of a list in order of key.
func pageOf[T any](list []T, key func(T) string, marker *string, max *int32) (p page[T], err error) {
	from, err := after(marker)
	if err != nil {
		return p, err
	}
	p.items, p.truncated = []T{}, new(false)
	for _, item := range list {
		if marker != nil && key(item) <= from {
			continue
		}
		if len(p.items) == int(or(max, defaultItems)) {
			p.truncated = new(true)
			p.marker = new(base64.RawURLEncoding.EncodeToString([]byte(key(p.items[len(p.items)-1]))))
			break
		}
		p.items = append(p.items, item)
	}
	return p, nil
}

// collect maps a list.
func collect[T, U any](list []T, f func(T) U) []U {
	out := make([]U, 0, len(list))
	for _, x := range list {
		out = append(out, f(x))
	}
	return out
}
