package lambda

import (
	"encoding/binary"
	"hash/crc32"
)

// frame is a message of an AWS event stream: two lengths and their checksum,
// headers, payload, and the checksum of it all.
//
// https://smithy.io/2.0/aws/amazon-eventstream.html
func frame(event, contentType string, payload []byte) []byte {
	var headers []byte
	for _, h := range [][2]string{{":message-type", "event"}, {":event-type", event}, {":content-type", contentType}} {
		const isString = 7
		headers = append(headers, byte(len(h[0])))
		headers = append(headers, h[0]...)
		headers = append(headers, isString)
		headers = binary.BigEndian.AppendUint16(headers, uint16(len(h[1])))
		headers = append(headers, h[1]...)
	}
	const around = 16 // lengths and checksums
	b := make([]byte, 0, around+len(headers)+len(payload))
	b = binary.BigEndian.AppendUint32(b, uint32(around+len(headers)+len(payload)))
	b = binary.BigEndian.AppendUint32(b, uint32(len(headers)))
	b = binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b))
	b = append(append(b, headers...), payload...)
	return binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b))
}
