package logs

import (
	"errors"
	"strings"

	"github.com/mayfly-faas/mayfly/internal/arn"
	"github.com/mayfly-faas/mayfly/internal/awserr"
	"github.com/mayfly-faas/mayfly/internal/store"
	"github.com/mayfly-faas/mayfly/internal/wire"
	"github.com/mayfly-faas/mayfly/internal/wire/awsjson"
)

// Service is CloudWatch Logs on b.
func Service(b *Book) wire.Service {
	a := &api{b}
	return wire.Service{
		Name: "logs", Title: "Amazon CloudWatch Logs", Version: "2014-03-28", Target: "Logs_20140328",
		Protocol: awsjson.Protocol{}, Models: models(),
		ErrorCode: "ServiceUnavailableException", ValidationCode: "InvalidParameterException",
		Ops: []wire.Op{
			wire.Handle("CreateLogGroup", a.createLogGroup),
			wire.Handle("DeleteLogGroup", a.deleteLogGroup),
			wire.Handle("DescribeLogGroups", a.describeLogGroups),
			wire.Handle("ListLogGroups", a.listLogGroups),
			wire.Handle("PutLogGroupDeletionProtection", a.putLogGroupDeletionProtection),
			wire.Handle("PutRetentionPolicy", a.putRetentionPolicy),
			wire.Handle("DeleteRetentionPolicy", a.deleteRetentionPolicy),

			wire.Handle("CreateLogStream", a.createLogStream),
			wire.Handle("DeleteLogStream", a.deleteLogStream),
			wire.Handle("DescribeLogStreams", a.describeLogStreams),

			wire.Handle("PutLogEvents", a.putLogEvents),
			wire.Handle("GetLogEvents", a.getLogEvents),
			wire.Handle("FilterLogEvents", a.filterLogEvents),
			wire.Handle("TestMetricFilter", a.testMetricFilter),

			wire.Handle("TagResource", a.tagResource),
			wire.Handle("UntagResource", a.untagResource),
			wire.Handle("ListTagsForResource", a.listTagsForResource),
			wire.Handle("TagLogGroup", a.tagLogGroup),
			wire.Handle("UntagLogGroup", a.untagLogGroup),
			wire.Handle("ListTagsLogGroup", a.listTagsLogGroup),
		},
	}
}

// An api serves the operations.
type api struct{ *Book }

func invalid(format string, args ...any) error {
	return awserr.New(400, "InvalidParameterException", format, args...)
}

// fault says a room's error in AWS's words.
func fault(err error) error {
	switch {
	case errors.Is(err, errNoGroup):
		return awserr.New(400, "ResourceNotFoundException", "The specified log group does not exist.")
	case errors.Is(err, errNoStream):
		return awserr.New(400, "ResourceNotFoundException", "The specified log stream does not exist.")
	case errors.Is(err, errPattern):
		return invalid("%s", strings.TrimPrefix(err.Error(), errPattern.Error()+": "))
	}
	return err
}

// conflict says that what has been made was there already.
func conflict(err error, what string) error {
	if errors.Is(err, store.ErrConflict) {
		return awserr.New(400, "ResourceAlreadyExistsException", "The specified log %s already exists", what)
	}
	return fault(err)
}

// groupName is the group that a request names, by its name or by its ARN.
func (b *Book) groupName(name, identifier *string) (string, error) {
	switch {
	case name != nil && identifier != nil:
		return "", awserr.New(400, "ValidationException", "LogGroup name and LogGroup ARN are mutually exclusive parameters.")
	case name != nil:
		return *name, nil
	case identifier == nil:
		return "", invalid("Either LogGroup name or LogGroup ARN must be specified.")
	case strings.HasPrefix(*identifier, "arn:"):
		return b.groupOf(*identifier)
	}
	return *identifier, nil
}

// groupOf is the name in a log group's ARN, with or without the :* at its end.
func (b *Book) groupOf(s string) (string, error) {
	a, err := arn.Parse(s)
	name, ok := strings.CutPrefix(a.Resource, "log-group:")
	if err != nil || !ok || a.Service != "logs" || name == "" {
		return "", invalid("The specified ARN is not valid: %s", s)
	}
	if a.Account != b.account {
		return "", fault(errNoGroup)
	}
	return strings.TrimSuffix(name, ":*"), nil
}

// arn is the ARN of a log group.
func (b *Book) arn(group string) string {
	return arn.ARN{Service: "logs", Region: b.region, Account: b.account, Resource: "log-group:" + group}.String()
}
