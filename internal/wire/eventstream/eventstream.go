// Package eventstream writes the messages of AWS's event streams: answers that
// are sent piece by piece.
//
// https://smithy.io/2.0/aws/amazon-eventstream.html
package eventstream

import (
	"encoding/binary"
	"hash/crc32"
)

// Type is the media type of an event stream.
const Type = "application/vnd.amazon.eventstream"

// Headers are what says what a message is, as they stand in it: each header is
// the length of its name, the name, 7 for a string, the length of it, the string.
func Headers(pairs ...string) string {
	var b []byte
	for i := 0; i+1 < len(pairs); i += 2 {
		b = append(append(b, byte(len(pairs[i]))), pairs[i]...)
		b = binary.BigEndian.AppendUint16(append(b, 7), uint16(len(pairs[i+1])))
		b = append(b, pairs[i+1]...)
	}
	return string(b)
}

// Event are the headers of an event of that name.
func Event(name, contentType string) string {
	return Headers(":message-type", "event", ":event-type", name, ":content-type", contentType)
}

// Exception are the headers of an error that the model knows, after which
// nothing follows.
func Exception(code, contentType string) string {
	return Headers(":message-type", "exception", ":exception-type", code, ":content-type", contentType)
}

// Append appends a message: two lengths and their checksum, headers, payload,
// and the checksum of it all.
func Append(b []byte, headers string, payload []byte) []byte {
	const around = 16 // lengths and checksums
	from := len(b)
	b = binary.BigEndian.AppendUint32(b, uint32(around+len(headers)+len(payload)))
	b = binary.BigEndian.AppendUint32(b, uint32(len(headers)))
	b = binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b[from:]))
	b = append(append(b, headers...), payload...)
	return binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b[from:]))
}
