package s3

import (
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/mayfly-faas/mayfly/internal/awserr"
)

// An operation is one of the API's. Where a request may mean several, the first whose
// conditions hold is meant: a method, what it is about, a parameter of the query and a
// header, of which the last two may be anything.
type operation struct {
	name   string
	method string
	about  about
	query  string // must be there; "" for no matter
	header string
	handle func(*request) error
}

// What an operation is about.
type about int

const (
	service about = iota
	bucket
	key
)

// operations lists what is served, and what is not. The more particular come first.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_Operations_Amazon_Simple_Storage_Service.html
func operations() []operation {
	const copySource = "X-Amz-Copy-Source"
	return []operation{
		{"ListBuckets", "GET", service, "", "", (*request).listBuckets},

		{"GetBucketLocation", "GET", bucket, "location", "", (*request).bucketLocation},
		{"GetBucketVersioning", "GET", bucket, "versioning", "", (*request).bucketVersioning},
		{"PutBucketVersioning", "PUT", bucket, "versioning", "", (*request).putBucketVersioning},
		{"GetBucketNotificationConfiguration", "GET", bucket, "notification", "", (*request).notification},
		{"PutBucketNotificationConfiguration", "PUT", bucket, "notification", "", (*request).putNotification},
		{"GetBucketTagging", "GET", bucket, "tagging", "", setting("tagging").get},
		{"PutBucketTagging", "PUT", bucket, "tagging", "", setting("tagging").put},
		{"DeleteBucketTagging", "DELETE", bucket, "tagging", "", setting("tagging").remove},
		{"GetBucketCors", "GET", bucket, "cors", "", setting("cors").get},
		{"PutBucketCors", "PUT", bucket, "cors", "", setting("cors").put},
		{"DeleteBucketCors", "DELETE", bucket, "cors", "", setting("cors").remove},
		{"GetBucketLifecycleConfiguration", "GET", bucket, "lifecycle", "", setting("lifecycle").get},
		{"PutBucketLifecycleConfiguration", "PUT", bucket, "lifecycle", "", setting("lifecycle").put},
		{"DeleteBucketLifecycle", "DELETE", bucket, "lifecycle", "", setting("lifecycle").remove},
		{"GetBucketPolicyStatus", "GET", bucket, "policyStatus", "", (*request).policyStatus},
		{"GetBucketPolicy", "GET", bucket, "policy", "", setting("policy").get},
		{"PutBucketPolicy", "PUT", bucket, "policy", "", setting("policy").put},
		{"DeleteBucketPolicy", "DELETE", bucket, "policy", "", setting("policy").remove},
		{"GetBucketEncryption", "GET", bucket, "encryption", "", setting("encryption").get},
		{"PutBucketEncryption", "PUT", bucket, "encryption", "", setting("encryption").put},
		{"DeleteBucketEncryption", "DELETE", bucket, "encryption", "", setting("encryption").remove},
		{"GetBucketOwnershipControls", "GET", bucket, "ownershipControls", "", setting("ownershipControls").get},
		{"PutBucketOwnershipControls", "PUT", bucket, "ownershipControls", "", setting("ownershipControls").put},
		{"DeleteBucketOwnershipControls", "DELETE", bucket, "ownershipControls", "", setting("ownershipControls").remove},
		{"GetPublicAccessBlock", "GET", bucket, "publicAccessBlock", "", setting("publicAccessBlock").get},
		{"PutPublicAccessBlock", "PUT", bucket, "publicAccessBlock", "", setting("publicAccessBlock").put},
		{"DeletePublicAccessBlock", "DELETE", bucket, "publicAccessBlock", "", setting("publicAccessBlock").remove},
		{"GetBucketWebsite", "GET", bucket, "website", "", setting("website").get},
		{"GetBucketReplication", "GET", bucket, "replication", "", setting("replication").get},
		{"GetObjectLockConfiguration", "GET", bucket, "object-lock", "", setting("object-lock").get},
		{"GetBucketLogging", "GET", bucket, "logging", "", setting("logging").get},
		{"GetBucketAccelerateConfiguration", "GET", bucket, "accelerate", "", setting("accelerate").get},
		{"GetBucketRequestPayment", "GET", bucket, "requestPayment", "", setting("requestPayment").get},
		{"GetBucketAcl", "GET", bucket, "acl", "", (*request).acl},
		{"PutBucketAcl", "PUT", bucket, "acl", "", (*request).putACL},
		{"ListMultipartUploads", "GET", bucket, "uploads", "", (*request).listUploads},
		{"ListObjectVersions", "GET", bucket, "versions", "", (*request).listVersions},
		{"ListObjectsV2", "GET", bucket, "list-type", "", (*request).listObjectsV2},
		{"DeleteObjects", "POST", bucket, "delete", "", (*request).deleteObjects},
		{"ListObjects", "GET", bucket, "", "", (*request).listObjects},
		{"PostObject", "POST", bucket, "", "", nil},
		{"HeadBucket", "HEAD", bucket, "", "", (*request).headBucket},
		{"CreateBucket", "PUT", bucket, "", "", (*request).createBucket},
		{"DeleteBucket", "DELETE", bucket, "", "", (*request).deleteBucket},

		{"GetObjectTagging", "GET", key, "tagging", "", (*request).objectTagging},
		{"PutObjectTagging", "PUT", key, "tagging", "", (*request).putObjectTagging},
		{"DeleteObjectTagging", "DELETE", key, "tagging", "", (*request).deleteObjectTagging},
		{"GetObjectAttributes", "GET", key, "attributes", "", (*request).objectAttributes},
		{"GetObjectAcl", "GET", key, "acl", "", (*request).acl},
		{"PutObjectAcl", "PUT", key, "acl", "", (*request).putACL},
		{"UploadPartCopy", "PUT", key, "partNumber", copySource, (*request).uploadPartCopy},
		{"UploadPart", "PUT", key, "partNumber", "", (*request).uploadPart},
		{"ListParts", "GET", key, "uploadId", "", (*request).listParts},
		{"AbortMultipartUpload", "DELETE", key, "uploadId", "", (*request).abortUpload},
		{"CreateMultipartUpload", "POST", key, "uploads", "", (*request).createUpload},
		{"CompleteMultipartUpload", "POST", key, "uploadId", "", (*request).completeUpload},
		{"CopyObject", "PUT", key, "", copySource, (*request).copyObject},
		{"PutObject", "PUT", key, "", "", (*request).putObject},
		{"GetObject", "GET", key, "", "", (*request).getObject},
		{"HeadObject", "HEAD", key, "", "", (*request).headObject},
		{"DeleteObject", "DELETE", key, "", "", (*request).deleteObject},
	}
}

// unserved are parameters that name what is not there: without a look at them a
// request would do something else than it says.
func unserved() []string {
	return []string{"analytics", "intelligent-tiering", "inventory", "metrics", "object-lock", "legal-hold", "retention", "torrent", "restore",
		"select", "website", "replication", "logging", "accelerate", "requestPayment", "metadataTable", "session", "renameObject"}
}

// route finds the operation of a request.
func (q *request) route() (operation, error) {
	about := service
	switch {
	case q.key != "":
		about = key
	case q.bucket != "":
		about = bucket
	}
	query := q.URL.Query()
	for _, op := range q.g.ops {
		if op.method != q.Method || op.about != about || op.query != "" && !query.Has(op.query) || op.header != "" && q.Header.Get(op.header) == "" {
			continue
		}
		if op.query == "" {
			if err := refuseUnserved(query); err != nil {
				return op, err
			}
		}
		return op, nil
	}
	if err := refuseUnserved(query); err != nil {
		return operation{}, err
	}
	return operation{}, awserr.New(http.StatusMethodNotAllowed, "MethodNotAllowed", "The specified method is not allowed against this resource.")
}

func refuseUnserved(query url.Values) error {
	for _, name := range unserved() {
		if query.Has(name) {
			return awserr.New(http.StatusNotImplemented, "NotImplemented", "A header you provided implies functionality that is not implemented.")
		}
	}
	return nil
}

// place tells the bucket and the key of a request, from its path and its host.
func (g *Gateway) place(r *http.Request) (bucket, key string) {
	path := strings.TrimPrefix(r.URL.Path, "/")
	if b := g.hostBucket(r.Host); b != "" {
		return b, path
	}
	bucket, key, _ = strings.Cut(path, "/")
	return bucket, key
}

// hostBucket is the bucket in a host's name: "<bucket>.s3.<ours>", "<bucket>.s3.<region>.<ours>",
// and "<bucket>.localhost", as clients write it that are told of an endpoint without a
// service in its name. "" is none.
func (g *Gateway) hostBucket(host string) string {
	host = hostName(host)
	if bucket, ok := g.splitHost(host); ok {
		return bucket
	}
	if name, ok := strings.CutSuffix(host, ".localhost"); ok {
		return name
	}
	return ""
}

// splitHost finds the bucket before S3's name at one of our own hosts; ok is false for
// a host without that name, and for hosts of others that happen to have it.
func (g *Gateway) splitHost(host string) (bucket string, ok bool) {
	labels := strings.Split(hostName(host), ".")
	for i, l := range labels {
		if l != "s3" && !strings.HasPrefix(l, "s3-") {
			continue
		}
		for _, rest := range [][]string{labels[i+1:], labels[min(i+2, len(labels)):]} { // without a region, and with one
			if name := strings.Join(rest, "."); name == "localhost" || slices.ContainsFunc(g.c.Hosts, func(h string) bool { return strings.EqualFold(hostName(h), name) }) {
				return strings.Join(labels[:i], "."), true
			}
		}
	}
	return "", false
}

// hostName is a host without its port, in lower case.
func hostName(host string) string {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	return strings.ToLower(strings.TrimSuffix(host, "."))
}

// Claims tells whether an unsigned request is for S3: by its host, as a form that a
// browser uploads, by a signature of version 2, or as a question about a bucket's origins.
func (g *Gateway) Claims(r *http.Request) bool {
	_, ours := g.splitHost(r.Host)
	switch {
	case isVersion2(r), ours && !signed(r):
		return true
	case signed(r):
		return false // the front finds out by itself
	case r.Method == http.MethodPost && strings.HasPrefix(r.Header.Get("Content-Type"), "multipart/form-data"),
		r.Method == http.MethodOptions && r.Header.Get("Access-Control-Request-Method") != "":
		b, _ := g.place(r)
		_, err := g.c.Store.Bucket(r.Context(), b)
		return err == nil
	}
	return false
}

// signed tells whether a request says that it is, by a signature of version 4.
func signed(r *http.Request) bool {
	return strings.Contains(r.Header.Get("Authorization"), "Credential=") || r.URL.Query().Has("X-Amz-Credential")
}

func sourceIP(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}
