package main

import (
	"context"
	"encoding/base64"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/lambda"
)

// breath is the pause before each cold start.
const breath = 100 * time.Millisecond

func cold(ctx context.Context, l *lab) error { return l.coldRows(ctx, "cold/") }

// coldAlone is cold on a server that keeps nothing ready.
func coldAlone(ctx context.Context, l *lab) error {
	other, err := startServer(l.bin, l.tmp, "--blanks-mb", "-1")
	if err != nil {
		return err
	}
	defer other.close()
	alone := *l
	alone.server, alone.dir = other, other.dir
	alone.api = lambda.NewFromConfig(alone.config())
	return alone.coldRows(ctx, "alone/")
}

func (l *lab) coldRows(ctx context.Context, prefix string) error {
	for _, lang := range l.langs {
		f := function{name: "cold-" + lang.name, lang: lang}
		bare := func() (float64, error) { return bareStart(lang.bare) }
		if err := l.coldRow(ctx, prefix+lang.name, f, commandName(lang.bare), bare); err != nil {
			return err
		}
	}
	return nil
}

// coldSDK is of a Python function that imports boto3, which the server has for
// all functions; the rival imports the very same.
func coldSDK(ctx context.Context, l *lab) error {
	sdk := filepath.Join(l.dir, "runtimes", "python-sdk")
	for _, lang := range l.langs {
		if lang.name != "python" {
			continue
		}
		if !isFile(sdk) {
			l.report.skip(l.out, "cold with boto3: it is not in .cache/venv (run e2e/setup.sh)")
			return nil
		}
		f := function{name: "sdk-python", lang: lang, files: map[string]string{"app.py": source("functions/sdk.py")}}
		command := []string{lang.interpreter, "-c", "import boto3"}
		bare := func() (float64, error) { return bareStart(command, "PYTHONPATH="+sdk) }
		return l.coldRow(ctx, "sdk/python", f, commandName(command), bare)
	}
	return nil
}

func commandName(command []string) string {
	return strings.Join(append([]string{filepath.Base(command[0])}, command[1:]...), " ") + ", start to exit"
}

// coldRow measures first calls of versions that are new each time, in turn with
// the bare start.
func (l *lab) coldRow(ctx context.Context, id string, f function, bareName string, bare func() (float64, error)) error {
	if err := l.deploy(ctx, f); err != nil {
		return err
	}
	defer l.remove(context.WithoutCancel(ctx), f.name)
	var ours, theirs []float64
	for range l.size.cold {
		took, _, err := l.firstCall(ctx, f, nil)
		if err != nil {
			return err
		}
		ours = append(ours, took)
		if took, err = bare(); err != nil {
			return err
		}
		theirs = append(theirs, took)
	}
	row := Row{ID: id, Ours: measureOf(f.lang.runtime+" 128 MB, first call", ours), Rivals: []Measure{measureOf(bareName, theirs)}}
	facts, err := l.coldSteps(ctx, f)
	if err != nil {
		return err
	}
	row.Facts = facts
	l.report.add(l.out, row)
	return nil
}

// firstCall publishes new code and calls it for the first time.
func (l *lab) firstCall(ctx context.Context, f function, headers map[string]string) (took float64, a answer, err error) {
	version, err := l.renew(ctx, f)
	if err != nil {
		return 0, a, err
	}
	rest(ctx, breath)
	c, err := l.server.dial("lambda")
	if err != nil {
		return 0, a, err
	}
	defer c.close()
	to, sent := invoke(l.server.host, f.name, version, headers), event(nil, 0, 1, 40)
	began := time.Now()
	a, err = c.post(to, sent)
	took = millis(time.Since(began))
	if err == nil && (a.Status != 200 || string(a.Body) != string(sent)) {
		err = fmt.Errorf("status %d: %.300s", a.Status, a.Body)
	}
	return took, a, err
}

// coldSteps says what a cold start is made of, by the REPORT lines of some
// more: they come with the answer, which costs a little and so is not measured
// in the row.
func (l *lab) coldSteps(ctx context.Context, f function) ([]Fact, error) {
	steps := map[string][]float64{}
	for range max(5, l.size.cold/4) {
		took, a, err := l.firstCall(ctx, f, map[string]string{"x-amz-log-type": "Tail"})
		if err != nil {
			return nil, err
		}
		text, err := base64.StdEncoding.DecodeString(a.Log)
		if err != nil {
			return nil, err
		}
		start, run := reported(string(text), "Init Duration"), reported(string(text), "Duration")
		steps["init (REPORT)"] = append(steps["init (REPORT)"], start)
		steps["handler (REPORT)"] = append(steps["handler (REPORT)"], run)
		steps["all else"] = append(steps["all else"], took-start-run)
	}
	var facts []Fact
	for _, name := range []string{"init (REPORT)", "handler (REPORT)", "all else"} {
		facts = append(facts, Fact{name + ", p50", quantile(slices.Sorted(slices.Values(steps[name])), .5).Value, "ms"})
	}
	return facts, nil
}

var reportPart = regexp.MustCompile(`\t(Init Duration|Duration): ([0-9.]+) ms`)

// reported is a time of the REPORT line in a log.
func reported(log, name string) float64 {
	at := strings.LastIndex(log, "REPORT RequestId")
	if at < 0 {
		return 0
	}
	for _, m := range reportPart.FindAllStringSubmatch(log[at:], -1) {
		if m[1] == name {
			ms, _ := strconv.ParseFloat(m[2], 64)
			return ms
		}
	}
	return 0
}
