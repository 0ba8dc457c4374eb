package s3

import (
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base64"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mayfly-faas/mayfly/internal/awserr"
	"github.com/mayfly-faas/mayfly/internal/wire"
)

// isVersion2 tells whether a URL is presigned as before 2012, as boto3 still does unless
// it is told otherwise.
// https://docs.aws.amazon.com/AmazonS3/latest/API/RESTAuthentication.html
func isVersion2(r *http.Request) bool {
	q := r.URL.Query()
	return q.Has("AWSAccessKeyId") && q.Has("Signature") && q.Has("Expires")
}

// version2 checks such a URL.
func (g *Gateway) version2(r *http.Request, op operation) (*http.Request, error) {
	q := r.URL.Query()
	if g.c.Off {
		return g.gate(r, "s3", op.name)
	}
	if op.query != "" && !slices.Contains(signedParameters(), op.query) {
		return nil, accessDenied() // what is asked for is not part of what was signed
	}
	secret, caller, err := g.c.Lookup(r.Context(), q.Get("AWSAccessKeyId"), q.Get("x-amz-security-token"))
	if err != nil {
		return nil, err
	}
	expires, err := strconv.ParseInt(q.Get("Expires"), 10, 64)
	if err != nil {
		return nil, accessDenied()
	}
	if g.c.Now().After(time.Unix(expires, 0)) {
		return nil, awserr.New(http.StatusForbidden, "AccessDenied", "Request has expired")
	}
	mac := hmac.New(sha1.New, []byte(secret))
	mac.Write([]byte(g.signedText(r)))
	want, err := base64.StdEncoding.DecodeString(q.Get("Signature"))
	if err != nil || !hmac.Equal(mac.Sum(nil), want) {
		return nil, awserr.New(http.StatusForbidden, "SignatureDoesNotMatch", "The request signature we calculated does not match the signature you provided. Check your key and signing method.")
	}
	caller.AccessKeyID, caller.Region = q.Get("AWSAccessKeyId"), g.c.Region
	return r.WithContext(wire.WithCaller(r.Context(), caller)), nil
}

// signedText is what such a signature signs.
func (g *Gateway) signedText(r *http.Request) string {
	q := r.URL.Query()
	var b strings.Builder
	for _, line := range []string{r.Method, r.Header.Get("Content-Md5"), r.Header.Get("Content-Type"), q.Get("Expires")} {
		b.WriteString(line + "\n")
	}
	amz := map[string]string{}
	for name, values := range r.Header {
		if n := strings.ToLower(name); strings.HasPrefix(n, "x-amz-") {
			amz[n] = strings.Join(values, ",")
		}
	}
	if t := q.Get("x-amz-security-token"); t != "" {
		amz["x-amz-security-token"] = t
	}
	var names []string
	for n := range amz {
		names = append(names, n)
	}
	slices.Sort(names)
	for _, n := range names {
		b.WriteString(n + ":" + amz[n] + "\n")
	}
	if bucket := g.hostBucket(r.Host); bucket != "" {
		b.WriteString("/" + bucket)
	}
	b.WriteString(r.URL.EscapedPath())
	b.WriteString(signedQuery(r))
	return b.String()
}

// signedQuery are the parameters that are part of what is signed.
func signedQuery(r *http.Request) string {
	q := r.URL.Query()
	var parts []string
	for _, n := range signedParameters() {
		if !q.Has(n) {
			continue
		}
		if v := q.Get(n); v != "" {
			n += "=" + v
		}
		parts = append(parts, n)
	}
	if parts == nil {
		return ""
	}
	return "?" + strings.Join(parts, "&")
}

// signedParameters are those that the old signature covers, in its order.
func signedParameters() []string {
	return []string{"acl", "cors", "delete", "lifecycle", "location", "notification", "partNumber", "policy", "response-cache-control",
		"response-content-disposition", "response-content-encoding", "response-content-language", "response-content-type", "response-expires",
		"tagging", "uploadId", "uploads", "versionId", "versioning", "versions", "website"}
}
