package s3

import (
	"context"
	"encoding/xml"
	"errors"
	"io"
	"net/http"
	"sort"

	"github.com/mayfly-faas/mayfly/internal/awserr"
	"github.com/mayfly-faas/mayfly/internal/object"
	"github.com/mayfly-faas/mayfly/internal/wire"
)

const namespace = "http://s3.amazonaws.com/doc/2006-03-01/"

// fail answers an error.
// https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
func (q *request) fail(err error) {
	e := q.explain(err)
	if e.Cause != nil && e.Status >= 500 {
		q.g.c.Log.ErrorContext(q.ctx(), "operation failed", "service", "s3", "operation", q.op.name, "request", wire.RequestID(q.ctx()), "code", e.Code, "cause", e.Cause)
	}
	h := q.w.Header()
	for k, v := range e.Header {
		h.Set(k, v)
	}
	h.Del("Content-Length")
	if q.Method == http.MethodHead || e.Status == http.StatusNotModified {
		q.w.WriteHeader(e.Status)
		return
	}
	h.Set("Content-Type", "application/xml")
	q.w.WriteHeader(e.Status)
	io.WriteString(q.w, xml.Header)
	q.errorBody(e)
}

// errorBody writes an error's document. A client that is gone gets none.
func (q *request) errorBody(e *awserr.Error) {
	enc := xml.NewEncoder(q.w)
	element := func(name, text string) {
		if text != "" {
			enc.EncodeElement(text, xml.StartElement{Name: xml.Name{Local: name}})
		}
	}
	start := xml.StartElement{Name: xml.Name{Local: "Error"}}
	enc.EncodeToken(start)
	element("Code", e.Code)
	element("Message", e.Message)
	var names []string
	for n := range e.Members {
		names = append(names, n)
	}
	sort.Strings(names)
	for _, n := range names {
		if s, ok := e.Members[n].(string); ok {
			element(n, s)
		}
	}
	element("Resource", q.URL.Path)
	element("RequestId", wire.RequestID(q.ctx()))
	element("HostId", hostID)
	enc.EncodeToken(start.End())
	enc.Flush()
}

// explain is an error as S3 tells it.
func (q *request) explain(err error) *awserr.Error {
	if e, ok := errors.AsType[*awserr.Error](err); ok {
		return renamed(e)
	}
	for _, known := range []struct {
		err     error
		status  int
		code    string
		message string
	}{
		{object.ErrNoBucket, 404, "NoSuchBucket", "The specified bucket does not exist"},
		{object.ErrBucketNotEmpty, 409, "BucketNotEmpty", "The bucket you tried to delete is not empty"},
		{object.ErrNoVersion, 404, "NoSuchVersion", "The specified version does not exist."},
		{object.ErrNoKey, 404, "NoSuchKey", "The specified key does not exist."},
		{object.ErrNoUpload, 404, "NoSuchUpload", "The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or completed."},
		{object.ErrPartTooSmall, 400, "EntityTooSmall", "Your proposed upload is smaller than the minimum allowed size"},
		{object.ErrPart, 400, "InvalidPart", "One or more of the specified parts could not be found. The part may not have been uploaded, or the specified entity tag may not match the part's entity tag."},
		{object.ErrPrecondition, 412, "PreconditionFailed", "At least one of the pre-conditions you specified did not hold"},
		{object.ErrConflict, 409, "OperationAborted", "A conflicting conditional operation is currently in progress against this resource. Please try again."},
		{object.ErrVersionedForever, 400, "IllegalVersioningConfigurationException", "The versioning configuration specified in the request is invalid."},
		{object.ErrFull, 507, "InsufficientStorage", "There is no room left on the disk."},
		{io.ErrUnexpectedEOF, 400, "IncompleteBody", "You did not provide the number of bytes specified by the Content-Length HTTP header"},
		{context.Canceled, 400, "RequestTimeout", "Your socket connection to the server was not read from or written to within the timeout period."},
	} {
		if errors.Is(err, known.err) {
			e := awserr.New(known.status, known.code, "%s", known.message)
			e.Cause = err
			e.Members = map[string]any{}
			switch known.code {
			case "NoSuchBucket", "BucketNotEmpty":
				e.Members["BucketName"] = q.bucket
			case "NoSuchKey":
				e.Members["Key"] = q.key
			case "PreconditionFailed":
				e.Members["Condition"] = condition(q.Request)
			}
			return e
		}
	}
	if e, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return awserr.New(400, "EntityTooLarge", "Your proposed upload exceeds the maximum allowed size of %d bytes", e.Limit)
	}
	e := awserr.Internal("InternalError", err)
	e.Message = "We encountered an internal error. Please try again."
	return e
}

// renamed is an error of the front in S3's words.
func renamed(e *awserr.Error) *awserr.Error {
	names := map[string]struct{ code, message string }{
		"InvalidSignatureException":           {"SignatureDoesNotMatch", "The request signature we calculated does not match the signature you provided. Check your key and signing method."},
		"UnrecognizedClientException":         {"InvalidAccessKeyId", "The AWS Access Key Id you provided does not exist in our records."},
		"InvalidClientTokenId":                {"InvalidAccessKeyId", "The AWS Access Key Id you provided does not exist in our records."},
		"ExpiredTokenException":               {"ExpiredToken", "The provided token has expired."},
		"MissingAuthenticationTokenException": {"AccessDenied", "Access Denied"},
		"IncompleteSignatureException":        {"AuthorizationHeaderMalformed", ""},
	}
	n, ok := names[e.Code]
	if !ok {
		return e
	}
	c := *e
	c.Code = n.code
	if n.message != "" {
		c.Message = n.message
	}
	if c.Code == "AuthorizationHeaderMalformed" {
		c.Status = http.StatusBadRequest
	}
	return &c
}

// condition is the header that did not hold.
func condition(r *http.Request) string {
	for _, name := range []string{"If-Match", "If-None-Match", "If-Modified-Since", "If-Unmodified-Since",
		"x-amz-copy-source-if-match", "x-amz-copy-source-if-none-match", "x-amz-copy-source-if-modified-since", "x-amz-copy-source-if-unmodified-since"} {
		if r.Header.Get(name) != "" {
			return name
		}
	}
	return ""
}

func invalid(code, format string, args ...any) error { return awserr.New(400, code, format, args...) }

// answer answers a document; its XMLName says what it is called.
func (q *request) answer(document any) error {
	text, err := xml.Marshal(document)
	if err != nil {
		return err
	}
	q.w.Header().Set("Content-Type", "application/xml")
	io.WriteString(q.w, xml.Header) // an error here means that the caller is gone
	q.w.Write(text)
	return nil
}

// document reads one from the body.
func (q *request) document(into any) ([]byte, error) {
	const most = 5 << 20
	text, err := io.ReadAll(http.MaxBytesReader(q.w, q.Body, most))
	if err != nil {
		return nil, err
	}
	if err := q.digestHolds(text); err != nil {
		return nil, err
	}
	if err := xml.Unmarshal(text, into); err != nil {
		return nil, invalid("MalformedXML", "The XML you provided was not well-formed or did not validate against our published schema")
	}
	return text, nil
}
