package wire

import (
	"errors"
	"io"
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
				b := &requestBody{conn: http.NewResponseController(w),
					ReadCloser: &dripping{w, strings.Repeat("x", tt.piece), tt.every, tt.n}}
				start := time.Now()
				_, err := io.Copy(io.Discard, b)
				if tt.cut == 0 && err != nil || tt.cut > 0 && !errors.Is(err, os.ErrDeadlineExceeded) {
					t.Errorf("after %v: %v", time.Since(start), err)
				}
				if took := time.Since(start); tt.cut > 0 && took.Round(time.Second) != tt.cut {
					t.Errorf("cut off after %v, want %v", took, tt.cut)
				}
				if !w.deadline.IsZero() {
					t.Errorf("the deadline stays: %v", w.deadline)
				}
			})
		})
	}
}

func TestSlowBodyHasAName(t *testing.T) {
	c := NewTable(Service{Name: "x", Models: []Model{{Name: "Op"}}}, nil).Calls["Op"]
	e, ok := errors.AsType[*awserr.Error](c.bodyError(os.ErrDeadlineExceeded))
	if !ok || e.Status != http.StatusRequestTimeout || e.Code != "RequestTimeoutException" {
		t.Errorf("%+v", e)
	}
}
