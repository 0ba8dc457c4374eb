package sigv4

import (
	"crypto/hmac"
	"crypto/sha256"
	"net/http"
	"slices"
	"strings"
	"time"
)

// Credentials sign requests.
type Credentials struct {
	AccessKeyID     string
	SecretAccessKey string
	SessionToken    string // temporary credentials have one
}

// Sign signs r, whose body is body, in its Authorization header.
func Sign(r *http.Request, body []byte, creds Credentials, region, service string, now time.Time) {
	hash := sha256.Sum256(body)
	now = now.UTC()
	r.Header.Set("X-Amz-Date", now.Format(timeFormat))
	r.Header.Set(hashHeader, hexOf(hash[:]))
	if creds.SessionToken != "" {
		r.Header.Set("X-Amz-Security-Token", creds.SessionToken)
	}
	c := &claim{
		scope:   scope{creds.AccessKeyID, now.Format(dateFormat), region, service},
		headers: signable(r.Header),
		date:    now,
	}
	path, _ := paths(r, service)
	text := c.appendStringToSign(nil, c.appendCanonical(nil, hosted(r), path, hexOf(hash[:])))
	signature := hexOf(mac(signingKey(creds.SecretAccessKey, c.scope), text))
	r.Header.Set("Authorization", algorithm+" Credential="+creds.AccessKeyID+"/"+c.scope.String()+
		", SignedHeaders="+strings.Join(c.headers, ";")+", Signature="+signature)
}

// hosted is r with the Host that net/http will send.
func hosted(r *http.Request) *http.Request {
	if r.Host != "" {
		return r
	}
	c := *r
	c.Host = r.URL.Host
	return &c
}

// signable lists the headers to sign: those that no proxy changes.
func signable(h http.Header) []string {
	names := []string{"host"}
	for k := range h {
		if k = strings.ToLower(k); k == "content-type" || strings.HasPrefix(k, "x-amz-") {
			names = append(names, k)
		}
	}
	slices.Sort(names)
	return names
}

// Signs tells whether signature is secret's of a text by itself, as a form's policy
// is signed, for a date (20060102), a region and a service.
// https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-authentication-HTTPPOST.html
func Signs(secret, date, region, service, text string, signature []byte) bool {
	key := signingKey(secret, scope{date: date, region: region, service: service})
	return hmac.Equal(mac(key, []byte(text)), signature)
}
