package wire

import (
	"bytes"
	"io"
	"net/http"
	"testing"
	"testing/iotest"
)

// Whatever size was announced, the body is all of what came, and what was not
// announced in good faith takes no room.
func TestReadAll(t *testing.T) {
	for _, size := range []int{0, 1, trusted - 1, trusted, trusted + 1, 3*trusted + 7, 1 << 21} {
		want := bytes.Repeat([]byte("0123456789abcdef"), size/16+1)[:size]
		for _, announced := range []int64{-1, int64(size), int64(size) + 5, 1, 1 << 40} {
			for name, in := range map[string]io.Reader{
				"plain": bytes.NewReader(want), "halves": iotest.HalfReader(bytes.NewReader(want)), "end with data": iotest.DataErrReader(bytes.NewReader(want)),
			} {
				got, err := readAll(&http.Request{Body: io.NopCloser(in), ContentLength: announced})
				if err != nil || !bytes.Equal(got, want) {
					t.Errorf("%s, %d bytes, %d announced: %d bytes, %v", name, size, announced, len(got), err)
				}
				if cap(got) > 17*max(size, trusted) {
					t.Errorf("%s, %d bytes, %d announced: room for %d", name, size, announced, cap(got))
				}
			}
		}
	}
	if _, err := readAll(&http.Request{Body: io.NopCloser(iotest.ErrReader(io.ErrUnexpectedEOF)), ContentLength: 9}); err != io.ErrUnexpectedEOF {
		t.Errorf("a broken body: %v", err)
	}
}
