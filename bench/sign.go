package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"hash"
	"time"
)

const (
	hexDigest = 2 * sha256.Size
	longDate  = "20060102T150405Z"
)

// A signer signs requests as AWS's clients do (Signature Version 4), each one
// for itself, but without allocating: the load generator shares the machine
// with what it measures.
//
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
type signer struct {
	accessKey, secret, region, service string

	second int64     // for which date is written
	date   []byte    // 20060102T150405Z
	key    hash.Hash // HMAC with the key of that day
	day    string
	sum    hash.Hash
	text   []byte            // work space
	digest [sha256.Size]byte // and this
}

func newSigner(accessKey, secret, region, service string) *signer {
	return &signer{accessKey: accessKey, secret: secret, region: region, service: service, sum: sha256.New()}
}

// at sets the date of the signatures that follow.
func (s *signer) at(now time.Time) {
	if s.second == now.Unix() {
		return
	}
	s.second = now.Unix()
	s.date = now.UTC().AppendFormat(s.date[:0], longDate)
	if day := string(s.date[:8]); day != s.day {
		s.day = day
		key := []byte("AWS4" + s.secret)
		for _, part := range []string{day, s.region, s.service, "aws4_request"} {
			h := hmac.New(sha256.New, key)
			h.Write([]byte(part))
			key = h.Sum(nil)
		}
		s.key = hmac.New(sha256.New, key)
	}
}

// appendAuthorization appends the value of the header Authorization for c with
// that body, at the date that is set.
func (s *signer) appendAuthorization(b []byte, c *call, body []byte) []byte {
	t := append(s.text[:0], c.beforeDate...)
	t = append(t, s.date...)
	t = append(t, c.afterDate...)
	t = s.appendSum(t, body)
	canonical := len(t)
	t = append(t, "AWS4-HMAC-SHA256\n"...)
	t = append(t, s.date...)
	t = append(t, '\n')
	t = s.appendScope(t)
	t = append(t, '\n')
	t = s.appendSum(t, t[:canonical])
	b = append(b, "AWS4-HMAC-SHA256 Credential="...)
	b = append(b, s.accessKey...)
	b = append(b, '/')
	b = s.appendScope(b)
	b = append(b, ", SignedHeaders="...)
	b = append(b, c.signed...)
	b = append(b, ", Signature="...)
	s.key.Reset()
	s.key.Write(t[canonical:])
	s.text = t
	return s.appendHex(b, s.key)
}

func (s *signer) appendScope(b []byte) []byte {
	b = append(b, s.day...)
	b = append(b, '/')
	b = append(b, s.region...)
	b = append(b, '/')
	b = append(b, s.service...)
	return append(b, "/aws4_request"...)
}

func (s *signer) appendSum(b, of []byte) []byte {
	s.sum.Reset()
	s.sum.Write(of)
	return s.appendHex(b, s.sum)
}

func (s *signer) appendHex(b []byte, h hash.Hash) []byte {
	return hex.AppendEncode(b, h.Sum(s.digest[:0]))
}
