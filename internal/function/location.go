package function

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"strconv"
	"time"
)

// locationLife is how long a code location is good for.
const locationLife = 10 * time.Minute

// CodePath is where code locations begin; the rest is the archive's SHA-256.
const CodePath = "/_mayfly/code/"

// Location is the path and query under which an archive can be downloaded for
// ten minutes, by whoever has it.
func (r *Registry) Location(sha string) string {
	expires := strconv.FormatInt(r.now().Add(locationLife).Unix(), 10)
	q := url.Values{"expires": {expires}, "signature": {r.sign(sha, expires)}}
	return CodePath + sha + "?" + q.Encode()
}

func (r *Registry) sign(sha, expires string) string {
	m := hmac.New(sha256.New, r.secret)
	fmt.Fprintf(m, "code\n%s\n%s", sha, expires)
	return hex.EncodeToString(m.Sum(nil))
}

// OpenCode opens the archive that a location names; ErrLocation when the
// location was not made here, or is too old, ErrNotFound when the archive is
// gone. The caller closes it.
func (r *Registry) OpenCode(sha, expires, signature string) (io.ReadCloser, int64, error) {
	at, err := strconv.ParseInt(expires, 10, 64)
	if !hmac.Equal([]byte(r.sign(sha, expires)), []byte(signature)) || err != nil {
		return nil, 0, refuse(ErrLocation, "The code location is not valid.")
	}
	if r.now().Unix() > at {
		return nil, 0, refuse(ErrLocation, "The code location has expired.")
	}
	f, err := r.blobs.Open(sha)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, 0, refuse(ErrNotFound, "The code is no longer there.")
	}
	if err != nil {
		return nil, 0, err
	}
	st, err := f.Stat()
	if err != nil {
		return nil, 0, err
	}
	return f, st.Size(), nil
}
