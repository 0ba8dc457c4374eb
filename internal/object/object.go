// Package object is the contract of a store of objects in buckets: what S3's API,
// the platform's own uploads and the notifications stand on. It knows no HTTP.
//
// A store is a folder of this machine (object/disk). Whoever outgrows one machine
// puts another server that speaks S3 in its place, behind the same interface.
//
// What a method has acknowledged is on disk, and what it has not is not seen: an
// object is the old one or the new one, and never a part of either.
package object

import (
	"context"
	"errors"
	"io"
	"time"
)

// What a store refuses. A store wraps them with what it was about.
var (
	ErrNoBucket         = errors.New("object: no such bucket")
	ErrBucketExists     = errors.New("object: bucket exists")
	ErrBucketNotEmpty   = errors.New("object: bucket is not empty")
	ErrNoKey            = errors.New("object: no such key")
	ErrNoVersion        = errors.New("object: no such version")
	ErrDeleteMarker     = errors.New("object: is a delete marker")
	ErrNoUpload         = errors.New("object: no such upload")
	ErrPart             = errors.New("object: a part is missing or another one")
	ErrPartTooSmall     = errors.New("object: a part but the last is too small")
	ErrPrecondition     = errors.New("object: a precondition does not hold")
	ErrConflict         = errors.New("object: changed meanwhile")
	ErrNoConfiguration  = errors.New("object: not configured")
	ErrFull             = errors.New("object: no space left")
	ErrDigest           = errors.New("object: content is not what its digest says")
	ErrVersionedForever = errors.New("object: versioning can be suspended, not taken away")
)

// A Store keeps buckets and objects. Its methods may be called from any goroutine.
type Store interface {
	Buckets
	Objects
	Uploads
	Outbox
}

// Buckets are the places of objects. Names are unique in the store.
type Buckets interface {
	CreateBucket(ctx context.Context, b Bucket) error // ErrBucketExists
	Bucket(ctx context.Context, name string) (Bucket, error)
	ListBuckets(ctx context.Context, prefix, after string, limit int) ([]Bucket, error) // by name
	DeleteBucket(ctx context.Context, name string) error                                // ErrBucketNotEmpty
	SetVersioning(ctx context.Context, name string, v Versioning) error
	SetNotification(ctx context.Context, name string, n Notification) error
	SetExpiry(ctx context.Context, name string, rules []Expiry) error

	// Configure keeps a document of a bucket under a name of its user's choice
	// ("cors", "policy", "tagging"), nil takes it away. Configuration reads it again.
	Configure(ctx context.Context, bucket, kind string, document []byte) error
	Configuration(ctx context.Context, bucket, kind string) ([]byte, error) // ErrNoConfiguration
}

// A Bucket is a named place of objects.
type Bucket struct {
	Name         string
	Region       string
	Owner        string // account
	Created      time.Time
	Versioning   Versioning
	Notification Notification
}

// Versioning says what becomes of an object that is written or deleted again.
type Versioning string

// The states of versioning.
const (
	Unversioned Versioning = ""
	Enabled     Versioning = "Enabled"
	Suspended   Versioning = "Suspended"
)

// Objects are contents with names.
type Objects interface {
	// Put reads content to its end, and makes it the object.
	Put(ctx context.Context, p Put, content io.Reader) (Info, error)

	// Head tells about an object; Open reads it as well, from any place of it. The
	// content stays readable until it is closed, whatever becomes of the object.
	// With ErrDeleteMarker the info is the marker's.
	Head(ctx context.Context, bucket, key, version string) (Info, error)
	Open(ctx context.Context, bucket, key, version string) (Info, Content, error)

	// Copy makes an object of another one, or of a part of it, without reading it
	// through the caller. Delete answers what it deleted or which marker it made.
	Copy(ctx context.Context, from Source, p Put) (Info, error)
	Delete(ctx context.Context, d Delete) (Deleted, error)
	SetTags(ctx context.Context, bucket, key, version string, tags map[string]string, by Origin) (Info, error)

	List(ctx context.Context, bucket string, l Listing) (Listed, error)
	ListVersions(ctx context.Context, bucket string, l Listing) (Listed, error) // newest first of each key
}

// Content is an object's bytes.
type Content interface {
	io.ReadSeekCloser
	io.ReaderAt
}

// An Info is all that is known of a version of an object.
type Info struct {
	Bucket, Key string
	Version     string // "null" where the bucket was not versioned then
	Latest      bool
	Marker      bool // a delete marker: there is no content
	Size        int64
	ETag        string // hexadecimal, without quotes; "<md5 of md5s>-<parts>" of a multipart upload
	Modified    time.Time
	Meta        Meta
	Tags        map[string]string
	Checksums   map[string]string // by algorithm, "CRC32C" say: base64, with "-<parts>" if it is made of the parts' sums
	Parts       []PartInfo        // of a multipart upload
	Sequencer   string            // hexadecimal; of two versions of a key the later one's is the greater
}

// Meta is what a client says about an object and gets back.
type Meta struct {
	Headers map[string]string // "Content-Type", "Cache-Control", "Expires" and such, canonical
	User    map[string]string // x-amz-meta-..., without the prefix, in lower case
	Class   string            // storage class; "" means STANDARD
}

// A Put is an object to be made.
type Put struct {
	Bucket, Key string
	Meta        Meta
	Tags        map[string]string
	Checksums   []string // algorithms to compute besides MD5: CRC32, CRC32C, CRC64NVME, SHA1, SHA256
	If          Condition
	By          Origin
	Event       string // what its notification is called: "ObjectCreated:Put"

	// Check, unless nil, is shown the digests of the content that was read (by
	// algorithm, base64, "MD5" among them). Its error stops the object from being made.
	Check func(size int64, digests map[string]string) error `json:"-"`
}

// A Condition must hold of the object that a write is about to replace or delete,
// at the very moment it does. The zero Condition always holds.
type Condition struct {
	Match  string // If-Match: the ETag, "*" for any
	Absent bool   // If-None-Match: *
}

// A Source is what is copied.
type Source struct {
	Bucket, Key, Version string
	Offset, Length       int64            // a part of it (UploadPartCopy); Length 0 means all
	Check                func(Info) error // its conditions; nil for none
}

// A Delete takes an object away, or one version of it for good.
type Delete struct {
	Bucket, Key, Version string
	If                   Condition
	By                   Origin
	Event                string // as in Put; "" chooses between Delete and DeleteMarkerCreated of ObjectRemoved
}

// A Deleted is what a Delete did. An object that was not there is deleted too.
type Deleted struct {
	Version string // that was deleted, or of the marker that was made
	Marker  bool   // a delete marker was made, or the deleted version was one
}

// An Origin is who does something from where: notifications tell it.
type Origin struct {
	Principal string // "AIDA...", as in userIdentity.principalId
	Account   string
	SourceIP  string
	RequestID string
	HostID    string
	Trace     string // X-Ray's header, with the lineage by which a loop is found
}

// A Listing asks for a page of a bucket's objects, in the order of their keys' bytes.
type Listing struct {
	Prefix, Delimiter string
	After             string // begin behind this key, or with ListVersions behind this key's AfterVersion
	AfterVersion      string
	Limit             int
}

// A Listed is a page: objects and common prefixes, Limit of them together at most.
type Listed struct {
	Objects     []Info
	Prefixes    []string
	Next        string // After of the next page: a key or a prefix; "" on the last one
	NextVersion string
	Truncated   bool
}

// Uploads are objects that come in parts.
type Uploads interface {
	CreateUpload(ctx context.Context, p Put) (Upload, error)
	Upload(ctx context.Context, bucket, key, id string) (Upload, error) // ErrNoUpload
	PutPart(ctx context.Context, u UploadPart, content io.Reader) (PartInfo, error)
	CopyPart(ctx context.Context, u UploadPart, from Source) (PartInfo, error)
	ListParts(ctx context.Context, bucket, key, id string, after, limit int) ([]PartInfo, error)
	ListUploads(ctx context.Context, bucket string, l Listing) (ListedUploads, error)
	CompleteUpload(ctx context.Context, c Complete) (Info, error) // done twice, it answers the same again
	AbortUpload(ctx context.Context, bucket, key, id string) error
}

// An Upload is an object under way.
type Upload struct {
	ID      string
	Put     Put // without Check and If
	Started time.Time
}

// An UploadPart is where a part belongs.
type UploadPart struct {
	Bucket, Key, ID string
	Number          int // 1..10000
	Checksums       []string
	Check           func(size int64, digests map[string]string) error // as in Put
}

// A PartInfo is a part that has come.
type PartInfo struct {
	Number    int
	Size      int64
	ETag      string
	Modified  time.Time
	Checksums map[string]string
}

// A Complete makes an upload the object.
type Complete struct {
	Bucket, Key, ID string
	Parts           []PartInfo // their numbers, ETags and, where given, checksums: all must be as they came
	Size            int64      // what they must come to; -1 for anything
	Full            bool       // checksums are of the whole object (FULL_OBJECT) rather than of the parts' sums (COMPOSITE)
	If              Condition
	By              Origin
	Check           func(Info) error // of the object about to be made; nil for none
}

// ListedUploads is a page of uploads.
type ListedUploads struct {
	Uploads   []Upload
	Prefixes  []string
	Next      string // After and AfterVersion (an upload's id) of the next page
	NextID    string
	Truncated bool
}

// An Expiry is a lifecycle rule as far as it deletes.
type Expiry struct {
	ID               string
	Prefix           string
	Tags             map[string]string
	MinSize, MaxSize int64         // bytes; 0 for no bound
	Age              time.Duration // of the latest version; 0 for never
	Date             time.Time
	NoncurrentAge    time.Duration // since a version was replaced
	NoncurrentKeep   int           // newer versions that are kept besides
	UploadAge        time.Duration // of unfinished uploads
	OrphanedMarkers  bool          // delete markers without older versions
}
