package bucket

import (
	"strings"
	"time"

	"github.com/mayfly-faas/mayfly/internal/object"
)

// A busEntry is what the default event bus gets.
//
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html
type busEntry struct {
	DetailType string   `json:"detail-type"`
	Source     string   `json:"source"`
	Account    string   `json:"account"`
	Time       string   `json:"time"`
	Region     string   `json:"region"`
	Resources  []string `json:"resources"`
	Detail     detail   `json:"detail"`
}

type detail struct {
	Version   string    `json:"version"`
	Bucket    busHome   `json:"bucket"`
	Object    busObject `json:"object"`
	Request   string    `json:"request-id"`
	Requester string    `json:"requester"`
	IP        string    `json:"source-ip-address,omitempty"`
	Reason    string    `json:"reason,omitempty"`
	Deletion  string    `json:"deletion-type,omitempty"`
}

type busHome struct {
	Name string `json:"name"`
}

// A busObject has its key as it is, unlike the record of a notification.
type busObject struct {
	Key       string `json:"key"`
	Size      *int64 `json:"size,omitempty"`
	ETag      string `json:"etag,omitempty"`
	Version   string `json:"version-id,omitempty"`
	Sequencer string `json:"sequencer,omitempty"`
}

// detailType is what the bus calls an event, "" when it gets none of its kind.
func detailType(event string) string {
	switch family(event) {
	case "ObjectCreated":
		return "Object Created"
	case "ObjectRemoved", "LifecycleExpiration":
		return "Object Deleted"
	case "ObjectAcl":
		return "Object ACL Updated"
	}
	switch event {
	case "ObjectTagging:Put":
		return "Object Tags Added"
	case "ObjectTagging:Delete":
		return "Object Tags Deleted"
	}
	return ""
}

// reason is the operation that did it.
func reason(c object.Change) string {
	_, name, _ := strings.Cut(c.Event, ":")
	switch family(c.Event) {
	case "ObjectCreated":
		switch name {
		case "Put", "Copy":
			return name + "Object"
		case "Post":
			return "POST Object"
		}
		return name
	case "ObjectRemoved", "LifecycleExpiration":
		if c.Reason != "" {
			return c.Reason
		}
		if family(c.Event) == "LifecycleExpiration" {
			return "Lifecycle Expiration"
		}
		return "DeleteObject"
	}
	return ""
}

// deletion tells what became of the object.
func deletion(event string) string {
	switch {
	case detailType(event) != "Object Deleted":
		return ""
	case marker(event):
		return "Delete Marker Created"
	}
	return "Permanently Deleted"
}

// busEvent is the event of a change, if the bus gets one of its kind.
func busEvent(c object.Change, account string) ([]byte, bool) {
	kind := detailType(c.Event)
	if kind == "" {
		return nil, false
	}
	o := thingOf(c)
	e := busEntry{
		DetailType: kind, Source: "aws.s3", Account: account, Time: c.Time.UTC().Format(time.RFC3339), Region: c.Region, Resources: []string{ARN(c.Object.Bucket)},
		Detail: detail{
			Version: "0", Bucket: busHome{c.Object.Bucket}, Request: c.By.RequestID, Requester: requester(c), IP: c.By.SourceIP,
			Object: busObject{c.Object.Key, o.Size, o.ETag, o.Version, o.Sequencer}, Reason: reason(c), Deletion: deletion(c.Event),
		},
	}
	return encode(e), true
}

// requester is the account that asked for it, or S3 itself.
func requester(c object.Change) string {
	if c.By.Account == "" {
		return principal
	}
	return c.By.Account
}
