package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
)

// speaking is a function that writes one line for each invocation, the event's.
const speaking = `import os

def handler(event, context):
    if isinstance(event, dict) and event.get("env"):
        return dict(os.environ)
    print("event", event)
    return event
`

// agents are the extension in two languages: what is in the layer, by name.
func agents(t *testing.T) map[string]map[string]string {
	t.Helper()
	program, err := os.ReadFile(compiled(t, "extension"))
	if err != nil {
		t.Fatal(err)
	}
	script, err := os.ReadFile("testdata/extension/agent")
	if err != nil {
		t.Fatal(err)
	}
	return map[string]map[string]string{
		"go": {"+extensions/agent": string(program)}, "python": {"+extensions/agent": string(script)},
	}
}

// observed makes a function with an extension.
func observed(t *testing.T, s *server, c *lambda.Client, name, layer string, env map[string]string) {
	t.Helper()
	zip := zipped(t, map[string]string{"app.py": speaking})
	create(t, c, name, s.pythonRuntime(), "app.handler", zip, func(in *lambda.CreateFunctionInput) {
		in.Layers, in.Environment = []string{layer}, &types.Environment{Variables: env}
		in.Timeout, in.MemorySize = aws.Int32(5), aws.Int32(256)
	})
}

// retire changes the function, so that its sandboxes end.
func retire(t *testing.T, c *lambda.Client, name string) {
	t.Helper()
	if _, err := c.UpdateFunctionConfiguration(t.Context(), &lambda.UpdateFunctionConfigurationInput{
		FunctionName: &name, Description: aws.String("another")}); err != nil {
		t.Fatal(err)
	}
}

// fault invokes, and returns the error's type and message.
func fault(t *testing.T, c *lambda.Client, name string) (kind, message string) {
	t.Helper()
	out, err := c.Invoke(t.Context(), &lambda.InvokeInput{FunctionName: &name, Payload: []byte("1")})
	if err != nil {
		t.Fatal(err)
	}
	var doc struct{ ErrorType, ErrorMessage string }
	if out.FunctionError == nil || json.Unmarshal(out.Payload, &doc) != nil {
		t.Fatalf("%s did not fail: %s", name, out.Payload)
	}
	_, message, _ = strings.Cut(doc.ErrorMessage, " Error: ")
	return doc.ErrorType, message
}

// logOf is all that a function has logged.
func (s *server) logOf(name string) string { return s.sh(s.Data, "mayfly logs "+name+" --since 1h") }

// collected adds up what all extensions of a function say that they were sent.
func collected(log string) map[string]int {
	sum := map[string]int{}
	for line := range strings.Lines(log) {
		if _, doc, ok := strings.Cut(line, "AGENT collected "); ok {
			var counts map[string]int
			json.Unmarshal([]byte(doc), &counts)
			for k, n := range counts {
				sum[k] += n
			}
		}
	}
	return sum
}

// TestExtensionTelemetry: of 1,000 invocations, by four callers at a time, no event is
// lost, and none comes twice.
func TestExtensionTelemetry(t *testing.T) {
	s := start(t)
	c := lambda.NewFromConfig(s.config())
	const n, callers = 1000, 4
	for language, files := range agents(t) {
		arn := layer(t, c, language, files)
		for _, protocol := range []string{"HTTP", "TCP"} {
			if language == "python" && protocol == "TCP" {
				continue
			}
			t.Run(language+"/"+protocol, func(t *testing.T) {
				name := language + protocol
				observed(t, s, c, name, arn, map[string]string{"PROTOCOL": protocol})
				var wg sync.WaitGroup
				for w := range callers {
					wg.Go(func() {
						for i := range n / callers {
							payload := fmt.Appendf(nil, `"%d-%d"`, w, i)
							out, err := c.Invoke(t.Context(), &lambda.InvokeInput{FunctionName: &name, Payload: payload})
							if err != nil || out.FunctionError != nil || string(out.Payload) != string(payload) {
								t.Errorf("invoke: %+v, %v", out, err)
								return
							}
						}
					})
				}
				wg.Wait()
				retire(t, c, name)
				want := map[string]int{"platform.start": n, "platform.runtimeDone": n, "platform.report": n, "function": n}
				var got map[string]int
				await(t, "all extensions to end", func() bool {
					log := s.logOf(name)
					got = collected(log)
					return got["platform.report"] >= n || strings.Count(log, "AGENT ends") == strings.Count(log, "AGENT registered")
				})
				for k, n := range want {
					if got[k] != n {
						t.Errorf("%s: %d events, want %d: %v", k, got[k], n, got)
					}
				}
				if got["platform.logsDropped"] > 0 {
					t.Errorf("logs were dropped: %v", got)
				}
				for line := range strings.Lines(s.logOf(name)) {
					if strings.Contains(line, "AGENT ends") && !strings.Contains(line, "ends: spindown with 2s left, 0 lines came twice") {
						t.Error(line)
					}
				}
			})
		}
	}
}

// TestExtensionShutdown: an extension may take its time as it ends, but not longer
// than two seconds.
func TestExtensionShutdown(t *testing.T) {
	s := start(t)
	c := lambda.NewFromConfig(s.config())
	arn := layer(t, c, "agent", agents(t)["go"])
	observed(t, s, c, "patient", arn, map[string]string{"DELAY": "1.2s"})
	observed(t, s, c, "late", arn, map[string]string{"DELAY": "60s"})
	for _, name := range []string{"late", "patient"} {
		invoke(t, c, name, "1")
		retire(t, c, name)
	}
	await(t, "the extension to end", func() bool {
		return strings.Contains(s.logOf("patient"), "AGENT ends: spindown with 2s left")
	})
	s.stop() // returns when all sandboxes have ended
	s.run()
	if log := s.logOf("late"); strings.Contains(log, "AGENT ends") || !strings.Contains(log, "AGENT registered") {
		t.Errorf("the extension that takes too long was not killed:\n%s", log)
	}
}

// TestExtensionFaults: the function's callers hear what is wrong with an extension, in
// AWS's words.
func TestExtensionFaults(t *testing.T) {
	s := start(t)
	c := lambda.NewFromConfig(s.config())
	arn := layer(t, c, "agent", agents(t)["go"])
	for _, tt := range []struct{ mode, kind, message, log string }{
		{"init-exit", "Extension.Crash", "exit status 7", "EXTENSION\tName: agent\tState: Started\tEvents: []"},
		{"init-error", "Extension.InitError", "exit status 1", "EXTENSION\tName: agent\tState: InitError\tEvents: [INVOKE, SHUTDOWN]\tError Type: Extension.NoKey"},
		{"invoke-exit", "Extension.Crash", "exit status 3", "EXTENSION\tName: agent\tState: Ready\tEvents: [INVOKE, SHUTDOWN]"},
	} {
		t.Run(tt.mode, func(t *testing.T) {
			zip := zipped(t, map[string]string{"app.py": "import time\n\ndef handler(event, context):\n    time.sleep(60)\n"})
			create(t, c, tt.mode, s.pythonRuntime(), "app.handler", zip, func(in *lambda.CreateFunctionInput) {
				in.Layers, in.Environment = []string{arn}, &types.Environment{Variables: map[string]string{"MODE": tt.mode}}
			})
			for range 2 { // the second begins anew
				if kind, message := fault(t, c, tt.mode); kind != tt.kind || message != tt.message {
					t.Errorf("%s: %q, want %s: %q", kind, message, tt.kind, tt.message)
				}
			}
			await(t, tt.log, func() bool { return strings.Contains(s.logOf(tt.mode), tt.log) })
		})
	}
	t.Run("not executable", func(t *testing.T) {
		broken := layer(t, c, "broken", map[string]string{"extensions/agent": "#!/bin/sh\n"})
		observed(t, s, c, "unstartable", broken, nil)
		if kind, message := fault(t, c, "unstartable"); kind != "Extension.LaunchError" || message != "fork/exec /opt/extensions/agent: permission denied" {
			t.Errorf("%s: %q", kind, message)
		}
	})
	t.Run("too many", func(t *testing.T) {
		files := map[string]string{}
		for i := range 11 {
			files[fmt.Sprintf("+extensions/agent%d", i)] = "#!/bin/sh\nsleep 60\n"
		}
		observed(t, s, c, "many", layer(t, c, "many", files), nil)
		if kind, _ := fault(t, c, "many"); kind != "Extension.LaunchError" {
			t.Errorf("%s", kind)
		}
	})
}

// TestExtensionWrongCalls: what an extension must not do is refused as AWS refuses it.
func TestExtensionWrongCalls(t *testing.T) {
	s := start(t)
	c := lambda.NewFromConfig(s.config())
	observed(t, s, c, "wrong", layer(t, c, "agent", agents(t)["go"]), map[string]string{"MODE": "wrong"})
	invoke(t, c, "wrong", "1")
	for _, want := range []string{
		"WRONG register 403 Extension.InvalidExtensionName", "WRONG register 403 Extension.InvalidEventType",
		"WRONG register 403 InvalidRequestFormat", "WRONG next 403 Extension.MissingExtensionIdentifier",
		"WRONG next 403 Extension.InvalidExtensionIdentifier", "WRONG next 403 Extension.UnknownExtensionIdentifier",
		"WRONG register 403 Extension.InvalidExtensionState", "WRONG register 403 Extension.RegistrationClosed",
		"WRONG error 403 Extension.InvalidExtensionState", "WRONG error 403 Extension.MissingHeader",
		"WRONG telemetry 403 Telemetry.SubscriptionClosed", "WRONG telemetry 400 ValidationError",
		`AGENT registered 200 {"functionName":"wrong","functionVersion":"$LATEST","handler":"app.handler","accountId":"000000000000"}`,
	} {
		await(t, want, func() bool { return strings.Contains(s.logOf("wrong"), want) })
	}
}
