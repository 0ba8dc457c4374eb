// Package sigv4 checks and makes AWS Signature Version 4.
//
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
package sigv4

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"time"

	"github.com/mayfly-faas/mayfly/internal/wire"
)

// A Verifier checks signatures. Its Gate method is a wire.Gate.
type Verifier struct {
	// Lookup finds the secret and the owner of a key. Its error is the caller's answer.
	Lookup func(ctx context.Context, accessKeyID, token string) (secret string, c wire.Caller, err error)

	Keys *Keys            // remembers signing keys; nil makes each anew
	Now  func() time.Time // nil means time.Now
	Off  bool             // accept anything; the caller is root
}

const (
	algorithm  = "AWS4-HMAC-SHA256"
	terminator = "aws4_request"
	timeFormat = "20060102T150405Z"
	dateFormat = "20060102"
)

// Gate checks r's signature; see wire.Gate. The body of the request that it
// returns is checked as it is read: its last Read returns an error, not
// io.EOF, if the body is not the one that was signed.
func (v Verifier) Gate(r *http.Request, service, op string) (*http.Request, error) {
	if v.Off {
		return open(r), nil
	}
	c, err := parse(r)
	if err != nil {
		return nil, err
	}
	if err := c.scope.check(service, c.date); err != nil {
		return nil, err
	}
	secret, caller, err := v.Lookup(r.Context(), c.scope.key, c.token)
	if err != nil {
		return nil, err
	}
	if err := c.fresh(v.now(), skewOf(service)); err != nil {
		return nil, err
	}
	body, err := readBody(r, c, service)
	if err != nil {
		return nil, err
	}
	key, known := v.Keys.find(c.scope, secret)
	if !known {
		key = signingKey(secret, c.scope)
	}
	if err := c.verify(r, service, body.hash, key); err != nil {
		return nil, err
	}
	if !known { // only now: nobody but a key's owner may fill the memory
		v.Keys.keep(c.scope, secret, key)
	}
	caller.AccessKeyID, caller.Region = c.scope.key, c.scope.region
	r = r.WithContext(wire.WithCaller(r.Context(), caller))
	return body.attach(r, c, key), nil
}

func (v Verifier) now() time.Time {
	if v.Now != nil {
		return v.Now()
	}
	return time.Now()
}

// skewOf is how far a client's clock may be off. IAM, STS and S3, older than the
// rule of the other services, say 15 minutes in their messages.
func skewOf(service string) time.Duration {
	if service == "iam" || service == "sts" || service == "s3" {
		return 15 * time.Minute
	}
	return 5 * time.Minute
}

// open lets r in as root, whoever signed it. A chunked body still has to be
// taken out of its chunks.
func open(r *http.Request) *http.Request {
	caller := wire.Caller{
		Account: "000000000000", ARN: "arn:aws:iam::000000000000:root", UserID: "000000000000", Root: true,
	}
	if c, err := parse(r); err == nil {
		caller.AccessKeyID, caller.Region = c.scope.key, c.scope.region
	}
	r = r.WithContext(wire.WithCaller(r.Context(), caller))
	if mode, ok := streamed[r.Header.Get(hashHeader)]; ok {
		mode.signed = false
		return stream(r, &chunks{mode: mode})
	}
	return r
}

// verify compares c's signature with the one that the secret makes.
func (c *claim) verify(r *http.Request, service, bodyHash string, key []byte) error {
	sent, tidied := paths(r, service)
	b := make([]byte, 0, 1024)
	if c.matches(b, r, sent, bodyHash, key) || tidied != "" && c.matches(b, r, tidied, bodyHash, key) {
		return nil
	}
	canonical := c.appendCanonical(nil, r, sent, bodyHash)
	return refuse("InvalidSignatureException", "%s", mismatchText(string(canonical), string(c.appendStringToSign(nil, canonical))))
}

// matches says whether c is key's signature of r with this path; it may write to b.
func (c *claim) matches(b []byte, r *http.Request, path, bodyHash string, key []byte) bool {
	b = c.appendCanonical(b, r, path, bodyHash)
	n := len(b)
	b = c.appendStringToSign(b, b)
	return hmac.Equal(mac(key, b[n:]), c.signature)
}

func mismatchText(canonical, stringToSign string) string {
	return "The request signature we calculated does not match the signature you provided." +
		" Check your AWS Secret Access Key and signing method. Consult the service documentation for details.\n\n" +
		"The Canonical String for this request should have been\n'" + canonical + "'\n\n" +
		"The String-to-Sign should have been\n'" + stringToSign + "'\n"
}

// appendStringToSign appends what is signed of a canonical request, which may
// be at the beginning of b.
func (c *claim) appendStringToSign(b, canonical []byte) []byte {
	hash := sha256.Sum256(canonical)
	b = append(b, algorithm+"\n"...)
	b = append(c.date.AppendFormat(b, timeFormat), '\n')
	b = append(c.scope.appendTo(b), '\n')
	return hex.AppendEncode(b, hash[:])
}

// signingKey derives the key of a scope from a secret.
func signingKey(secret string, s scope) []byte {
	key := []byte("AWS4" + secret)
	for _, part := range []string{s.date, s.region, s.service, terminator} {
		key = mac(key, []byte(part))
	}
	return key
}

func hexOf(b []byte) string { return hex.EncodeToString(b) }
