package engine

import (
	"encoding/json"
	"time"

	"github.com/mayfly-faas/mayfly/internal/engine/extension"
	"github.com/mayfly-faas/mayfly/internal/engine/runtimeapi"
	"github.com/mayfly-faas/mayfly/internal/engine/telemetry"
)

// This file writes the platform's log lines in JSON form, for functions whose
// log format is JSON, as far as the system log level lets them; and all of them for
// extensions that subscribed to telemetry.
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

// records reports whether anybody may want a platform event.
func (i *instance) records() bool { return i.u.Log.JSON || i.telemetry.Wanted() }

// record writes a platform event: to the log if its level is high enough, and to who
// subscribed.
func (i *instance) record(lvl int, kind string, record any) {
	logged := i.u.Log.JSON && lvl >= level(i.u.Log.SystemLevel)
	if !logged && !i.telemetry.Wanted() {
		return
	}
	b, err := json.Marshal(record)
	if err != nil {
		panic("engine: record " + kind + ": " + err.Error()) // the records are ours, and all of them can be encoded
	}
	now := time.Now()
	i.telemetry.Publish(telemetry.Event{Time: now, Category: telemetry.Platform, Kind: "platform." + kind, Record: b})
	if logged {
		i.log.Line(`{"time":"` + iso(now) + `","type":"platform.` + kind + `","record":` + string(b) + "}\n")
	}
}

// iso is a time as AWS writes it.
func iso(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

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

func (i *instance) recordInitRuntimeDone(phase string, f *fault) {
	i.record(severity(f, debug), "initRuntimeDone", initDone{i.initType(), phase, statusOf(f), errorTypeOf(f), nil})
}

func (i *instance) recordInitReport(phase string, took time.Duration, f *fault) {
	lvl := debug
	if i.provisioned {
		lvl = info
	}
	i.record(severity(f, lvl), "initReport",
		initDone{i.initType(), phase, statusOf(f), errorTypeOf(f), &metrics{DurationMS: round(took)}})
}

func (i *instance) recordExtension(x extension.Info) {
	lvl := info
	if x.ErrorType != "" {
		lvl = warn
	}
	i.record(lvl, "extension", struct {
		Name      string   `json:"name"`
		State     string   `json:"state"`
		Events    []string `json:"events"`
		ErrorType string   `json:"errorType,omitempty"`
	}{x.Name, x.State, append([]string{}, x.Events...), x.ErrorType})
}

// recordSubscription writes a subscription by the API called Telemetry or Logs.
func (i *instance) recordSubscription(name, api string, types []string) {
	kind := "telemetrySubscription"
	if api == "Logs" {
		kind = "logsSubscription"
	}
	i.record(info, kind, struct {
		Name  string   `json:"name"`
		State string   `json:"state"`
		Types []string `json:"types"`
	}{name, "Subscribed", types})
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

// A span is a part of an invocation's time.
type span struct {
	Name       string  `json:"name"`
	Start      string  `json:"start"`
	DurationMS float64 `json:"durationMs"`
}

// spans notes what the runtime took its time for.
func (in *invocation) spans(res *runtimeapi.Result) {
	if res.First.IsZero() {
		return
	}
	end := in.start.Add(in.done)
	in.parts = []span{
		{"responseLatency", iso(in.start), round(res.First.Sub(in.start))},
		{"responseDuration", iso(res.First), round(max(0, res.Last.Sub(res.First)))},
		{"runtimeOverhead", iso(res.Last), round(max(0, end.Sub(res.Last)))},
	}
}

type invokeDone struct {
	RequestID string   `json:"requestId"`
	Status    status   `json:"status"`
	ErrorType string   `json:"errorType,omitempty"`
	Metrics   metrics  `json:"metrics"`
	Spans     []span   `json:"spans,omitempty"`
	Tracing   *tracing `json:"tracing,omitempty"`
}

func (in *invocation) recordRuntimeDone() {
	f, took := in.verdict(), in.report.Duration
	if in.extended {
		took = in.done
	}
	in.record(severity(f, debug), "runtimeDone", invokeDone{in.c.RequestID, statusOf(f), errorTypeOf(f),
		metrics{DurationMS: round(took), ProducedBytes: &in.produced}, in.parts, tracingOf(in.c.TraceHeader)})
}

func (in *invocation) recordEnd() {
	f, r := in.verdict(), in.report
	if in.telemetry.Wanted() { // it is of the Logs API alone
		record, _ := json.Marshal(map[string]string{"requestId": in.c.RequestID}) // of strings: cannot fail
		in.telemetry.Publish(telemetry.Event{Time: time.Now(), Category: telemetry.Platform, Kind: "platform.end", Record: record})
	}
	d := invokeDone{in.c.RequestID, statusOf(f), errorTypeOf(f), metrics{DurationMS: round(r.Duration),
		BilledDurationMS: r.BilledMS, MemorySizeMB: in.u.MemoryMB, MaxMemoryUsedMB: &r.MaxMemoryMB, InitDurationMS: round(r.Init)},
		nil, tracingOf(in.c.TraceHeader)}
	if in.done > 0 && r.Duration > in.done {
		d.Spans = []span{{"extensionOverhead", iso(in.start.Add(in.done)), round(r.Duration - in.done)}}
	}
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
