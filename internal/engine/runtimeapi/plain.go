package runtimeapi

import (
	"bytes"
	"net/http"
	"strconv"
	"strings"
)

// A requestHead is what the head of a plain request says: one that says nothing
// that could be read in two ways, nor anything that is not known here to be of no
// consequence. All others are for net/http to judge.
type requestHead struct {
	verb    string // "next", "response" or "error"
	id      string // of the invocation
	header  http.Header
	length  int64 // of the body; -1 for not said
	chunked bool
	hosts   int
}

const (
	nextLine = "GET " + base + "invocation/next HTTP/1.1"
	postLine = "POST " + base + "invocation/"
	lineEnd  = " HTTP/1.1"
)

// methodFits tells whether what begins with b may be a plain request.
func methodFits(b []byte) bool {
	fits := func(line string) bool {
		n := min(len(b), len(line))
		return string(b[:n]) == line[:n]
	}
	return fits(nextLine) || fits(postLine)
}

// parse reads a head, each of its lines with its end. It returns false for
// whatever is not plain.
func (h *requestHead) parse(b []byte) bool {
	line, rest, _ := bytes.Cut(b, []byte("\r\n"))
	clear(h.header)
	*h = requestHead{header: h.header, length: -1}
	if h.header == nil {
		h.header = http.Header{}
	}
	if !h.parseLine(string(line)) {
		return false
	}
	for len(rest) > 0 {
		line, rest, _ = bytes.Cut(rest, []byte("\r\n"))
		name, value, ok := parseField(line)
		if !ok || !h.field(name, value) {
			return false
		}
	}
	switch {
	case h.hosts != 1:
		return false
	case h.verb == "next":
		return h.length <= 0 && !h.chunked
	}
	return h.chunked != (h.length >= 0)
}

// parseLine reads the line that says what is asked for.
func (h *requestHead) parseLine(line string) bool {
	if line == nextLine {
		h.verb = "next"
		return true
	}
	path, ok := strings.CutPrefix(line, postLine)
	path, ends := strings.CutSuffix(path, lineEnd)
	h.id, h.verb, _ = strings.Cut(path, "/")
	return ok && ends && isName(h.id) && (h.verb == "response" || h.verb == "error")
}

// field takes note of a header; false when it is not plain.
func (h *requestHead) field(name, value string) bool {
	switch name {
	case "Host":
		h.hosts++
		return isHost(value)
	case "Content-Length":
		n, err := strconv.ParseUint(value, 10, 62)
		if err != nil || h.length >= 0 {
			return false
		}
		h.length = int64(n)
	case "Transfer-Encoding":
		if h.chunked || value != "chunked" {
			return false
		}
		h.chunked = true
	case "Trailer":
		return areTrailers(value)
	case "Connection":
		return strings.EqualFold(value, "keep-alive")
	case "Expect", "Upgrade":
		return false
	case "Content-Type", headerErrorType, headerErrorBody, headerMode, headerAttempt:
		if len(h.header[name]) > 0 {
			return false
		}
		h.header[name] = []string{value}
	}
	return true
}

// parseField reads a line "Name: value".
func parseField(line []byte) (name, value string, ok bool) {
	i := max(0, bytes.IndexByte(line, ':'))
	name = string(line[:i])
	if !isName(name) {
		return "", "", false
	}
	text := bytes.Trim(line[i+1:], " \t")
	for _, c := range text {
		if c < ' ' && c != '\t' || c == 0x7f {
			return "", "", false
		}
	}
	return http.CanonicalHeaderKey(name), string(text), true
}

// isName tells whether s is a word that means itself wherever it stands.
func isName(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool { return !isWord(r) })
}

func isHost(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool { return !isWord(r) && r != '.' && r != ':' })
}

func isWord(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_'
}

// areTrailers tells whether value names no trailer but those that the API has.
func areTrailers(value string) bool {
	for name := range strings.SplitSeq(value, ",") {
		switch http.CanonicalHeaderKey(strings.Trim(name, " \t")) {
		case headerErrorType, headerErrorBody:
		default:
			return false
		}
	}
	return true
}
