package sigv4

import (
	"bufio"
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"hash"
	"io"
	"net/http"
	"strconv"
	"strings"
)

// chunks reads a body in aws-chunked encoding, and checks it as it goes:
//
//	SIZE;chunk-signature=SIGNATURE CRLF data CRLF ... 0;chunk-signature=SIGNATURE CRLF trailers CRLF
//
// Data is handed out before its chunk's signature is known to be right; a
// wrong one is an error in place of io.EOF.
//
// https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html
type chunks struct {
	mode     mode
	key      []byte
	claim    *claim
	previous string // signature of the chunk before, in hex

	body     io.ReadCloser
	in       *bufio.Reader
	left     int64 // of this chunk
	begun    bool
	hash     hash.Hash // of this chunk
	wanted   []byte    // its signature
	got      int64     // of all chunks
	length   int64     // as announced; -1 if it was not
	checksum *checksum
	err      error
}

// maxLine bounds a chunk's head and a trailer.
const maxLine = 4 << 10

var errChunk error = refuse("IncompleteSignatureException", "The request's chunked body is malformed.")

func (c *chunks) open(r *http.Request) {
	c.body = r.Body
	c.in = bufio.NewReaderSize(r.Body, 32<<10)
	c.hash = sha256.New()
	c.length = -1
	if n, err := strconv.ParseInt(r.Header.Get("X-Amz-Decoded-Content-Length"), 10, 64); err == nil {
		c.length = n
	}
	if c.mode.trailer {
		c.checksum = newChecksum(r.Header.Get("X-Amz-Trailer"))
	}
}

func (c *chunks) Close() error { return c.body.Close() }

func (c *chunks) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for c.err == nil && c.left == 0 {
		c.err = c.next()
	}
	if c.err != nil {
		return 0, c.err
	}
	n, err := c.in.Read(p[:min(int64(len(p)), c.left)])
	c.left -= int64(n)
	c.got += int64(n)
	c.hash.Write(p[:n])
	c.checksum.write(p[:n])
	if err != nil {
		c.err = unexpected(err)
		return n, c.err
	}
	return n, nil
}

// unexpected is err for a place where the body must go on.
func unexpected(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errChunk
	}
	return err
}

// next ends the chunk that was read, and begins the next one. After the last it is io.EOF.
func (c *chunks) next() error {
	if c.begun {
		if err := c.endData(); err != nil {
			return err
		}
	}
	c.begun = true
	if err := c.head(); err != nil {
		return err
	}
	if c.left > 0 {
		return nil
	}
	if err := c.verifyChunk(); err != nil {
		return err
	}
	if err := c.trailers(); err != nil {
		return err
	}
	if c.length >= 0 && c.got != c.length {
		return refuse("IncompleteSignatureException", "The body is not as long as x-amz-decoded-content-length says.")
	}
	return io.EOF
}

// endData reads the CRLF behind a chunk's data, and checks the chunk.
func (c *chunks) endData() error {
	line, err := c.line()
	if err != nil {
		return err
	}
	if line != "" {
		return errChunk
	}
	return c.verifyChunk()
}

// head reads the line before a chunk's data.
func (c *chunks) head() error {
	line, err := c.line()
	if err != nil {
		return err
	}
	size, ext, _ := strings.Cut(line, ";")
	n, err := strconv.ParseUint(size, 16, 63)
	if err != nil {
		return errChunk
	}
	c.left = int64(n)
	c.hash.Reset()
	if !c.mode.signed {
		return nil
	}
	signature, ok := strings.CutPrefix(ext, "chunk-signature=")
	if c.wanted, err = hex.DecodeString(signature); err != nil || !ok {
		return errChunk
	}
	return nil
}

func (c *chunks) verifyChunk() error {
	if !c.mode.signed {
		return nil
	}
	text := algorithm + "-PAYLOAD\n" + c.claim.date.Format(timeFormat) + "\n" + c.claim.scope.String() + "\n" +
		c.previous + "\n" + hexSum("") + "\n" + hexOf(c.hash.Sum(nil))
	return c.compare(text, c.wanted)
}

// compare checks the signature of text, which the next one builds on.
func (c *chunks) compare(text string, signature []byte) error {
	made := mac(c.key, []byte(text))
	if !hmac.Equal(made, signature) {
		return refuse("InvalidSignatureException",
			"The chunk signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method.")
	}
	c.previous = hexOf(made)
	return nil
}

// trailers reads what follows the last chunk: headers, and their signature.
func (c *chunks) trailers() error {
	var signed bytes.Buffer
	var signature string
	for {
		line, err := c.line()
		if err == errChunk && !c.mode.trailer {
			break // some clients leave out the last CRLF
		}
		if err != nil {
			return err
		}
		if line == "" {
			break
		}
		name, value, ok := strings.Cut(line, ":")
		name, value = strings.ToLower(strings.TrimSpace(name)), strings.TrimSpace(value)
		switch {
		case !ok || !c.mode.trailer || signed.Len() > maxLine:
			return errChunk
		case name == "x-amz-trailer-signature":
			signature = value
		default:
			signed.WriteString(name + ":" + value + "\n")
			if err := c.checksum.compare(name, value); err != nil {
				return err
			}
		}
	}
	return c.verifyTrailers(signed.String(), signature)
}

func (c *chunks) verifyTrailers(text, signature string) error {
	if !c.mode.trailer {
		return nil
	}
	if err := c.checksum.missing(); err != nil {
		return err
	}
	if !c.mode.signed {
		return nil
	}
	wanted, err := hex.DecodeString(signature)
	if err != nil {
		return errChunk
	}
	return c.compare(algorithm+"-TRAILER\n"+c.claim.date.Format(timeFormat)+"\n"+c.claim.scope.String()+"\n"+
		c.previous+"\n"+hexSum(text), wanted)
}

// line reads up to CRLF, which is left out. The reader's buffer bounds it.
func (c *chunks) line() (string, error) {
	b, err := c.in.ReadSlice('\n')
	switch {
	case err == bufio.ErrBufferFull || len(b) > maxLine:
		return "", errChunk
	case err != nil:
		return "", unexpected(err)
	}
	return strings.TrimSuffix(string(b[:len(b)-1]), "\r"), nil
}
