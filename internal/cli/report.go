package cli

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// A report is what the platform says of one invocation.
type report struct {
	RequestID string  `json:"request_id"`
	Duration  float64 `json:"duration_ms"`
	Billed    float64 `json:"billed_ms"`
	Memory    float64 `json:"memory_mb"`
	MaxMemory float64 `json:"max_memory_mb"`
	Init      float64 `json:"init_ms,omitempty"` // a cold start
	line      string  // as the platform wrote it, in the text format
}

// String is the REPORT line that users of AWS know, or what a record of the JSON
// format says.
func (r *report) String() string {
	if r.line != "" {
		return r.line
	}
	s := fmt.Sprintf("took %.2f ms, billed %.0f ms, %.0f of %.0f MB", r.Duration, r.Billed, r.MaxMemory, r.Memory)
	if r.Init > 0 {
		s += fmt.Sprintf(", cold start %.2f ms", r.Init)
	}
	return s
}

// splitLog takes a log's tail apart: what the function wrote, and the report,
// in the text or the JSON format. What else the platform wrote says nothing here.
func splitLog(log string) (lines []string, r *report) {
	lines = []string{}
	for l := range strings.SplitSeq(strings.TrimRight(log, "\n"), "\n") {
		switch {
		case strings.HasPrefix(l, "REPORT RequestId: "):
			r = textReport(l)
		case strings.HasPrefix(l, `{"`) && strings.Contains(l, `"platform.`):
			if j := jsonReport(l); j != nil {
				r = j
			}
		case l == "" && r != nil, platformLine(l):
		default:
			lines = append(lines, l)
		}
	}
	if len(lines) == 1 && lines[0] == "" {
		lines = lines[:0]
	}
	return lines, r
}

// platformLine tells whether the platform wrote a line of the text format that
// is no report.
func platformLine(l string) bool {
	return strings.HasPrefix(l, "START RequestId: ") || strings.HasPrefix(l, "END RequestId: ") || strings.HasPrefix(l, "INIT_START ")
}

func textReport(line string) *report {
	number := func(name string) float64 {
		m := regexp.MustCompile(`(?:^|\t)` + name + `: ([0-9.]+) `).FindStringSubmatch(line + " ")
		if m == nil {
			return 0
		}
		n, _ := strconv.ParseFloat(m[1], 64)
		return n
	}
	r := &report{
		Duration: number("Duration"), Billed: number("Billed Duration"), Memory: number("Memory Size"),
		MaxMemory: number("Max Memory Used"), Init: number("Init Duration"), line: strings.TrimRight(line, "\t\r"),
	}
	r.RequestID, _, _ = strings.Cut(strings.TrimPrefix(line, "REPORT RequestId: "), "\t")
	return r
}

// jsonReport reads a platform.report record; nil for another one.
func jsonReport(line string) *report {
	var rec struct {
		Type   string `json:"type"`
		Record struct {
			RequestID string `json:"requestId"`
			Metrics   struct {
				Duration  float64 `json:"durationMs"`
				Billed    float64 `json:"billedDurationMs"`
				Memory    float64 `json:"memorySizeMB"`
				MaxMemory float64 `json:"maxMemoryUsedMB"`
				Init      float64 `json:"initDurationMs"`
			} `json:"metrics"`
		} `json:"record"`
	}
	if json.Unmarshal([]byte(line), &rec) != nil || rec.Type != "platform.report" {
		return nil
	}
	m := rec.Record.Metrics
	return &report{RequestID: rec.Record.RequestID, Duration: m.Duration, Billed: m.Billed, Memory: m.Memory, MaxMemory: m.MaxMemory, Init: m.Init}
}
