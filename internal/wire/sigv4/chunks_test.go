package sigv4

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash/crc32"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

// chunkedRequest makes a request whose body is in chunks, signed by rules
// written down here a second time, from the seed that the SDK's signer makes.
func chunkedRequest(t testing.TB, kind string, chunks ...string) (*http.Request, string) {
	t.Helper()
	all := strings.Join(chunks, "")
	r := httptest.NewRequest("PUT", "http://localhost/x", nil)
	r.Header.Set(hashHeader, kind)
	r.Header.Set("Content-Encoding", "aws-chunked")
	r.Header.Set("X-Amz-Decoded-Content-Length", strconv.Itoa(len(all)))
	m := streamed[kind]
	if m.trailer {
		r.Header.Set("X-Amz-Trailer", "x-amz-checksum-crc32")
	}
	r.ContentLength = -1
	if err := v4.NewSigner().SignHTTP(context.Background(), testCreds, r, kind, "lambda", "us-east-1", testNow); err != nil {
		t.Fatal(err)
	}
	auth := r.Header.Get("Authorization")
	previous := auth[strings.LastIndex(auth, "=")+1:]
	key := signingKey(testSecret, scope{testKey, "20261123", "us-east-1", "lambda"})
	sign := func(kind string, parts ...string) string {
		text := "AWS4-HMAC-SHA256-" + kind + "\n20261123T114229Z\n20261123/us-east-1/lambda/aws4_request\n" + previous + "\n" + strings.Join(parts, "\n")
		previous = hexOf(mac(key, []byte(text)))
		return previous
	}
	var b strings.Builder
	for _, c := range append(chunks, "") {
		if m.signed {
			fmt.Fprintf(&b, "%x;chunk-signature=%s\r\n", len(c), sign("PAYLOAD", hexSum(""), hexSum(c)))
		} else {
			fmt.Fprintf(&b, "%x\r\n", len(c))
		}
		if c != "" {
			b.WriteString(c + "\r\n")
		}
	}
	if m.trailer {
		crc := base64.StdEncoding.EncodeToString(binary.BigEndian.AppendUint32(nil, crc32.ChecksumIEEE([]byte(all))))
		b.WriteString("x-amz-checksum-crc32:" + crc + "\r\n")
		if m.signed {
			fmt.Fprintf(&b, "x-amz-trailer-signature:%s\r\n", sign("TRAILER", hexSum("x-amz-checksum-crc32:"+crc+"\n")))
		}
	}
	b.WriteString("\r\n")
	return r, b.String()
}

func readChunked(t testing.TB, r *http.Request, body string) (string, error) {
	t.Helper()
	r.Body = io.NopCloser(strings.NewReader(body))
	admitted, err := verifier().Gate(r, "lambda", "Op")
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(admitted.Body)
	if again, err2 := admitted.Body.Read(make([]byte, 1)); again != 0 || err2 == nil {
		t.Errorf("reading on after the end gave %d, %v", again, err2)
	}
	return string(b), err
}

func TestChunkedBodies(t *testing.T) {
	big := strings.Repeat("0123456789abcdef", 5000)
	for kind := range streamed {
		for _, chunks := range [][]string{{}, {"a"}, {"hello ", "world"}, {big, "tail"}} {
			r, body := chunkedRequest(t, kind, chunks...)
			got, err := readChunked(t, r, body)
			if err != nil || got != strings.Join(chunks, "") {
				t.Errorf("%s, %d chunks: %d bytes, %v", kind, len(chunks), len(got), err)
			}
		}
	}
}

func TestChunkedBodiesBroken(t *testing.T) {
	for kind, m := range streamed {
		r, body := chunkedRequest(t, kind, "hello ", "world")
		breaks := map[string]string{
			"changed data":     strings.Replace(body, "world", "World", 1),
			"cut in data":      body[:strings.Index(body, "world")+2],
			"cut before end":   body[:strings.LastIndex(body, "\r\n0")+2],
			"a chunk less":     strings.Replace(body, "\r\n5;", "\r\n0;", 1),
			"huge size":        "ffffffffffffffffffff" + body,
			"negative size":    "-1" + body,
			"long line":        strings.Repeat("0", 10000) + body,
			"garbage":          "garbage",
			"nothing":          "",
			"data beyond size": strings.Replace(body, "world", "worldworld", 1),
		}
		if m.trailer {
			breaks["changed trailer"] = strings.Replace(body, "crc32:", "crc32:A", 1)
			breaks["no trailer"] = body[:strings.Index(body, "x-amz-checksum")] + "\r\n"
		}
		if m.signed {
			breaks["changed signature"] = strings.Replace(body, "signature=", "signature=00", 1)
		}
		for name, broken := range breaks {
			if broken == body {
				continue // this break does not apply to the kind
			}
			if got, err := readChunked(t, r, broken); err == nil {
				t.Errorf("%s: %s: read %q without an error", kind, name, got)
			}
		}
	}
}

func TestChunkedLengthMustFit(t *testing.T) {
	r, body := chunkedRequest(t, "STREAMING-AWS4-HMAC-SHA256-PAYLOAD", "hello")
	r2 := r.Clone(t.Context())
	r2.Header.Set("X-Amz-Decoded-Content-Length", "4")
	if err := v4.NewSigner().SignHTTP(t.Context(), testCreds, r2, r2.Header.Get(hashHeader), "lambda", "us-east-1", testNow); err != nil {
		t.Fatal(err)
	}
	if _, err := readChunked(t, r2, body); err == nil {
		t.Error("five bytes passed for four")
	}
}

func TestChunkedWithSignaturesOff(t *testing.T) {
	for kind := range streamed {
		r, body := chunkedRequest(t, kind, "hello ", "world")
		r.Body = io.NopCloser(strings.NewReader(body))
		admitted, err := Verifier{Off: true}.Gate(r, "lambda", "Op")
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(admitted.Body)
		if err != nil || string(got) != "hello world" {
			t.Errorf("%s: %q, %v", kind, got, err)
		}
		if admitted.ContentLength != 11 {
			t.Errorf("%s: content length %d", kind, admitted.ContentLength)
		}
	}
}

func TestChecksums(t *testing.T) {
	// The check values of the catalogue of parametrised CRC algorithms, and of FIPS 180.
	for name, want := range map[string]string{
		"crc32": "cbf43926", "crc32c": "e3069283", "crc64nvme": "ae8b14860a799888",
		"sha1":   "f7c3bc1d808e04732adf679965ccc34ca7ae3441",
		"sha256": "15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225",
	} {
		c := newChecksum("x-amz-checksum-" + name)
		c.write([]byte("123456789"))
		sum, err := hex.DecodeString(want)
		if err != nil {
			t.Fatal(err)
		}
		if err := c.compare("x-amz-checksum-"+name, base64.StdEncoding.EncodeToString(sum)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if err := c.compare("x-amz-checksum-"+name, "AAAA"); code(err) != "BadDigest" {
			t.Errorf("%s: a wrong one gives %v", name, err)
		}
	}
	if newChecksum("x-amz-checksum-md5") != nil {
		t.Error("md5 is no checksum of AWS's")
	}
}

func FuzzChunks(f *testing.F) {
	for kind := range streamed {
		_, body := chunkedRequest(f, kind, "hello ", "world")
		f.Add(kind, []byte(body))
	}
	f.Fuzz(func(t *testing.T, kind string, body []byte) {
		m, ok := streamed[kind]
		if !ok {
			return
		}
		r, signed := chunkedRequest(t, kind, "hello ", "world")
		got, err := readChunked(t, r, string(body))
		if err == nil && m.signed && got != "hello world" {
			t.Errorf("%q passed as the signed body %q", body, signed)
		}
		if int64(len(got)) > int64(len(body)) {
			t.Error("more came out than went in")
		}
	})
}
