package engine

import (
	"crypto/sha256"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/mayfly-faas/mayfly/internal/engine/blank"
)

// This file writes the platform's log lines in text form; records.go is the
// same in JSON. https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs-view.html

func (i *instance) logInitStart(phase string) {
	if i.records() {
		i.recordInitStart(phase)
	}
	if i.u.Log.JSON {
		return
	}
	i.log.Line(fmt.Sprintf("INIT_START Runtime Version: %s\tRuntime Version ARN: %s\n", runtimeVersion(i.u), runtimeARN(i.u)))
}

// logInitDone writes how initialisation ended. AWS does not say so when it is
// on demand and went well.
func (i *instance) logInitDone(phase string, took time.Duration, f *fault) {
	if i.records() {
		i.recordInitRuntimeDone(phase, f)
	}
	i.logExtensions()
	if i.records() {
		i.recordInitReport(phase, took, f)
	}
	if i.u.Log.JSON {
		return
	}
	if f == nil && !i.provisioned {
		return
	}
	line := fmt.Sprintf("INIT_REPORT Init Duration: %.2f ms\tPhase: %s", ms(took), phase)
	if f != nil {
		line += f.statusFields()
	}
	i.log.Line(line + "\n")
}

// logExtensions writes what has become of each extension.
func (i *instance) logExtensions() {
	for _, x := range i.api.Extensions().Infos() {
		if i.records() {
			i.recordExtension(x)
		}
		if i.u.Log.JSON {
			continue
		}
		line := fmt.Sprintf("EXTENSION\tName: %s\tState: %s\tEvents: [%s]", x.Name, x.State, strings.Join(x.Events, ", "))
		if x.ErrorType != "" {
			line += "\tError Type: " + x.ErrorType
		}
		i.log.Line(line + "\n")
	}
}

// logSubscription writes that an extension has subscribed to telemetry, by the API
// that is called Telemetry or Logs.
func (i *instance) logSubscription(name, api string, types []string) {
	i.recordSubscription(name, api, types)
	if i.u.Log.JSON {
		return
	}
	var titles []string
	for _, t := range types {
		titles = append(titles, strings.ToUpper(t[:1])+t[1:])
	}
	i.log.Line(fmt.Sprintf("%s\tName: %s\tState: Subscribed\tTypes: [%s]\n", strings.ToUpper(api), name, strings.Join(titles, ", ")))
}

func (in *invocation) logStart() {
	if in.records() {
		in.recordStart()
	}
	if in.u.Log.JSON {
		return
	}
	in.log.Line("START RequestId: " + in.c.RequestID + " Version: " + in.u.Version + "\n")
}

// logRuntimeDone writes that the runtime is done. Where there are extensions, that
// is before the end.
func (in *invocation) logRuntimeDone() {
	if in.records() && !in.told {
		in.recordRuntimeDone()
	}
	in.told = true
}

// logEnd writes what is to be said after the code's last line.
func (in *invocation) logEnd() {
	in.logRuntimeDone()
	if in.records() {
		in.recordEnd()
	}
	if in.u.Log.JSON {
		return
	}
	id := in.c.RequestID
	switch f := in.ending; {
	case f == nil || f.message == "":
	case f.status == late:
		in.log.Line(time.Now().UTC().Format("2006-01-02T15:04:05.000Z") + " " + id + " " + f.message + "\n\n")
	default:
		in.log.Line("RequestId: " + id + " Error: " + f.message + "\n" + f.kind + "\n")
	}
	in.log.Line("END RequestId: " + id + "\n")
	in.log.Line(in.reportLine())
}

func (in *invocation) reportLine() string {
	r := in.report
	b := make([]byte, 0, 320)
	b = append(b, "REPORT RequestId: "...)
	b = append(b, in.c.RequestID...)
	b = append(b, "\tDuration: "...)
	b = appendMS(b, r.Duration)
	b = append(b, "\tBilled Duration: "...)
	b = strconv.AppendInt(b, r.BilledMS, 10)
	b = append(b, " ms\tMemory Size: "...)
	b = strconv.AppendInt(b, int64(in.u.MemoryMB), 10)
	b = append(b, " MB\tMax Memory Used: "...)
	b = strconv.AppendInt(b, int64(r.MaxMemoryMB), 10)
	b = append(b, " MB"...)
	if r.Init > 0 {
		b = append(b, "\tInit Duration: "...)
		b = appendMS(b, r.Init)
	}
	if f := in.verdict(); f != nil && !f.own() {
		b = append(b, f.statusFields()...)
	} else {
		b = append(b, '\t')
	}
	b = append(b, '\n')
	if root, ok := sampled(in.c.TraceHeader); ok {
		b = fmt.Appendf(b, "XRAY TraceId: %s\tSegmentId: %s\tSampled: true\t\n", root, blank.NewID()[:16])
	}
	return string(b)
}

func appendMS(b []byte, d time.Duration) []byte {
	return append(strconv.AppendFloat(b, ms(d), 'f', 2, 64), " ms"...)
}

// verdict is the fault that the report tells of: that of the runtime rather
// than what the caller heard before it ended.
func (in *invocation) verdict() *fault {
	if in.ending != nil {
		return in.ending
	}
	return in.fault
}

// statusFields end a line that reports a fault.
func (f *fault) statusFields() string {
	if f.status == late {
		return "\tStatus: timeout"
	}
	return "\tStatus: error\tError Type: " + f.logKind()
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// sampled reports whether X-Ray traces the invocation, and as what.
func sampled(trace string) (root string, ok bool) {
	for field := range strings.SplitSeq(trace, ";") {
		switch name, value, _ := strings.Cut(field, "="); name {
		case "Root":
			root = value
		case "Sampled":
			ok = value == "1"
		}
	}
	return root, ok && root != ""
}

// runtimeVersion is a runtime's version in AWS's form, "python:3.13.v1". Ours
// are always the first.
func runtimeVersion(u *Unit) string {
	n := strings.IndexFunc(u.Runtime, func(r rune) bool { return r < 'a' || r > 'z' })
	if n <= 0 {
		return u.Runtime
	}
	name, version := u.Runtime[:n], strings.TrimPrefix(u.Runtime[n:], ".")
	return name + ":" + strings.TrimSuffix(version, ".x") + ".v1"
}

func runtimeARN(u *Unit) string {
	return fmt.Sprintf("arn:aws:lambda:%s::runtime:%x", u.Region, sha256.Sum256([]byte(runtimeVersion(u))))
}
