package lambda

// What comes before a message's payload says what the message is. Each header is
// the length of its name, the name, 7 for a string, the length of it, the string: see package eventstream.
const (
	chunkHeaders = "\x0d:message-type\x07\x00\x05event" + "\x0b:event-type\x07\x00\x0cPayloadChunk" +
		"\x0d:content-type\x07\x00\x18application/octet-stream"
	endHeaders = "\x0d:message-type\x07\x00\x05event" + "\x0b:event-type\x07\x00\x0eInvokeComplete" +
		"\x0d:content-type\x07\x00\x10application/json"
)
