package events

import (
	"bytes"
	"encoding/base64"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/mayfly-faas/mayfly/internal/awserr"
	"github.com/mayfly-faas/mayfly/internal/wire"
	"github.com/mayfly-faas/mayfly/internal/wire/awsjson"
)

// Service is EventBridge on b.
//
// https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_Operations.html
func Service(b *Book) wire.Service {
	a := &api{b}
	return wire.Service{
		Name: "events", Title: "Amazon EventBridge", Version: "2015-10-07", Target: "AWSEvents",
		Protocol: awsjson.Protocol{}, Models: models(), ErrorCode: "InternalException",
		Ops: []wire.Op{
			wire.Handle("CreateEventBus", a.createEventBus),
			wire.Handle("UpdateEventBus", a.updateEventBus),
			wire.Handle("DeleteEventBus", a.deleteEventBus),
			wire.Handle("DescribeEventBus", a.describeEventBus),
			wire.Handle("ListEventBuses", a.listEventBuses),
			wire.Handle("PutPermission", a.putPermission),
			wire.Handle("RemovePermission", a.removePermission),

			wire.Handle("PutRule", a.putRule),
			wire.Handle("DescribeRule", a.describeRule),
			wire.Handle("DeleteRule", a.deleteRule),
			wire.Handle("EnableRule", a.enableRule),
			wire.Handle("DisableRule", a.disableRule),
			wire.Handle("ListRules", a.listRules),
			wire.Handle("PutTargets", a.putTargets),
			wire.Handle("RemoveTargets", a.removeTargets),
			wire.Handle("ListTargetsByRule", a.listTargetsByRule),
			wire.Handle("ListRuleNamesByTarget", a.listRuleNamesByTarget),

			wire.Handle("PutEvents", a.putEvents),
			wire.Handle("TestEventPattern", a.testEventPattern),

			wire.Handle("CreateArchive", a.createArchive),
			wire.Handle("UpdateArchive", a.updateArchive),
			wire.Handle("DeleteArchive", a.deleteArchive),
			wire.Handle("DescribeArchive", a.describeArchive),
			wire.Handle("ListArchives", a.listArchives),
			wire.Handle("StartReplay", a.startReplay),
			wire.Handle("CancelReplay", a.cancelReplay),
			wire.Handle("DescribeReplay", a.describeReplay),
			wire.Handle("ListReplays", a.listReplays),

			wire.Handle("TagResource", a.tagResource),
			wire.Handle("UntagResource", a.untagResource),
			wire.Handle("ListTagsForResource", a.listTagsForResource),
		},
	}
}

// An api serves the operations.
type api struct{ *Book }

func invalid(format string, args ...any) error {
	return awserr.New(400, "ValidationException", format, args...)
}

func notFound(format string, args ...any) error {
	return awserr.New(400, "ResourceNotFoundException", format, args...)
}

func exists(format string, args ...any) error {
	return awserr.New(400, "ResourceAlreadyExistsException", format, args...)
}

func tooMany() error {
	return awserr.New(400, "LimitExceededException", "The requested resource exceeds the maximum number allowed.")
}

// val is *p, or the zero value where there is none.
func val[T any](p *T) T {
	if p == nil {
		var zero T
		return zero
	}
	return *p
}

// some is a pointer to v, nil for the zero value.
func some[T comparable](v T) *T {
	var zero T
	if v == zero {
		return nil
	}
	return &v
}

// moment is a time of the tables for an answer; nil for none.
func moment(ms int64) *wire.Time {
	if ms == 0 {
		return nil
	}
	return &wire.Time{Time: time.UnixMilli(ms).UTC()}
}

func (b *Book) nowMilli() int64 { return b.Now().UnixMilli() }

// past is the first string behind all that begin with prefix.
func past(prefix string) string { return prefix + "\U0010FFFF" }

// A page is the part of a list that a request wants: those names behind after
// that begin with prefix.
type page struct {
	after, prefix string
	size          int
}

func pageOf(token, prefix *string, limit *int32) (page, error) {
	p := page{prefix: val(prefix), size: 100}
	if limit != nil {
		p.size = int(*limit)
	}
	if token == nil {
		return p, nil
	}
	after, err := base64.RawURLEncoding.DecodeString(*token)
	if err != nil || !utf8.Valid(after) || bytes.IndexByte(after, 0) >= 0 {
		return p, invalid("Parameter NextToken is not valid.")
	}
	p.after = string(after)
	return p, nil
}

// cut shortens rows, of which one more than a page was read, and makes the
// token for what follows.
func cut[T any](rows []T, p page, name func(T) string) ([]T, *string) {
	if len(rows) <= p.size {
		return rows, nil
	}
	rows = rows[:p.size]
	return rows, new(base64.RawURLEncoding.EncodeToString([]byte(name(rows[p.size-1]))))
}

// text is the one column of a row.
func text(scan func(...any) error) (s string, err error) { return s, scan(&s) }

// busOf is the bus that a request names, by its name or its ARN.
func busOf(name *string) string {
	if name == nil {
		return defaultBus
	}
	_, after, ok := strings.Cut(*name, ":event-bus/")
	if !ok {
		return *name
	}
	return after
}
