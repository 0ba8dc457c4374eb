package wire

import (
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

// TestStreamToNobody: a client that never reads does not hold the writer for ever.
func TestStreamToNobody(t *testing.T) {
	ended := make(chan error, 1)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		f := flusher{w, http.NewResponseController(w), 50 * time.Millisecond}
		part := make([]byte, 1<<20)
		for {
			if _, err := f.Write(part); err != nil {
				ended <- err
				return
			}
		}
	}))
	defer s.Close()
	c, err := net.Dial("tcp", s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.Write([]byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n"))
	select {
	case <-ended:
	case <-time.After(30 * time.Second):
		t.Fatal("the writer still waits")
	}
}
