package wire

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mayfly-faas/mayfly/internal/awserr"
)

// A timedWriter is a connection that knows its read deadline.
type timedWriter struct {
	http.ResponseWriter
	deadline time.Time
}

func (w *timedWriter) SetReadDeadline(t time.Time) error {
	w.deadline = t
	return nil
}

// A dripping body gives a piece each time that its clock says so, until its
// connection's deadline has passed.
type dripping struct {
	w     *timedWriter
	piece string
	every time.Duration
	left  int
}

func (d *dripping) Read(p []byte) (int, error) {
	if d.left == 0 {
		return 0, io.EOF
	}
	if wait := time.Until(d.w.deadline); wait < d.every {
		time.Sleep(wait)
		return 0, os.ErrDeadlineExceeded
	}
	time.Sleep(d.every)
	d.left--
	return copy(p, d.piece), nil
}

func (d *dripping) Close() error { return nil }

func TestSlowBodies(t *testing.T) {
	for _, tt := range []struct {
		name  string
		piece int
		every time.Duration
		n     int
		cut   time.Duration // when it is cut off; 0 for never
	}{
		{"a byte now and then", 1, 10 * time.Second, 1000, 30 * time.Second},
		{"nothing", 1, time.Hour, 1, 30 * time.Second},
		{"a slow line", 4 << 10, time.Second / 5, 3000, 0},
		{"a line that goes down", 4 << 10, 40 * time.Second, 2, 30 * time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := &timedWriter{ResponseWriter: httptest.NewRecorder()}
				b := &requestBody{conn: http.NewResponseController(w), patience: patience,
					ReadCloser: &dripping{w, strings.Repeat("x", tt.piece), tt.every, tt.n}}
				start := time.Now()
				_, err := io.Copy(io.Discard, b)
				if tt.cut == 0 && err != nil || tt.cut > 0 && !errors.Is(err, os.ErrDeadlineExceeded) {
					t.Errorf("after %v: %v", time.Since(start), err)
				}
				if took := time.Since(start); tt.cut > 0 && took.Round(time.Second) != tt.cut {
					t.Errorf("cut off after %v, want %v", took, tt.cut)
				}
				if stays := !w.deadline.IsZero(); stays != (tt.cut > 0) {
					t.Errorf("the deadline is %v", w.deadline)
				}
			})
		})
	}
}

// Whoever sends a part of a body, and no more, gets an answer, and is let go.
func TestStoppedBodiesAreAnswered(t *testing.T) {
	d := Front{Services: []Service{{Name: "x", Version: "1", Namespace: "n", Protocol: reading{}}}}.Handler().(*door)
	d.patience = 20 * time.Millisecond
	s := httptest.NewServer(d)
	defer s.Close()
	for name, head := range map[string]string{
		"looked into for a service": "POST / HTTP/1.1\r\nContent-Type: application/x-www-form-urlencoded\r\n",
		"read by a protocol":        "POST / HTTP/1.1\r\nAuthorization: AWS4-HMAC-SHA256 Credential=k/d/r/x/aws4_request\r\n",
		"refused":                   "POST / HTTP/1.1\r\n",
	} {
		conn, err := net.Dial("tcp", strings.TrimPrefix(s.URL, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		conn.SetDeadline(time.Now().Add(time.Minute)) // for ever, for this test
		if _, err := io.WriteString(conn, head+"Host: localhost\r\nContent-Length: 100\r\n\r\nAction="); err != nil {
			t.Fatal(err)
		}
		in := bufio.NewReader(conn)
		answer, err := http.ReadResponse(in, nil)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if _, err := io.Copy(io.Discard, answer.Body); err != nil || answer.StatusCode < 400 {
			t.Errorf("%s: %v %v", name, answer.Status, err)
		}
		if _, err := in.ReadByte(); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%s: the connection is open still: %v", name, err)
		}
	}
}

// reading is a protocol that reads the body and says how that went.
type reading struct{}

func (reading) Handler(Service, Gate) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.ReadAll(r.Body); err != nil {
			w.WriteHeader(http.StatusRequestTimeout)
		}
	})
}

func TestSlowBodyHasAName(t *testing.T) {
	c := NewTable(Service{Name: "x", Models: []Model{{Name: "Op"}}}, nil).Calls["Op"]
	e, ok := errors.AsType[*awserr.Error](c.bodyError(os.ErrDeadlineExceeded))
	if !ok || e.Status != http.StatusRequestTimeout || e.Code != "RequestTimeoutException" {
		t.Errorf("%+v", e)
	}
}
