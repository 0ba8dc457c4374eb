// Package telemetry brings what happens in a sandbox to the extensions in it that
// subscribed: the Telemetry API, and the Logs API before it. It keeps events until
// a batch of them is due, and delivers batches in order, each until it is taken. It
// speaks no HTTP and knows no sandbox: who makes a Hub says how a batch is sent.
//
// https://docs.aws.amazon.com/lambda/latest/dg/telemetry-api.html
package telemetry

import (
	"bytes"
	"encoding/json"
	"strings"
	"time"
)

// The categories that an extension can subscribe to.
const (
	Platform  = "platform"
	Function  = "function"
	Extension = "extension"
)

// An Event is one thing that happened.
type Event struct {
	Time     time.Time
	Category string
	Kind     string // of the platform's: "platform.start"
	Record   []byte // of the platform's: JSON
	Line     string // of the others: what was written, without its line feed
	JSON     bool   // the function's log format is JSON: Line may be an object
}

// timeForm is how AWS writes times.
const timeForm = "2006-01-02T15:04:05.000Z"

// appendTo appends e as a subscription with schema sees it. It returns b as it is
// when the schema has no such event.
func (e *Event) appendTo(b []byte, schema string) []byte {
	kind, record := e.Kind, e.Record
	if e.Category != Platform {
		kind, record = e.Category, e.text(schema)
	} else if !schemaHas(schema, kind) {
		return b
	}
	b = append(b, `{"time":"`...)
	b = e.Time.UTC().AppendFormat(b, timeForm)
	b = append(append(b, `","type":"`...), kind...)
	b = append(append(b, `","record":`...), record...)
	return append(b, '}')
}

// text is a line as JSON: a string, or the object that it is, in schemas that have
// that.
func (e *Event) text(schema string) []byte {
	var b bytes.Buffer
	if e.JSON && schema >= structured && strings.HasPrefix(e.Line, "{") && json.Compact(&b, []byte(e.Line)) == nil {
		return b.Bytes()
	}
	b.Reset()
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(e.Line); err != nil {
		panic("telemetry: a string cannot be encoded: " + err.Error())
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

// The schemas. Those of the Logs API are older than those of the Telemetry API.
const (
	firstLogs  = "2020-08-15"
	secondLogs = "2021-03-18"
	first      = "2022-07-01"
	structured = "2022-12-13" // JSON logs are objects from here on
	latest     = "2025-01-29"
)

// schemaHas tells whether a schema has a kind of the platform's events.
func schemaHas(schema, kind string) bool {
	logs := schema < first
	switch kind {
	case "platform.end", "platform.logsSubscription":
		return logs
	case "platform.telemetrySubscription":
		return !logs
	case "platform.runtimeDone", "platform.initStart", "platform.initRuntimeDone", "platform.initReport":
		return schema >= secondLogs
	}
	return true
}
