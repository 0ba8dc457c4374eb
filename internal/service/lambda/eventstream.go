package lambda

import (
	"encoding/binary"
	"hash/crc32"
)

// What comes before a message's payload says what the message is. Each header is
// the length of its name, the name, 7 for a string, the length of it, the string.
const (
	chunkHeaders = "\x0d:message-type\x07\x00\x05event" + "\x0b:event-type\x07\x00\x0cPayloadChunk" +
		"\x0d:content-type\x07\x00\x18application/octet-stream"
	endHeaders = "\x0d:message-type\x07\x00\x05event" + "\x0b:event-type\x07\x00\x0eInvokeComplete" +
		"\x0d:content-type\x07\x00\x10application/json"
)

// appendMessage appends a message of an AWS event stream: two lengths and their
// checksum, headers, payload, and the checksum of it all.
//
// https://smithy.io/2.0/aws/amazon-eventstream.html
func appendMessage(b []byte, headers string, payload []byte) []byte {
	const around = 16 // lengths and checksums
	from := len(b)
	b = binary.BigEndian.AppendUint32(b, uint32(around+len(headers)+len(payload)))
	b = binary.BigEndian.AppendUint32(b, uint32(len(headers)))
	b = binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b[from:]))
	b = append(append(b, headers...), payload...)
	return binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b[from:]))
}
