package url

import (
	"bytes"
	"errors"
	"net/http"

	"github.com/mayfly-faas/mayfly/internal/awserr"
	"github.com/mayfly-faas/mayfly/internal/function"
	"github.com/mayfly-faas/mayfly/internal/gateway/payload"
	"github.com/mayfly-faas/mayfly/internal/wire"
)

// What an answer may hold.
const (
	maxAnswer = 6291556
	maxStream = 200 << 20
)

// errFunction says that the function failed.
var errFunction = errors.New("the function failed")

// buffer answers when the function has ended.
func (v *visit) buffer(in function.Invocation) error {
	var b bytes.Buffer
	var kind string
	in.Answer, in.Limit = &b, maxAnswer
	in.Begin = func(contentType string) { kind = contentType }
	res, err := v.Functions.Invoke(v.r.Context(), v.u.Ref(), in)
	if err != nil {
		return err
	}
	if res.Failure != nil {
		return errFunction
	}
	if kind == payload.StreamType { // a streaming handler behind an address that does not stream
		s := payload.NewStream(v.w, v.head)
		s.Begin(kind)
		if _, err := s.Write(b.Bytes()); err != nil && !s.Begun() {
			return err
		}
		return v.end(s)
	}
	a, err := payload.Infer(b.Bytes())
	if err != nil {
		return err
	}
	v.head(a)
	a.Write(v.w)
	return nil
}

// stream answers as the function writes. Once something was sent, a failure can
// be told by a broken connection alone.
func (v *visit) stream(in function.Invocation) error {
	s := payload.NewStream(v.w, v.head)
	out := &relay{s: s}
	in.Answer, in.Limit, in.Begin = out, maxStream, s.Begin
	res, err := v.Functions.Invoke(v.r.Context(), v.u.Ref(), in)
	switch {
	case out.bad != nil && !s.Begun():
		return out.bad
	case err == nil && res.Failure == nil:
		return v.end(s)
	case s.Begun():
		v.abort()
	case err == nil:
		return errFunction
	}
	return err
}

// end ends a streamed answer.
func (v *visit) end(s *payload.Stream) error {
	err := s.End()
	if err != nil && s.Begun() {
		v.abort()
	}
	return err
}

// abort breaks the connection off: half an answer must not look whole.
func (v *visit) abort() {
	v.w.status = http.StatusBadGateway
	panic(http.ErrAbortHandler)
}

// A relay takes a function's answer to its client. When the client goes away
// the function is not to notice, as on AWS.
type relay struct {
	s    *payload.Stream
	bad  error // the answer is none
	gone bool
}

// Write implements io.Writer.
func (r *relay) Write(p []byte) (int, error) {
	if r.gone || r.bad != nil {
		return len(p), nil
	}
	_, err := r.s.Write(p)
	switch {
	case errors.Is(err, payload.ErrMalformed):
		r.bad = err
	case err != nil:
		r.gone = true
	}
	return len(p), nil
}

// head puts what is the address's own into the head of an answer.
func (v *visit) head(a *payload.Answer) {
	for name := range a.Header {
		switch name {
		case "X-Amzn-Requestid", "X-Amzn-Trace-Id":
			delete(a.Header, name) // ours to tell
		}
	}
	if v.u.CORS != nil {
		allow(a.Header, v.r, v.u.CORS)
	}
}

// forbidden is the body of AWS's refusal.
const forbidden = `{"Message":"Forbidden. For troubleshooting Function URL authorization issues, see: https://docs.aws.amazon.com/lambda/latest/dg/urls-auth.html"}`

// fail answers what went wrong before anything was sent.
func (s *site) fail(w http.ResponseWriter, r *http.Request, err error) {
	if t, ok := errors.AsType[*function.Throttled](err); ok {
		w.Header().Set("Retry-After", "1")
		refuse(w, http.StatusTooManyRequests, "TooManyRequestsException", `{"Reason":"`+t.Reason+`","Type":"User","message":"Rate Exceeded."}`)
		return
	}
	refusal, _ := errors.AsType[*awserr.Error](err)
	switch {
	case errors.Is(err, errForbidden):
		refuse(w, http.StatusForbidden, "AccessDeniedException", forbidden)
	case errors.Is(err, payload.ErrTooLarge):
		refuse(w, http.StatusRequestEntityTooLarge, "RequestEntityTooLargeException", `{"Message":"Request must be smaller than 6291456 bytes for the InvokeFunction operation"}`)
	case errors.Is(err, function.ErrNotFound):
		refuse(w, http.StatusNotFound, "ResourceNotFoundException", `{"Message":null}`)
	case refusal != nil && refusal.Status == http.StatusForbidden: // the body is not the one that was signed
		refuse(w, http.StatusForbidden, "AccessDeniedException", forbidden)
	case r.Context().Err() != nil:
		w.WriteHeader(statusGone) // for the count: nobody hears it
	case errors.Is(err, function.ErrClosed):
		refuse(w, http.StatusServiceUnavailable, "ServiceException", `{"Message":"Service Unavailable"}`)
	default:
		s.broken(w, r, err)
	}
}

// statusGone is what proxies call a request whose client went away.
const statusGone = 499

// broken answers for a function that failed, or could not run. Why is for its
// owner alone, who reads the log.
func (s *site) broken(w http.ResponseWriter, r *http.Request, err error) {
	if !errors.Is(err, errFunction) {
		s.Log.Warn("a function's address answers 502", "url", s.id, "request", wire.RequestID(r.Context()), "err", err)
	}
	w.Header().Set("Content-Type", "text/plain")
	w.WriteHeader(http.StatusBadGateway)
	w.Write([]byte("Internal Server Error"))
}

// refuse answers an error in AWS's form.
func refuse(w http.ResponseWriter, status int, kind, body string) {
	w.Header().Set("X-Amzn-Errortype", kind)
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	w.Write([]byte(body)) // a client that went away is no error of ours
}
