package sigv4

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"hash"
	"io"
	"net/http"
	"strconv"
)

const (
	hashHeader = "X-Amz-Content-Sha256"
	unsigned   = "UNSIGNED-PAYLOAD"
)

// A body is what is known of a request's body before it is read.
type body struct {
	hash  string // as the signature has it
	mode  mode
	read  []byte // all of it, if it had to be read
	check bool   // hash is that of the content, to be checked
}

// A mode is a way to send a body in chunks.
type mode struct{ signed, trailer bool }

// streamed are the values of X-Amz-Content-Sha256 that announce chunks.
var streamed = map[string]mode{
	"STREAMING-AWS4-HMAC-SHA256-PAYLOAD":         {signed: true},
	"STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER": {signed: true, trailer: true},
	"STREAMING-UNSIGNED-PAYLOAD-TRAILER":         {trailer: true},
}

// readBody tells the hash of r's body. A client that does not say it makes us
// read the whole body, which whoever called the gate has bounded.
func readBody(r *http.Request, c *claim, service string) (*body, error) {
	said := r.Header.Get(hashHeader)
	if said == "" && c.presigned {
		said = r.URL.Query().Get(hashHeader)
		if said == "" && service == "s3" {
			said = unsigned
		}
	}
	if m, ok := streamed[said]; ok {
		return &body{hash: said, mode: m}, nil
	}
	switch {
	case said == unsigned:
		return &body{hash: said}, nil
	case said == "":
		b, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		h := sha256.Sum256(b)
		return &body{hash: hexOf(h[:]), read: b}, nil
	case len(said) != 2*sha256.Size:
		return nil, refuse("InvalidSignatureException",
			"x-amz-content-sha256 must be %s, STREAMING-AWS4-HMAC-SHA256-PAYLOAD, or a valid sha256 value.", unsigned)
	}
	return &body{hash: said, check: true}, nil
}

// attach gives r the body to read on with.
func (b *body) attach(r *http.Request, c *claim, key []byte) *http.Request {
	switch {
	case b.read != nil:
		r.Body = io.NopCloser(bytes.NewReader(b.read))
	case b.check:
		r.Body = &hashed{body: r.Body, hash: sha256.New(), want: b.hash}
	case b.mode != mode{}:
		return stream(r, &chunks{mode: b.mode, key: key, claim: c, previous: hexOf(c.signature)})
	}
	return r
}

// stream lets c read r's chunks.
func stream(r *http.Request, c *chunks) *http.Request {
	c.open(r)
	r.Body = c
	r.ContentLength = -1
	if n, err := strconv.ParseInt(r.Header.Get("X-Amz-Decoded-Content-Length"), 10, 64); err == nil && n >= 0 {
		r.ContentLength = n
	}
	return r
}

// hashed is a body whose end is an error if it is not the one that was signed.
type hashed struct {
	body io.ReadCloser
	hash hash.Hash
	want string
	err  error // once the end is reached
}

func (h *hashed) Read(p []byte) (int, error) {
	if h.err != nil {
		return 0, h.err
	}
	n, err := h.body.Read(p)
	h.hash.Write(p[:n])
	if err == io.EOF {
		h.err = err
		if !h.right() {
			h.err = refuse("InvalidSignatureException", "The request's body does not match the hash that was signed (X-Amz-Content-Sha256).")
		}
		err = h.err
	}
	return n, err
}

// right compares what was read with what was signed: in hexadecimal, as the
// signature has it.
func (h *hashed) right() bool {
	var sum [sha256.Size]byte
	var text [2 * sha256.Size]byte
	hex.Encode(text[:], h.hash.Sum(sum[:0]))
	return string(text[:]) == h.want // no secret
}

func (h *hashed) Close() error { return h.body.Close() }
