package scheduler

import (
	"bytes"
	"encoding/base64"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/mayfly-faas/mayfly/internal/awserr"
	"github.com/mayfly-faas/mayfly/internal/wire"
	"github.com/mayfly-faas/mayfly/internal/wire/restjson"
)

// Service is EventBridge Scheduler on b.
//
// https://docs.aws.amazon.com/scheduler/latest/APIReference/API_Operations.html
func Service(b *Book) wire.Service {
	a := &api{b}
	return wire.Service{
		Name: "scheduler", Title: "Amazon EventBridge Scheduler", Version: "2021-06-30",
		Paths: []string{"/schedules", "/schedule-groups"}, Protocol: restjson.Protocol{}, Models: models(),
		ErrorCode: "InternalServerException", ErrorBody: errorBody,
		Ops: []wire.Op{
			wire.Handle("CreateScheduleGroup", a.createScheduleGroup),
			wire.Handle("DeleteScheduleGroup", a.deleteScheduleGroup),
			wire.Handle("GetScheduleGroup", a.getScheduleGroup),
			wire.Handle("ListScheduleGroups", a.listScheduleGroups),
			wire.Handle("CreateSchedule", a.createSchedule),
			wire.Handle("UpdateSchedule", a.updateSchedule),
			wire.Handle("DeleteSchedule", a.deleteSchedule),
			wire.Handle("GetSchedule", a.getSchedule),
			wire.Handle("ListSchedules", a.listSchedules),
			wire.Handle("TagResource", a.tagResource),
			wire.Handle("UntagResource", a.untagResource),
			wire.Handle("ListTagsForResource", a.listTagsForResource),
		},
	}
}

// An api serves the operations.
type api struct{ *Book }

// errorBody is an error as the model has it, with a capital letter.
func errorBody(e *awserr.Error) map[string]any { return map[string]any{"Message": e.Message} }

func invalid(format string, args ...any) error {
	return awserr.New(400, "ValidationException", format, args...)
}

func notFound(format string, args ...any) error {
	return awserr.New(404, "ResourceNotFoundException", format, args...)
}

func conflict(format string, args ...any) error {
	return awserr.New(409, "ConflictException", format, args...)
}

// val is *p, or the zero value where there is none.
func val[T any](p *T) T {
	if p == nil {
		var zero T
		return zero
	}
	return *p
}

// moment is a time of the tables for an answer.
func moment(ms int64) *wire.Time { return &wire.Time{Time: time.UnixMilli(ms).UTC()} }

// now is the time as the tables have it.
func (b *Book) now() time.Time { return time.UnixMilli(b.nowMilli()) }

func (b *Book) nowMilli() int64 { return b.Now().UnixMilli() }

// past is the first string behind all that begin with prefix.
func past(prefix string) string { return prefix + "\U0010FFFF" }

// A page is the part of a list that a request wants: what lies behind after
// and begins with prefix. After is a group and a name.
type page struct {
	group, name, prefix string
	size                int
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
		return p, invalid("Invalid NextToken.")
	}
	p.group, p.name, _ = strings.Cut(string(after), "/")
	return p, nil
}

// tokenOf is the token for what lies behind a group and a name.
func tokenOf(group, name string) *string {
	return new(base64.RawURLEncoding.EncodeToString([]byte(group + "/" + name)))
}
