package engine

import (
	"encoding/json"
	"time"
)

// This file writes the platform's log lines in JSON form, for functions whose
// log format is JSON, as far as the system log level lets them.
// https://docs.aws.amazon.com/lambda/latest/dg/telemetry-schema-reference.html

// levels are the system log levels in their order.
const (
	debug = iota
	info
	warn
)

func level(name string) int {
	switch name {
	case "DEBUG":
		return debug
	case "WARN":
		return warn
	}
	return info
}

// record writes a platform event if its level is high enough.
func (i *instance) record(lvl int, kind string, record any) {
	if lvl < level(i.u.Log.SystemLevel) {
		return
	}
	b, err := json.Marshal(struct {
		Time   string `json:"time"`
		Type   string `json:"type"`
		Record any    `json:"record"`
	}{time.Now().UTC().Format("2006-01-02T15:04:05.000Z"), "platform." + kind, record})
	if err != nil {
		panic("engine: record " + kind + ": " + err.Error()) // the records are ours, and all of them can be encoded
	}
	i.log.Line(string(b) + "\n")
}

// severity is the level of an event that is worse when there is a fault.
func severity(f *fault, otherwise int) int {
	if f != nil {
		return warn
	}
	return otherwise
}

type initStart struct {
	InitializationType string `json:"initializationType"`
	Phase              string `json:"phase"`
	FunctionName       string `json:"functionName"`
	FunctionVersion    string `json:"functionVersion"`
	InstanceID         string `json:"instanceId"`
	InstanceMaxMemory  int64  `json:"instanceMaxMemory"`
	RuntimeVersion     string `json:"runtimeVersion"`
	RuntimeVersionARN  string `json:"runtimeVersionArn"`
}

func (i *instance) recordInitStart(phase string) {
	i.record(info, "initStart", initStart{i.initType(), phase, i.u.Function, i.u.Version, i.log.Name(),
		int64(i.u.MemoryMB) << 20, runtimeVersion(i.u), runtimeARN(i.u)})
}

type initDone struct {
	InitializationType string   `json:"initializationType"`
	Phase              string   `json:"phase"`
	Status             status   `json:"status"`
	ErrorType          string   `json:"errorType,omitempty"`
	Metrics            *metrics `json:"metrics,omitempty"`
}

func (i *instance) recordInitDone(phase string, took time.Duration, f *fault) {
	d := initDone{i.initType(), phase, statusOf(f), errorTypeOf(f), nil}
	i.record(severity(f, debug), "initRuntimeDone", d)
	d.Metrics = &metrics{DurationMS: round(took)}
	lvl := debug
	if i.provisioned {
		lvl = info
	}
	i.record(severity(f, lvl), "initReport", d)
}

type tracing struct {
	SpanID string `json:"spanId,omitempty"`
	Type   string `json:"type"`
	Value  string `json:"value"`
}

func tracingOf(header string) *tracing {
	if header == "" {
		return nil
	}
	return &tracing{Type: "X-Amzn-Trace-Id", Value: header}
}

type invokeStart struct {
	RequestID string   `json:"requestId"`
	Version   string   `json:"version"`
	Tracing   *tracing `json:"tracing,omitempty"`
}

func (in *invocation) recordStart() {
	in.record(info, "start", invokeStart{in.c.RequestID, in.u.Version, tracingOf(in.c.TraceHeader)})
}

type metrics struct {
	DurationMS       float64 `json:"durationMs"`
	ProducedBytes    *int64  `json:"producedBytes,omitempty"`
	BilledDurationMS int64   `json:"billedDurationMs,omitempty"`
	MemorySizeMB     int     `json:"memorySizeMB,omitempty"`
	MaxMemoryUsedMB  *int    `json:"maxMemoryUsedMB,omitempty"`
	InitDurationMS   float64 `json:"initDurationMs,omitempty"`
}

type invokeDone struct {
	RequestID string   `json:"requestId"`
	Status    status   `json:"status"`
	ErrorType string   `json:"errorType,omitempty"`
	Metrics   metrics  `json:"metrics"`
	Tracing   *tracing `json:"tracing,omitempty"`
}

func (in *invocation) recordEnd() {
	f, r := in.verdict(), in.report
	d := invokeDone{in.c.RequestID, statusOf(f), errorTypeOf(f),
		metrics{DurationMS: round(r.Duration), ProducedBytes: &in.produced}, tracingOf(in.c.TraceHeader)}
	in.record(severity(f, debug), "runtimeDone", d)
	d.Metrics = metrics{DurationMS: round(r.Duration), BilledDurationMS: r.BilledMS, MemorySizeMB: in.u.MemoryMB,
		MaxMemoryUsedMB: &r.MaxMemoryMB, InitDurationMS: round(r.Init)}
	in.record(severity(f, info), "report", d)
}

func statusOf(f *fault) status {
	if f == nil {
		return success
	}
	return f.status
}

func errorTypeOf(f *fault) string {
	if f == nil || f.status == late {
		return ""
	}
	return f.logKind()
}

// round gives milliseconds with three decimals, as AWS does.
func round(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
