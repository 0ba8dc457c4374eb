package eventstream

import (
	"bytes"
	"testing"

	sdk "github.com/aws/aws-sdk-go-v2/aws/protocol/eventstream"
)

// TestMessages: AWS's own decoder reads them, one behind the other.
func TestMessages(t *testing.T) {
	var b []byte
	payloads := [][]byte{nil, []byte("x"), bytes.Repeat([]byte{0, 0xff}, 40000)}
	for _, p := range payloads {
		b = Append(b, Event("Some", "text/plain"), p)
	}
	b = Append(b, Exception("Bad", "text/plain"), []byte("why"))
	r := bytes.NewReader(b)
	for _, want := range append(payloads, []byte("why")) {
		m, err := sdk.NewDecoder().Decode(r, nil)
		if err != nil || !bytes.Equal(m.Payload, want) || len(m.Headers) != 3 || m.Headers.Get(":content-type").String() != "text/plain" {
			t.Fatalf("%d of %d bytes, %v, %v", len(m.Payload), len(want), m.Headers, err)
		}
		kind, name := m.Headers.Get(":message-type").String(), m.Headers.Get(":event-type")
		if exception := m.Headers.Get(":exception-type"); kind == "exception" && (exception == nil || exception.String() != "Bad") {
			t.Errorf("headers of an error: %v", m.Headers)
		} else if kind == "event" && (name == nil || name.String() != "Some") {
			t.Errorf("headers of an event: %v", m.Headers)
		}
	}
	if r.Len() != 0 {
		t.Errorf("%d bytes are left", r.Len())
	}
}
