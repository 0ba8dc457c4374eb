package runtimeapi

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
)

const (
	headerErrorType = "Lambda-Runtime-Function-Error-Type"
	headerErrorBody = "Lambda-Runtime-Function-Error-Body"
	headerMode      = "Lambda-Runtime-Function-Response-Mode"
	headerAttempt   = "Lambda-Runtime-Invocation-Id"

	// maxError is the longest error document kept, as long as an answer may be.
	maxError = 6<<20 + 100

	// maxDrain is how much of an answer that is too large is read and thrown
	// away, so that the runtime hears why, and not of a broken connection.
	maxDrain = 256 << 20
)

// serveResponse is POST /runtime/invocation/{id}/response.
// https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html#runtimes-api-response
func (r *run) serveResponse(w http.ResponseWriter, req *http.Request, id string) {
	t, refused := r.answer(id, req.Header.Get(headerAttempt), answering)
	if refused != nil {
		write(w, refused)
		return
	}
	mode := req.Header.Get(headerMode)
	if mode != "" && mode != "streaming" {
		r.answered(t, &Failure{Type: "Runtime.InvalidResponseModeHeader"})
		write(w, &refusal{400, "InvalidFunctionResponseMode", "Invalid function response mode"})
		return
	}
	err := copyAnswer(t, req)
	switch {
	case err == nil: // AWS's client for Go does not name a mode, and yet sends trailers
		r.answered(t, midstream(req))
	case errors.Is(err, errTooLarge):
		r.answered(t, tooLarge(t.Limit))
		io.CopyN(io.Discard, req.Body, maxDrain)
		write(w, &refusal{413, "RequestEntityTooLarge",
			fmt.Sprintf("Exceeded maximum allowed payload size (%d bytes).", t.Limit)})
		return
	default: // the runtime broke off; its process has most likely ended
		r.answered(t, &Failure{Type: "Runtime.TruncatedResponse"})
		write(w, &refusal{400, "TruncatedHTTPRequest", "HTTP request detected as truncated"})
		return
	}
	accept(w)
}

// copyAnswer moves the request's body to the turn's sink as it arrives. An
// answer of a known size that is too large is refused before its first byte.
func copyAnswer(t *turn, req *http.Request) error {
	if t.Limit > 0 && req.ContentLength > t.Limit {
		return errTooLarge
	}
	t.start(req.Header.Get("Content-Type"))
	if b, ok := req.Body.(*body); ok {
		if whole, ok := b.take(); ok {
			t.pour(whole) // has place for it: it is within the limit
			return nil
		}
	}
	piece := pieces.Get().(*[pieceSize]byte)
	defer pieces.Put(piece)
	for {
		n, err := req.Body.Read(piece[:])
		if !t.pour(piece[:n]) {
			return errTooLarge
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// pour moves b to the sink; false when there is no place for it.
func (t *turn) pour(b []byte) bool {
	if len(b) == 0 {
		return true
	}
	_, err := t.sink.Write(b)
	return !errors.Is(err, errTooLarge)
}

// tooLarge is the failure for an answer over limit, in AWS's words.
func tooLarge(limit int64) *Failure {
	const kind = "Function.ResponseSizeTooLarge"
	return &Failure{kind, fmt.Appendf(nil,
		`{"errorMessage":"Response payload size exceeded maximum allowed payload size (%d bytes).","errorType":"%s"}`, limit, kind)}
}

// midstream is the error that a runtime puts behind an answer that it could not
// complete, or nil.
func midstream(req *http.Request) *Failure {
	kind := req.Trailer.Get(headerErrorType)
	body := req.Trailer.Get(headerErrorBody)
	if kind == "" && body == "" {
		return nil
	}
	b, err := base64.StdEncoding.DecodeString(body)
	if err != nil {
		b = []byte(body)
	}
	return &Failure{kind, b}
}

// serveError is POST /runtime/invocation/{id}/error.
// https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html#runtimes-api-invokeerror
func (r *run) serveError(w http.ResponseWriter, req *http.Request, id string) {
	t, refused := r.answer(id, req.Header.Get(headerAttempt), failing)
	if refused != nil {
		write(w, refused)
		return
	}
	r.answered(t, readFailure(req))
	accept(w)
}

// serveInitError is POST /runtime/init/error. A runtime whose hooks fail after
// a restore may report it here, too.
// https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html#runtimes-api-initerror
func (r *run) serveInitError(w http.ResponseWriter, req *http.Request) {
	if refused := r.failInit(); refused != nil {
		write(w, refused)
		return
	}
	r.failedInit(readFailure(req))
	accept(w)
}

// serveRestoreError is POST /runtime/restore/error.
func (r *run) serveRestoreError(w http.ResponseWriter, req *http.Request) { r.serveInitError(w, req) }

// readFailure reads what the runtime reports. It keeps what it got of a report
// that is cut short.
func readFailure(req *http.Request) *Failure {
	body, _ := io.ReadAll(io.LimitReader(req.Body, maxError))
	return &Failure{req.Header.Get(headerErrorType), body}
}
