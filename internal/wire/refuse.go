package wire

import (
	"encoding/binary"
	"encoding/xml"
	"net/http"
	"strings"

	"github.com/mayfly-faas/mayfly/internal/awserr"
)

// refuse answers for no service in particular, in the form that the client is
// likely to understand: what it sent tells its protocol.
func refuse(w http.ResponseWriter, r *http.Request, e *awserr.Error) {
	h := w.Header()
	id := RequestID(r.Context())
	h.Set("X-Amzn-Requestid", id)
	h.Set("X-Amzn-Errortype", e.Code)
	kind, body := "application/json", jsonError(e)
	switch {
	case isForm(r):
		kind, body = "text/xml", xmlError("<ErrorResponse><Error><Type>Sender</Type>", e, "</Error><RequestId>"+id+"</RequestId></ErrorResponse>")
	case strings.HasPrefix(scopeService(r), "s3"):
		kind, body = "application/xml", xmlError("<Error>", e, "<RequestId>"+id+"</RequestId></Error>")
	case r.Header.Get("Smithy-Protocol") == "rpc-v2-cbor":
		h.Set("Smithy-Protocol", "rpc-v2-cbor")
		kind, body = "application/cbor", cborError(e)
	}
	h.Set("Content-Type", kind)
	w.WriteHeader(e.Status)
	w.Write(body) // a client that went away is no error of ours
}

func isForm(r *http.Request) bool {
	return strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-www-form-urlencoded")
}

func jsonError(e *awserr.Error) []byte {
	b := AppendString([]byte(`{"__type":`), e.Code)
	b = AppendString(append(b, `,"message":`...), e.Message)
	return append(b, '}')
}

func xmlError(before string, e *awserr.Error, after string) []byte {
	var b strings.Builder
	b.WriteString(before + "<Code>" + e.Code + "</Code><Message>")
	xml.EscapeText(&b, []byte(e.Message))
	b.WriteString("</Message>" + after)
	return []byte(b.String())
}

// cborError is a map of two texts.
func cborError(e *awserr.Error) []byte {
	b := []byte{0xa2}
	for _, text := range []string{"__type", e.Code, "message", e.Message} {
		b = append(b, 0x7a) // a text with a length of four bytes
		b = binary.BigEndian.AppendUint32(b, uint32(len(text)))
		b = append(b, text...)
	}
	return b
}
