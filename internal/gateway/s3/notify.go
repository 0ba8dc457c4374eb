package s3

import (
	"encoding/xml"
	"net/http"
	"slices"
	"strings"

	"github.com/google/uuid"
	"github.com/mayfly-faas/mayfly/internal/object"
)

// notifications are a bucket's, as a document.
type notifications struct {
	XMLName     xml.Name   `xml:"http://s3.amazonaws.com/doc/2006-03-01/ NotificationConfiguration"`
	Functions   []listener `xml:"CloudFunctionConfiguration"`
	Queues      []listener `xml:"QueueConfiguration"`
	Topics      []listener `xml:"TopicConfiguration"`
	EventBridge *struct{}  `xml:"EventBridgeConfiguration"`
}

// A listener is one who is told.
type listener struct {
	ID       string      `xml:"Id,omitempty"`
	Function string      `xml:"CloudFunction,omitempty"`
	Queue    string      `xml:"Queue,omitempty"`
	Topic    string      `xml:"Topic,omitempty"`
	Events   []string    `xml:"Event"`
	Filter   *keyFilters `xml:"Filter"`
}

type keyFilters struct {
	Rules []keyFilter `xml:"S3Key>FilterRule"`
}

type keyFilter struct{ Name, Value string }

// notification implements GetBucketNotificationConfiguration.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketNotificationConfiguration.html
func (q *request) notification() error {
	b, err := q.g.c.Store.Bucket(q.ctx(), q.bucket)
	if err != nil {
		return err
	}
	var out notifications
	if b.Notification.EventBridge {
		out.EventBridge = &struct{}{}
	}
	for _, r := range b.Notification.Rules {
		l := listener{ID: r.ID, Events: r.Events}
		var filters []keyFilter
		if r.Prefix != "" {
			filters = append(filters, keyFilter{"Prefix", r.Prefix})
		}
		if r.Suffix != "" {
			filters = append(filters, keyFilter{"Suffix", r.Suffix})
		}
		if filters != nil {
			l.Filter = &keyFilters{filters}
		}
		switch {
		case strings.Contains(r.Target, ":lambda:"):
			l.Function = r.Target
			out.Functions = append(out.Functions, l)
		case strings.Contains(r.Target, ":sqs:"):
			l.Queue = r.Target
			out.Queues = append(out.Queues, l)
		default:
			l.Topic = r.Target
			out.Topics = append(out.Topics, l)
		}
	}
	return q.answer(out)
}

// putNotification implements PutBucketNotificationConfiguration: targets must be there
// and let S3 in, and no event may be for two of them that are not told apart.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketNotificationConfiguration.html
func (q *request) putNotification() error {
	var in notifications
	if _, err := q.document(&in); err != nil {
		return err
	}
	n := object.Notification{EventBridge: in.EventBridge != nil}
	for _, l := range slices.Concat(in.Functions, in.Queues, in.Topics) {
		r, err := l.rule()
		if err != nil {
			return err
		}
		n.Rules = append(n.Rules, r)
	}
	if _, _, found := object.Overlap(n.Rules); found {
		return invalid("InvalidArgument", "Configuration is ambiguously defined. Cannot have overlapping suffixes in two rules if the prefixes are overlapping for the same event type.")
	}
	old, err := q.g.c.Store.Bucket(q.ctx(), q.bucket)
	if err != nil {
		return err
	}
	if err := q.checkTargets(n.Rules); err != nil {
		return err
	}
	if err := q.g.c.Store.SetNotification(q.ctx(), q.bucket, n); err != nil {
		return err
	}
	q.testTargets(old.Notification.Rules, n.Rules)
	q.w.WriteHeader(http.StatusOK)
	return nil
}

func (q *request) checkTargets(rules []object.Rule) error {
	if q.g.c.Notifier == nil || q.Header.Get("X-Amz-Skip-Destination-Validation") == "true" {
		return nil
	}
	for _, r := range rules {
		if err := q.g.c.Notifier.Check(q.ctx(), q.bucket, r); err != nil {
			e := invalid("InvalidArgument", "Unable to validate the following destination configurations")
			return e
		}
	}
	return nil
}

// testTargets sends the test event to those who were not told before. It is no reason
// to refuse the configuration that it does not arrive.
func (q *request) testTargets(old, now []object.Rule) {
	for _, r := range now {
		if q.g.c.Notifier == nil || slices.ContainsFunc(old, func(o object.Rule) bool { return o.Target == r.Target }) {
			continue
		}
		if err := q.g.c.Notifier.Test(q.ctx(), q.bucket, r, q.origin()); err != nil {
			q.g.c.Log.WarnContext(q.ctx(), "test a notification", "bucket", q.bucket, "target", r.Target, "err", err)
		}
	}
}

// rule is what a listener asks for.
func (l listener) rule() (object.Rule, error) {
	r := object.Rule{ID: l.ID, Target: l.Function + l.Queue + l.Topic, Events: l.Events}
	if r.ID == "" {
		r.ID = uuid.NewString()
	}
	if len(l.Events) == 0 {
		return r, malformed()
	}
	if !strings.HasPrefix(r.Target, "arn:") {
		return r, invalid("InvalidArgument", "The ARN could not be parsed")
	}
	for _, e := range l.Events {
		if !slices.Contains(events(), e) {
			return r, invalid("InvalidArgument", "The event '%s' is not supported for notifications", e)
		}
	}
	if l.Filter == nil {
		return r, nil
	}
	for _, f := range l.Filter.Rules {
		if len(f.Value) > 1024 {
			return r, invalid("InvalidArgument", "Size of filter rule value cannot exceed 1024 bytes in UTF-8 representation")
		}
		into := &r.Prefix
		switch strings.ToLower(f.Name) {
		case "prefix":
		case "suffix":
			into = &r.Suffix
		default:
			return r, invalid("InvalidArgument", "filter rule name must be either prefix or suffix")
		}
		if *into != "" {
			return r, invalid("InvalidArgument", "Cannot specify more than one %s rule in a filter.", strings.ToLower(f.Name))
		}
		*into = f.Value
	}
	return r, nil
}

// events are those that may be asked for; some never happen here.
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-how-to-event-types-and-destinations.html
func events() []string {
	var all []string
	for family, names := range map[string]string{
		"ObjectCreated": "* Put Post Copy CompleteMultipartUpload", "ObjectRemoved": "* Delete DeleteMarkerCreated",
		"ObjectRestore": "* Post Completed Delete", "LifecycleExpiration": "* Delete DeleteMarkerCreated",
		"Replication":   "* OperationFailedReplication OperationMissedThreshold OperationReplicatedAfterThreshold OperationNotTracked",
		"ObjectTagging": "* Put Delete",
	} {
		for _, n := range strings.Fields(names) {
			all = append(all, "s3:"+family+":"+n)
		}
	}
	return append(all, "s3:ReducedRedundancyLostObject", "s3:LifecycleTransition", "s3:IntelligentTiering", "s3:ObjectAcl:Put", "s3:TestEvent")
}
