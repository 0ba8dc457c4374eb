package s3

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/mayfly-faas/mayfly/internal/awserr"
	"github.com/mayfly-faas/mayfly/internal/object"
)

// A setting is a document that a bucket has under a name.
type setting string

// A kind is how a setting behaves.
type kind struct {
	code, message string // of its absence; "" where there is always one
	otherwise     string // that one
	check         func(*request, []byte) error
}

const (
	enforced  = `<OwnershipControls xmlns="` + namespace + `"><Rule><ObjectOwnership>BucketOwnerEnforced</ObjectOwnership></Rule></OwnershipControls>`
	encrypted = `<ServerSideEncryptionConfiguration xmlns="` + namespace + `"><Rule><ApplyServerSideEncryptionByDefault><SSEAlgorithm>AES256</SSEAlgorithm></ApplyServerSideEncryptionByDefault><BucketKeyEnabled>false</BucketKeyEnabled></Rule></ServerSideEncryptionConfiguration>`
	blocked   = `<PublicAccessBlockConfiguration xmlns="` + namespace + `"><BlockPublicAcls>true</BlockPublicAcls><IgnorePublicAcls>true</IgnorePublicAcls><BlockPublicPolicy>true</BlockPublicPolicy><RestrictPublicBuckets>true</RestrictPublicBuckets></PublicAccessBlockConfiguration>`
)

// kindOf is what a bucket is like that was never told anything else, and what it may be told.
func kindOf(s setting) kind {
	switch s {
	case "tagging":
		return kind{code: "NoSuchTagSet", message: "The TagSet does not exist", check: checkTags}
	case "cors":
		return kind{code: "NoSuchCORSConfiguration", message: "The CORS configuration does not exist", check: checkCORS}
	case "lifecycle":
		return kind{code: "NoSuchLifecycleConfiguration", message: "The lifecycle configuration does not exist", check: checkLifecycle}
	case "policy":
		return kind{code: "NoSuchBucketPolicy", message: "The bucket policy does not exist", check: checkPolicy}
	case "website":
		return kind{code: "NoSuchWebsiteConfiguration", message: "The specified bucket does not have a website configuration"}
	case "replication":
		return kind{code: "ReplicationConfigurationNotFoundError", message: "The replication configuration was not found"}
	case "object-lock":
		return kind{code: "ObjectLockConfigurationNotFoundError", message: "Object Lock configuration does not exist for this bucket"}
	case "encryption":
		return kind{otherwise: encrypted}
	case "ownershipControls":
		return kind{otherwise: enforced}
	case "publicAccessBlock":
		return kind{otherwise: blocked}
	case "logging":
		return kind{otherwise: `<BucketLoggingStatus xmlns="` + namespace + `"/>`}
	case "accelerate":
		return kind{otherwise: `<AccelerateConfiguration xmlns="` + namespace + `"/>`}
	}
	return kind{otherwise: `<RequestPaymentConfiguration xmlns="` + namespace + `"><Payer>BucketOwner</Payer></RequestPaymentConfiguration>`}
}

// get answers the document.
func (s setting) get(q *request) error {
	k := kindOf(s)
	text, err := q.g.c.Store.Configuration(q.ctx(), q.bucket, string(s))
	switch {
	case errors.Is(err, object.ErrNoConfiguration) && k.code == "":
		text = []byte(xml.Header + k.otherwise)
	case errors.Is(err, object.ErrNoConfiguration):
		e := awserr.New(http.StatusNotFound, k.code, "%s", k.message)
		e.Members = map[string]any{"BucketName": q.bucket}
		return e
	case err != nil:
		return err
	}
	q.w.Header().Set("Content-Type", "application/xml")
	if s == "policy" {
		q.w.Header().Set("Content-Type", "application/json")
	}
	q.w.Write(text)
	return nil
}

// put stores the document, as it came, once it is known to be one.
func (s setting) put(q *request) error {
	const most = 1 << 20
	text, err := io.ReadAll(http.MaxBytesReader(q.w, q.Body, most))
	if err != nil {
		return err
	}
	if err := q.digestHolds(text); err != nil {
		return err
	}
	if k := kindOf(s); k.check != nil {
		if err := k.check(q, text); err != nil {
			return err
		}
	} else if err := xml.Unmarshal(text, new(struct{})); err != nil {
		return malformed()
	}
	if err := q.g.c.Store.Configure(q.ctx(), q.bucket, string(s), text); err != nil {
		return err
	}
	if s == "policy" || s == "tagging" {
		q.w.WriteHeader(http.StatusNoContent)
	} else {
		q.w.WriteHeader(http.StatusOK)
	}
	return nil
}

// remove forgets the document.
func (s setting) remove(q *request) error {
	if s == "lifecycle" {
		if err := q.g.c.Store.SetExpiry(q.ctx(), q.bucket, nil); err != nil {
			return err
		}
	}
	if err := q.g.c.Store.Configure(q.ctx(), q.bucket, string(s), nil); err != nil {
		return err
	}
	q.w.WriteHeader(http.StatusNoContent)
	return nil
}

func malformed() error {
	return invalid("MalformedXML", "The XML you provided was not well-formed or did not validate against our published schema")
}

func checkPolicy(_ *request, text []byte) error {
	var p struct {
		Version   string
		Statement json.RawMessage
	}
	if json.Unmarshal(text, &p) != nil {
		return invalid("MalformedPolicy", "Policies must be valid JSON and the first byte must be '{'")
	}
	if len(p.Statement) == 0 {
		return invalid("MalformedPolicy", "Missing required field Statement")
	}
	return nil
}

// policyStatus implements GetBucketPolicyStatus. Nobody is let in without a signature.
func (q *request) policyStatus() error {
	if _, err := q.g.c.Store.Configuration(q.ctx(), q.bucket, "policy"); err != nil {
		return setting("policy").get(q)
	}
	return q.answer(struct {
		XMLName  xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ PolicyStatus"`
		IsPublic bool
	}{})
}

// tags are a set of them in a document.
type tags struct {
	XMLName xml.Name `xml:"Tagging"`
	Set     []tag    `xml:"TagSet>Tag"`
}

type tag struct{ Key, Value string }

func checkTags(_ *request, text []byte) error {
	var t tags
	if xml.Unmarshal(text, &t) != nil {
		return malformed()
	}
	_, err := t.pairs(50)
	return err
}

// pairs are the tags by their names, if there are not too many.
func (t tags) pairs(most int) (map[string]string, error) {
	m := map[string]string{}
	for _, x := range t.Set {
		if _, twice := m[x.Key]; twice {
			return nil, invalid("InvalidTag", "Cannot provide multiple Tags with the same key")
		}
		if x.Key == "" || len([]rune(x.Key)) > 128 {
			return nil, invalid("InvalidTag", "The TagKey you have provided is invalid")
		}
		if len([]rune(x.Value)) > 256 {
			return nil, invalid("InvalidTag", "The TagValue you have provided is invalid")
		}
		m[x.Key] = x.Value
	}
	if len(m) > most {
		return nil, invalid("BadRequest", "Object tags cannot be greater than %d", most)
	}
	return m, nil
}

// A lifecycle is a lifecycle configuration as far as it deletes.
type lifecycle struct {
	Rules []struct {
		ID     string
		Status string
		Prefix *string
		Filter struct {
			Prefix                string
			Tag                   *tag
			ObjectSizeGreaterThan int64
			ObjectSizeLessThan    int64
			And                   struct {
				Prefix                string
				Tag                   []tag
				ObjectSizeGreaterThan int64
				ObjectSizeLessThan    int64
			}
		}
		Expiration struct {
			Days                      *int
			Date                      string
			ExpiredObjectDeleteMarker bool
		}
		NoncurrentVersionExpiration struct {
			NoncurrentDays          *int
			NewerNoncurrentVersions int
		}
		AbortIncompleteMultipartUpload struct{ DaysAfterInitiation *int }
		Transition                     []struct{ StorageClass string }
	} `xml:"Rule"`
}

// checkLifecycle holds a configuration to S3's rules, and has the store follow it.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketLifecycleConfiguration.html
func checkLifecycle(q *request, text []byte) error {
	var l lifecycle
	if xml.Unmarshal(text, &l) != nil || len(l.Rules) == 0 {
		return malformed()
	}
	var rules []object.Expiry
	seen := map[string]bool{}
	for _, r := range l.Rules {
		if r.Status != "Enabled" && r.Status != "Disabled" {
			return malformed()
		}
		if r.ID != "" && seen[r.ID] {
			return invalid("InvalidArgument", "Rule ID must be unique. Found same ID for more than one rule")
		}
		seen[r.ID] = true
		e := object.Expiry{ID: r.ID, Prefix: r.Filter.Prefix + r.Filter.And.Prefix, Tags: map[string]string{},
			MinSize: max(r.Filter.ObjectSizeGreaterThan, r.Filter.And.ObjectSizeGreaterThan), MaxSize: max(r.Filter.ObjectSizeLessThan, r.Filter.And.ObjectSizeLessThan),
			OrphanedMarkers: r.Expiration.ExpiredObjectDeleteMarker, NoncurrentKeep: r.NoncurrentVersionExpiration.NewerNoncurrentVersions}
		if r.Prefix != nil {
			e.Prefix = *r.Prefix
		}
		if r.Filter.Tag != nil {
			e.Tags[r.Filter.Tag.Key] = r.Filter.Tag.Value
		}
		for _, t := range r.Filter.And.Tag {
			e.Tags[t.Key] = t.Value
		}
		for _, d := range []struct {
			days *int
			to   *time.Duration
			what string
		}{{r.Expiration.Days, &e.Age, "Expiration"}, {r.NoncurrentVersionExpiration.NoncurrentDays, &e.NoncurrentAge, "NoncurrentVersionExpiration"},
			{r.AbortIncompleteMultipartUpload.DaysAfterInitiation, &e.UploadAge, "AbortIncompleteMultipartUpload"}} {
			if d.days == nil {
				continue
			}
			if *d.days <= 0 {
				return invalid("InvalidArgument", "'Days' for %s action must be a positive integer", d.what)
			}
			*d.to = time.Duration(*d.days) * 24 * time.Hour
		}
		if r.Expiration.Date != "" {
			at, err := time.Parse(time.RFC3339, r.Expiration.Date)
			if err != nil || !at.Equal(at.Truncate(24*time.Hour)) {
				return invalid("InvalidArgument", "'Date' must be at midnight GMT")
			}
			e.Date = at
		}
		if r.Status == "Enabled" {
			rules = append(rules, e)
		}
	}
	return q.g.c.Store.SetExpiry(q.ctx(), q.bucket, rules)
}
