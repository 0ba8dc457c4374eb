package runtimeapi

import (
	"encoding/binary"
	"strconv"
	"strings"
	"unicode/utf8"
)

// appendInvocation appends the frame that brings t, but for its payload.
func appendInvocation(b []byte, t *turn) []byte {
	const prefix = 4 + 1 + 4
	b = append(b, "....I....{"...)
	b = appendField(b, "lambda-runtime-aws-request-id", t.ID)
	b = append(b, `"lambda-runtime-deadline-ms":"`...)
	b = append(strconv.AppendInt(b, t.Deadline.UnixMilli(), 10), `",`...)
	b = appendField(b, "lambda-runtime-invoked-function-arn", t.InvokedARN)
	b = appendField(b, "lambda-runtime-trace-id", t.TraceHeader)
	b = appendField(b, "lambda-runtime-client-context", t.ClientContext)
	b = appendField(b, "lambda-runtime-cognito-identity", t.Identity)
	b = appendField(b, "lambda-runtime-aws-tenant-id", t.Tenant)
	b = appendField(b, "lambda-runtime-invocation-id", t.Attempt)
	b = append(b, `"limit":`...)
	b = append(strconv.AppendInt(b, t.Limit, 10), '}')
	binary.LittleEndian.PutUint32(b, uint32(len(b)-4+len(t.Payload)))
	binary.LittleEndian.PutUint32(b[prefix-4:], uint32(len(b)-prefix))
	return b
}

// appendField appends a member of the head, unless its value is empty.
func appendField(b []byte, name, value string) []byte {
	if value == "" {
		return b
	}
	b = append(append(append(b, '"'), name...), `":"`...)
	if !utf8.ValidString(value) {
		value = strings.ToValidUTF8(value, "\ufffd")
	}
	return append(appendEscaped(b, value), `",`...)
}

// appendEscaped appends s as it stands in a JSON string.
func appendEscaped(b []byte, s string) []byte {
	const hex = "0123456789abcdef"
	from := 0
	for i := range len(s) {
		c := s[i]
		if c >= ' ' && c != '"' && c != '\\' {
			continue
		}
		b = append(b, s[from:i]...)
		from = i + 1
		if c < ' ' {
			b = append(b, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		} else {
			b = append(b, '\\', c)
		}
	}
	return append(b, s[from:]...)
}
