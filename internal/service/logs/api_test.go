package logs

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mayfly-faas/mayfly/internal/wire"
	"github.com/mayfly-faas/mayfly/internal/wire/wiretest"
)

// A client calls the service as clients do.
type client struct {
	testing.TB
	service wire.Service
	book    *Book
	clock   *fakeClock
}

func newClient(t testing.TB) *client {
	clock := &fakeClock{t: noon}
	b := openBook(t, t.TempDir(), func(c *Config) { c.Now = clock.now })
	return &client{t, Service(b), b, clock}
}

type in = map[string]any

// ok calls op and wants success.
func (c *client) ok(op string, in, out any) wiretest.Answer {
	c.Helper()
	a := wiretest.Do(c, c.service, op, in, out)
	if a.Status != 200 {
		c.Fatalf("%s: %d %s: %s", op, a.Status, a.Code, a.Message)
	}
	return a
}

// refused calls op and wants an error.
func (c *client) refused(op string, in any, code, message string) {
	c.Helper()
	a := wiretest.Do(c, c.service, op, in, nil)
	if a.Status != 400 || a.Code != code || a.Message != message {
		c.Errorf("%s: %d %s: %s\nwant %s: %s", op, a.Status, a.Code, a.Message, code, message)
	}
}

const (
	noGroup  = "The specified log group does not exist."
	noStream = "The specified log stream does not exist."
)

func TestGroups(t *testing.T) {
	c := newClient(t)
	c.ok("CreateLogGroup", in{"logGroupName": "/aws/lambda/f", "tags": in{"env": "test"}}, nil)
	c.refused("CreateLogGroup", in{"logGroupName": "/aws/lambda/f"}, "ResourceAlreadyExistsException", "The specified log group already exists")
	c.refused("CreateLogGroup", in{"logGroupName": "aws/f"}, "InvalidParameterException", "Log groups starting with AWS/ are reserved for AWS.")

	got := c.ok("DescribeLogGroups", in{}, nil)
	want := `{"logGroups":[{"arn":"arn:aws:logs:us-east-1:000000000000:log-group:/aws/lambda/f:*","creationTime":1795435200000,` +
		`"deletionProtectionEnabled":false,"logGroupArn":"arn:aws:logs:us-east-1:000000000000:log-group:/aws/lambda/f",` +
		`"logGroupClass":"STANDARD","logGroupName":"/aws/lambda/f","metricFilterCount":0,"storedBytes":0}]}`
	if string(got.Body) != want {
		t.Errorf("got  %s\nwant %s", got.Body, want)
	}

	c.ok("PutRetentionPolicy", in{"logGroupName": "/aws/lambda/f", "retentionInDays": 7}, nil)
	c.refused("PutRetentionPolicy", in{"logGroupName": "nope", "retentionInDays": 7}, "ResourceNotFoundException", noGroup)
	if a := wiretest.Do(t, c.service, "PutRetentionPolicy", in{"logGroupName": "/aws/lambda/f", "retentionInDays": 8}, nil); a.Code != "InvalidParameterException" {
		t.Errorf("retention of 8 days: %s %s", a.Code, a.Message)
	}
	var groups DescribeLogGroupsResponse
	c.ok("DescribeLogGroups", in{"logGroupNamePrefix": "/aws/"}, &groups)
	if r := groups.LogGroups[0].RetentionInDays; r == nil || *r != 7 {
		t.Errorf("retention %v, want 7", r)
	}
	c.ok("DeleteRetentionPolicy", in{"logGroupName": "/aws/lambda/f"}, nil)
	groups = DescribeLogGroupsResponse{}
	c.ok("DescribeLogGroups", in{"logGroupNamePattern": "lambda"}, &groups)
	g := groups.LogGroups[0]
	if g.RetentionInDays != nil || g.StoredBytes != nil || g.DeletionProtectionEnabled != nil {
		t.Errorf("asked by pattern, got %+v", g)
	}

	c.ok("PutLogGroupDeletionProtection", in{"logGroupIdentifier": "/aws/lambda/f", "deletionProtectionEnabled": true}, nil)
	if a := wiretest.Do(t, c.service, "DeleteLogGroup", in{"logGroupName": "/aws/lambda/f"}, nil); a.Code != "ValidationException" {
		t.Errorf("delete a protected group: %s", a.Code)
	}
	c.ok("PutLogGroupDeletionProtection", in{"logGroupIdentifier": "/aws/lambda/f", "deletionProtectionEnabled": false}, nil)
	c.ok("DeleteLogGroup", in{"logGroupName": "/aws/lambda/f"}, nil)
	c.refused("DeleteLogGroup", in{"logGroupName": "/aws/lambda/f"}, "ResourceNotFoundException", noGroup)
}

func TestGroupPages(t *testing.T) {
	c := newClient(t)
	for i := range 7 {
		c.ok("CreateLogGroup", in{"logGroupName": fmt.Sprint("/a/", i)}, nil)
		c.ok("CreateLogGroup", in{"logGroupName": fmt.Sprint("/b/", i), "logGroupClass": "INFREQUENT_ACCESS"}, nil)
	}
	var names []string
	for req := (in{"logGroupNamePrefix": "/b/", "limit": 3}); ; {
		var out DescribeLogGroupsResponse
		c.ok("DescribeLogGroups", req, &out)
		for _, g := range out.LogGroups {
			names = append(names, *g.LogGroupName)
		}
		if out.NextToken == nil {
			break
		}
		req["nextToken"] = *out.NextToken
	}
	if want := strings.Fields("/b/0 /b/1 /b/2 /b/3 /b/4 /b/5 /b/6"); !slices.Equal(names, want) {
		t.Errorf("pages have %v, want %v", names, want)
	}
	var list ListLogGroupsResponse
	c.ok("ListLogGroups", in{"logGroupNamePattern": "^/a/|b/3"}, &list)
	if len(list.LogGroups) != 8 {
		t.Errorf("%d groups listed, want 8", len(list.LogGroups))
	}
	var class DescribeLogGroupsResponse
	c.ok("DescribeLogGroups", in{"logGroupClass": "STANDARD"}, &class)
	if len(class.LogGroups) != 7 {
		t.Errorf("%d standard groups, want 7", len(class.LogGroups))
	}
	var some DescribeLogGroupsResponse
	c.ok("DescribeLogGroups", in{"logGroupIdentifiers": []string{"/a/1", "arn:aws:logs:us-east-1:000000000000:log-group:/b/2"}}, &some)
	if len(some.LogGroups) != 2 {
		t.Errorf("%d groups by identifier, want 2", len(some.LogGroups))
	}
	c.refused("DescribeLogGroups", in{"logGroupNamePrefix": "a", "logGroupNamePattern": "b"}, "InvalidParameterException",
		"LogGroup name prefix and LogGroup name pattern are mutually exclusive parameters.")
	c.refused("DescribeLogGroups", in{"nextToken": "?"}, "InvalidParameterException", "The specified nextToken is invalid.")
}

func TestStreams(t *testing.T) {
	c := newClient(t)
	c.refused("CreateLogStream", in{"logGroupName": "g", "logStreamName": "s"}, "ResourceNotFoundException", noGroup)
	c.ok("CreateLogGroup", in{"logGroupName": "g"}, nil)
	c.ok("CreateLogStream", in{"logGroupName": "g", "logStreamName": "s"}, nil)
	c.refused("CreateLogStream", in{"logGroupName": "g", "logStreamName": "s"}, "ResourceAlreadyExistsException", "The specified log stream already exists")
	const arn = "arn:aws:logs:us-east-1:000000000000:log-group:g"
	want := `{"logStreams":[{"arn":"` + arn + `:log-stream:s","creationTime":1795435200000,"logStreamName":"s","storedBytes":0}]}`
	for _, id := range []string{"g", arn} {
		if got := c.ok("DescribeLogStreams", in{"logGroupIdentifier": id}, nil); string(got.Body) != want {
			t.Errorf("got  %s\nwant %s", got.Body, want)
		}
	}
	c.refused("DescribeLogStreams", in{"logGroupIdentifier": arn, "logGroupName": "g"}, "ValidationException",
		"LogGroup name and LogGroup ARN are mutually exclusive parameters.")
	c.refused("DescribeLogStreams", in{"logGroupName": "g", "logStreamNamePrefix": "s", "orderBy": "LastEventTime"}, "InvalidParameterException",
		"Cannot order by LastEventTime with a logStreamNamePrefix.")
	c.refused("DescribeLogStreams", in{"logGroupName": "nope"}, "ResourceNotFoundException", noGroup)
	c.ok("DeleteLogStream", in{"logGroupName": "g", "logStreamName": "s"}, nil)
	c.refused("DeleteLogStream", in{"logGroupName": "g", "logStreamName": "s"}, "ResourceNotFoundException", noStream)
}

// streamNames reads all pages.
func (c *client) streamNames(req in) []string {
	c.Helper()
	var names []string
	for {
		var out DescribeLogStreamsResponse
		c.ok("DescribeLogStreams", req, &out)
		for _, s := range out.LogStreams {
			names = append(names, *s.LogStreamName)
		}
		if out.NextToken == nil {
			return names
		}
		req["nextToken"] = *out.NextToken
	}
}

func TestStreamOrder(t *testing.T) {
	c := newClient(t)
	for i, name := range []string{"d", "a", "c", "b", "e"} {
		c.book.Put("g", name, []time.Time{noon.Add(time.Duration(i) * time.Second)}, []string{"x"})
	}
	c.book.settle(t) // the group is there now
	c.ok("CreateLogStream", in{"logGroupName": "g", "logStreamName": "empty"}, nil)
	for _, k := range []struct {
		in   in
		want string
	}{
		{in{"logGroupName": "g", "limit": 2}, "a b c d e empty"},
		{in{"logGroupName": "g", "limit": 2, "descending": true}, "empty e d c b a"},
		{in{"logGroupName": "g", "limit": 2, "orderBy": "LastEventTime"}, "empty d a c b e"},
		{in{"logGroupName": "g", "limit": 2, "orderBy": "LastEventTime", "descending": true}, "e b c a d empty"},
		{in{"logGroupName": "g", "limit": 1, "logStreamNamePrefix": "e"}, "e empty"},
	} {
		if got := strings.Join(c.streamNames(k.in), " "); got != k.want {
			t.Errorf("%v: %s, want %s", k.in, got, k.want)
		}
	}
}

func batch(at ...time.Time) []in {
	var events []in
	for i, t := range at {
		events = append(events, in{"timestamp": t.UnixMilli(), "message": fmt.Sprint("event ", i)})
	}
	return events
}

func TestPutLogEvents(t *testing.T) {
	c := newClient(t)
	put := func(events []in) in { return in{"logGroupName": "g", "logStreamName": "s", "logEvents": events} }
	c.refused("PutLogEvents", put(batch(noon)), "ResourceNotFoundException", noGroup)
	c.ok("CreateLogGroup", in{"logGroupName": "g"}, nil)
	c.refused("PutLogEvents", put(batch(noon)), "ResourceNotFoundException", noStream)
	c.ok("CreateLogStream", in{"logGroupName": "g", "logStreamName": "s"}, nil)

	var out PutLogEventsResponse
	c.ok("PutLogEvents", put(batch(noon, noon)), &out)
	if out.NextSequenceToken == nil || len(*out.NextSequenceToken) != 56 || out.RejectedLogEventsInfo != nil {
		t.Errorf("got %+v", out)
	}
	c.refused("PutLogEvents", put(batch(noon, noon.Add(-1e9))), "InvalidParameterException",
		"Log events in a single PutLogEvents request must be in chronological order.")
	c.refused("PutLogEvents", put(batch(noon.Add(-25*time.Hour), noon)), "InvalidParameterException",
		"The batch of log events in a single PutLogEvents request cannot span more than 24 hours.")
	c.refused("PutLogEvents", put([]in{{"timestamp": noon.UnixMilli(), "message": strings.Repeat("x", 1<<20-25)}}), "InvalidParameterException",
		"Log event too large: 1048577 bytes exceeds limit of 1048576")
	half := in{"timestamp": noon.UnixMilli(), "message": strings.Repeat("x", 1<<19-25)}
	c.refused("PutLogEvents", put([]in{half, half}), "InvalidParameterException", "Upload too large: 1048578 bytes exceeds limit of 1048576")

	for _, k := range []struct {
		name   string
		events []in
		want   RejectedLogEventsInfo
	}{
		{"too old", batch(noon.AddDate(0, 0, -15), noon.AddDate(0, 0, -15), noon), RejectedLogEventsInfo{TooOldLogEventEndIndex: new(int32(2))}},
		{"all too old", batch(noon.AddDate(0, 0, -15)), RejectedLogEventsInfo{TooOldLogEventEndIndex: new(int32(1))}},
		{"too new", batch(noon, noon.Add(2*time.Hour), noon.Add(3*time.Hour)), RejectedLogEventsInfo{TooNewLogEventStartIndex: new(int32(2))}},
		{"both", batch(noon.AddDate(0, 0, -15), noon.Add(3*time.Hour)), RejectedLogEventsInfo{TooOldLogEventEndIndex: new(int32(1)), TooNewLogEventStartIndex: new(int32(1))}},
	} {
		var out PutLogEventsResponse
		c.ok("PutLogEvents", put(k.events), &out)
		if out.RejectedLogEventsInfo == nil || !reflect.DeepEqual(*out.RejectedLogEventsInfo, k.want) {
			t.Errorf("%s: rejected %+v", k.name, out.RejectedLogEventsInfo)
		}
	}
	c.ok("PutRetentionPolicy", in{"logGroupName": "g", "retentionInDays": 1}, nil)
	c.ok("PutLogEvents", put(batch(noon.AddDate(0, 0, -2), noon)), &out)
	if r := out.RejectedLogEventsInfo; r == nil || r.ExpiredLogEventEndIndex == nil || *r.ExpiredLogEventEndIndex != 1 {
		t.Errorf("expired: rejected %+v", r)
	}
	if n := len(messages(t, c.book, "g", false)); n != 2+1+2+1 {
		t.Errorf("%d events kept, want 6", n)
	}
}

// numbered puts n events a second apart into g/s.
func (c *client) numbered(n int) {
	c.Helper()
	for i := range n {
		c.book.Put("g", "s", []time.Time{noon.Add(time.Duration(i) * time.Second)}, []string{fmt.Sprint(i)})
	}
	c.book.settle(c)
}

func TestGetLogEvents(t *testing.T) {
	c := newClient(t)
	c.numbered(20)
	get := func(more in) (string, GetLogEventsResponse) {
		t.Helper()
		req := in{"logGroupName": "g", "logStreamName": "s"}
		for k, v := range more {
			req[k] = v
		}
		var out GetLogEventsResponse
		c.ok("GetLogEvents", req, &out)
		var s []string
		for _, e := range out.Events {
			s = append(s, *e.Message)
		}
		return strings.Join(s, " "), out
	}
	got, page := get(in{"limit": 5})
	if got != "15 16 17 18 19" {
		t.Errorf("the last five: %s", got)
	}
	if got, _ := get(in{"limit": 3, "nextToken": *page.NextBackwardToken}); got != "12 13 14" {
		t.Errorf("before them: %s", got)
	}
	got, page = get(in{"limit": 5, "startFromHead": true})
	if got != "0 1 2 3 4" {
		t.Errorf("the first five: %s", got)
	}
	if got, page = get(in{"limit": 100, "nextToken": *page.NextForwardToken, "startFromHead": true}); got != "5 6 7 8 9 10 11 12 13 14 15 16 17 18 19" {
		t.Errorf("after them: %s", got)
	}
	end := *page.NextForwardToken
	if got, page = get(in{"nextToken": end}); got != "" || *page.NextForwardToken != end {
		t.Errorf("at the end: %q, token %s, want %s", got, *page.NextForwardToken, end)
	}
	c.book.Put("g", "s", []time.Time{noon.Add(time.Hour)}, []string{"late"})
	c.book.settle(t)
	if got, _ = get(in{"nextToken": end}); got != "late" {
		t.Errorf("followed to %q", got)
	}
	from, to := noon.Add(3*time.Second).UnixMilli(), noon.Add(6*time.Second).UnixMilli()
	if got, _ = get(in{"startTime": from, "endTime": to}); got != "3 4 5" { // the end is not included
		t.Errorf("a range: %s", got)
	}
	if got, page = get(in{"startTime": noon.Add(2 * time.Hour).UnixMilli()}); got != "" || page.NextForwardToken == nil || page.NextBackwardToken == nil {
		t.Errorf("nothing: %q, %+v", got, page)
	}
	for _, token := range []string{"x", "f/1/s", "n/" + strings.Repeat("0", 56)} {
		c.refused("GetLogEvents", in{"logGroupName": "g", "logStreamName": "s", "nextToken": token}, "InvalidParameterException", "The specified nextToken is invalid.")
	}
	c.refused("GetLogEvents", in{"logGroupName": "no", "logStreamName": "s"}, "ResourceNotFoundException", noGroup)
	c.refused("GetLogEvents", in{"logGroupName": "g", "logStreamName": "no"}, "ResourceNotFoundException", noStream)
	c.refused("GetLogEvents", in{"logGroupName": "g", "logStreamName": "s", "limit": 10001}, "InvalidParameterException",
		"1 validation error detected: Value '10001' at 'limit' failed to satisfy constraint: Member must have value less than or equal to 10000")
}

func TestPageSize(t *testing.T) {
	c := newClient(t)
	for range 5 {
		c.book.Put("g", "s", []time.Time{noon}, []string{strings.Repeat("x", 300_000)})
	}
	c.book.settle(t)
	var out GetLogEventsResponse
	c.ok("GetLogEvents", in{"logGroupName": "g", "logStreamName": "s"}, &out)
	if len(out.Events) != 3 {
		t.Errorf("%d events of 300 kB in a page, want 3", len(out.Events))
	}
	n := len(c.filtered(in{"logGroupName": "g"}))
	if n != 5 {
		t.Errorf("%d events in all pages, want 5", n)
	}
}

// filtered reads all pages of FilterLogEvents.
func (c *client) filtered(req in) []string {
	c.Helper()
	got := []string{}
	for {
		var out FilterLogEventsResponse
		c.ok("FilterLogEvents", req, &out)
		for _, e := range out.Events {
			got = append(got, *e.LogStreamName+":"+*e.Message)
		}
		if out.NextToken == nil {
			return got
		}
		req["nextToken"] = *out.NextToken
	}
}

func TestFilterLogEvents(t *testing.T) {
	c := newClient(t)
	for i := range 9 {
		c.book.Put("g", fmt.Sprint("s", i%3), []time.Time{noon.Add(time.Duration(i) * time.Second)}, []string{fmt.Sprintf(`{"n":%d}`, i)})
	}
	c.book.settle(t)
	first, last := noon.Add(2*time.Second).UnixMilli(), noon.Add(4*time.Second).UnixMilli()
	for _, k := range []struct {
		in   in
		want string
	}{
		{in{}, "s0:0 s1:1 s2:2 s0:3 s1:4 s2:5 s0:6 s1:7 s2:8"},
		{in{"limit": 2}, "s0:0 s1:1 s2:2 s0:3 s1:4 s2:5 s0:6 s1:7 s2:8"},
		{in{"startTime": first, "startFromHead": false, "limit": 2}, "s2:8 s1:7 s0:6 s2:5 s1:4 s0:3 s2:2"},
		{in{"startTime": first, "endTime": last}, "s2:2 s0:3 s1:4"}, // the end is included
		{in{"logStreamNames": []string{"s0", "s2"}, "limit": 1}, "s0:0 s2:2 s0:3 s2:5 s0:6 s2:8"},
		{in{"logStreamNamePrefix": "s1"}, "s1:1 s1:4 s1:7"},
		{in{"logStreamNamePrefix": "x"}, ""},
		{in{"filterPattern": "{ $.n >= 7 }", "limit": 1}, "s1:7 s2:8"},
		{in{"filterPattern": "nothing"}, ""},
	} {
		k.in["logGroupName"] = "g"
		got := strings.NewReplacer(`{"n":`, "", "}", "").Replace(strings.Join(c.filtered(k.in), " "))
		if got != k.want {
			t.Errorf("%v: %s, want %s", k.in, got, k.want)
		}
	}
	a := c.ok("FilterLogEvents", in{"logGroupName": "g", "filterPattern": "nothing"}, nil)
	if string(a.Body) != `{"events":[],"searchedLogStreams":[]}` {
		t.Errorf("nothing is %s", a.Body)
	}
	c.refused("FilterLogEvents", in{"logGroupName": "g", "nextToken": "wrong"}, "InvalidParameterException", "The specified nextToken is invalid.")
	c.refused("FilterLogEvents", in{"logGroupName": "g", "filterPattern": "foo-bar"}, "InvalidParameterException", "Invalid character(s) in term 'foo-bar'")
	c.refused("FilterLogEvents", in{"logGroupName": "no"}, "ResourceNotFoundException", noGroup)
	c.refused("FilterLogEvents", in{"logGroupName": "g", "logStreamNames": []string{"no"}}, "ResourceNotFoundException", noStream)
}

func TestDeletedIsGone(t *testing.T) {
	c := newClient(t)
	c.numbered(3)
	c.book.Put("g", "other", []time.Time{noon}, []string{"stays"})
	c.book.settle(t)
	c.filtered(in{"logGroupName": "g"}) // remembers names
	c.ok("DeleteLogStream", in{"logGroupName": "g", "logStreamName": "s"}, nil)
	if got := c.filtered(in{"logGroupName": "g"}); !slices.Equal(got, []string{"other:stays"}) {
		t.Errorf("after its stream was deleted: %v", got)
	}
	c.book.Put("g", "s", []time.Time{noon}, []string{"new"})
	c.book.settle(t)
	var out GetLogEventsResponse
	c.ok("GetLogEvents", in{"logGroupName": "g", "logStreamName": "s"}, &out)
	if len(out.Events) != 1 {
		t.Errorf("%d events in the stream that was made again, want 1", len(out.Events))
	}
	c.ok("DeleteLogGroup", in{"logGroupName": "g"}, nil)
	c.book.Put("g", "s", []time.Time{noon}, []string{"newer"})
	c.book.settle(t)
	if got := c.filtered(in{"logGroupName": "g"}); !slices.Equal(got, []string{"s:newer"}) {
		t.Errorf("after its group was deleted: %v", got)
	}
}

func TestTags(t *testing.T) {
	c := newClient(t)
	c.ok("CreateLogGroup", in{"logGroupName": "g"}, nil)
	const arn = "arn:aws:logs:us-east-1:000000000000:log-group:g"
	tags := func(want string) {
		t.Helper()
		for _, a := range []wiretest.Answer{c.ok("ListTagsForResource", in{"resourceArn": arn}, nil), c.ok("ListTagsLogGroup", in{"logGroupName": "g"}, nil)} {
			if string(a.Body) != want {
				t.Errorf("got %s, want %s", a.Body, want)
			}
		}
	}
	tags(`{"tags":{}}`)
	c.ok("TagResource", in{"resourceArn": arn, "tags": in{"a": "1", "b": "2"}}, nil)
	c.ok("TagLogGroup", in{"logGroupName": "g", "tags": in{"b": "3", "c": ""}}, nil)
	tags(`{"tags":{"a":"1","b":"3","c":""}}`)
	c.ok("UntagResource", in{"resourceArn": arn, "tagKeys": []string{"a", "no"}}, nil)
	c.ok("UntagLogGroup", in{"logGroupName": "g", "tags": []string{"c"}}, nil)
	tags(`{"tags":{"b":"3"}}`)
	many := in{}
	for i := range 50 {
		many[fmt.Sprint("k", i)] = "v"
	}
	c.refused("TagResource", in{"resourceArn": arn, "tags": many}, "TooManyTagsException", "A resource can have no more than 50 tags.")
	tags(`{"tags":{"b":"3"}}`)
	c.refused("ListTagsForResource", in{"resourceArn": arn + "x"}, "ResourceNotFoundException", noGroup)
	c.refused("ListTagsForResource", in{"resourceArn": "arn:aws:s3:::b"}, "InvalidParameterException", "The specified ARN is not valid: arn:aws:s3:::b")
}

func TestMetricFilter(t *testing.T) {
	c := newClient(t)
	a := c.ok("TestMetricFilter", in{"filterPattern": "[a, b=ERROR]", "logEventMessages": []string{"one INFO", "two ERROR"}}, nil)
	if want := `{"matches":[{"eventMessage":"two ERROR","eventNumber":2,"extractedValues":{"$a":"two","$b":"ERROR"}}]}`; string(a.Body) != want {
		t.Errorf("got %s, want %s", a.Body, want)
	}
}
