package lambda

import (
	"encoding/base64"
	"errors"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/mayfly-faas/mayfly/internal/engine"
	"github.com/mayfly-faas/mayfly/internal/engine/runtimes"
)

const invocations = functions + "/f/invocations"

func TestInvoke(t *testing.T) {
	w := open(t)
	w.create("f", m{"Environment": m{"Variables": m{"KEY": "v"}}, "MemorySize": 256, "Timeout": 7, "EphemeralStorage": m{"Size": 600}})
	r := w.want(200, "POST", invocations, `{"a": 1}`, "X-Amz-Log-Type", "Tail", "X-Amz-Client-Context", base64.StdEncoding.EncodeToString([]byte(`{"client":{}}`)))
	if r.raw != `{"a": 1}` || r.header.Get("X-Amz-Executed-Version") != "$LATEST" || r.header.Get("Content-Type") != "application/json" {
		t.Errorf("%v %s", r.header, r.raw)
	}
	if tail, _ := base64.StdEncoding.DecodeString(r.header.Get("X-Amz-Log-Result")); string(tail) != "END\n" {
		t.Errorf("tail %q", tail)
	}
	if _, ok := r.header["X-Amz-Function-Error"]; ok {
		t.Error("a success has an error header")
	}
	u, c := w.engine.units[0], w.engine.calls[0]
	if u.MemoryMB != 256 || u.Timeout != 7*time.Second || u.TmpMB != 600 || u.Env["KEY"] != "v" || u.Handler != "index.handler" ||
		u.Runtime != "python3.12" || u.ARN != base+"f" || u.Version != "$LATEST" || u.Log.Group != "/aws/lambda/f" || u.Arch != "x86_64" {
		t.Errorf("unit %+v", u)
	}
	if c.RequestID != r.header.Get("X-Amzn-Requestid") || c.InvokedARN != base+"f" || !c.Tail || c.ClientContext != `{"client":{}}` || c.Limit != 6291556 {
		t.Errorf("call %+v", c)
	}
	creds, err := u.Credentials(t.Context())
	if err != nil || creds.AccessKeyID == "" || creds.SessionToken == "" {
		t.Errorf("credentials %+v, %v", creds, err)
	}
	w.want(200, "POST", invocations+"?Qualifier=$LATEST", nil)
	if c := w.engine.calls[1]; string(c.Payload) != "{}" || c.InvokedARN != base+"f:$LATEST" {
		t.Errorf("call without a body: %s as %s", c.Payload, c.InvokedARN)
	}
	bill, err := w.meter.Bill(t.Context(), time.Now().Add(-24*time.Hour), time.Now().Add(24*time.Hour), false)
	w.must(err)
	if len(bill.Lines) != 1 || bill.Lines[0].Function != base+"f" {
		t.Errorf("bill %+v", bill)
	}
}

func TestInvokeFailure(t *testing.T) {
	w := open(t)
	w.create("f", nil)
	w.engine.script = func(_ *engine.Unit, c engine.Call) (*engine.Outcome, error) {
		c.Answer.Write([]byte("half an ans"))
		return &engine.Outcome{Failure: &engine.Failure{Type: "Sandbox.Timedout", Payload: []byte(`{"errorType":"Sandbox.Timedout"}`)}, Report: engine.Report{Start: time.Now(), BilledMS: 3000}}, nil
	}
	r := w.want(200, "POST", invocations, "{}")
	if r.header.Get("X-Amz-Function-Error") != "Unhandled" || r.raw != `{"errorType":"Sandbox.Timedout"}` {
		t.Errorf("%v %s", r.header, r.raw)
	}
	bill, err := w.meter.Bill(t.Context(), time.Now().Add(-24*time.Hour), time.Now().Add(24*time.Hour), false)
	w.must(err)
	if len(bill.Lines) != 1 {
		t.Error("a failed invocation was not metered")
	}
}

func TestInvokeRefusals(t *testing.T) {
	w := open(t)
	w.create("f", nil)
	var answer error
	w.engine.script = func(*engine.Unit, engine.Call) (*engine.Outcome, error) { return nil, answer }

	answer = &engine.Throttle{Reason: "ReservedFunctionConcurrentInvocationLimitExceeded"}
	r := w.refused(429, "TooManyRequestsException", "Rate Exceeded.", "POST", invocations, "{}")
	w.same(r.body, m{"Reason": "ReservedFunctionConcurrentInvocationLimitExceeded", "Type": "User", "message": "Rate Exceeded."})
	if r.header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}

	answer = &runtimes.Missing{Runtime: "python3.12", Advice: "Install it."}
	r = w.refused(502, "InvalidRuntimeException", "The runtime python3.12 cannot run on this host. Install it.", "POST", invocations, "{}")
	w.same(r.body["Type"], "User")

	answer = errors.New("disk on fire")
	r = w.want(500, "POST", invocations, "{}")
	if r.header.Get("X-Amzn-Errortype") != "ServiceException" || strings.Contains(r.raw, "fire") {
		t.Errorf("%s", r.raw)
	}

	w.refused(400, "InvalidRequestContentException", "Could not parse request body into json: Could not parse payload into json: Unexpected character ('h' (code 104))\n at [Source: (byte[])\"hello\"; line: 1, column: 1]", "POST", invocations, "hello")
	w.refused(413, "RequestEntityTooLargeException", "Request must be smaller than 6291456 bytes for the InvokeFunction operation", "POST", invocations, `"`+strings.Repeat("x", 6291456)+`"`)
	w.refused(404, "ResourceNotFoundException", "Function not found: "+base+"f:9", "POST", invocations+"?Qualifier=9", "{}")
	if r := w.want(400, "POST", invocations, "{}", "X-Amz-Client-Context", "%%"); r.header.Get("X-Amzn-Errortype") != "InvalidRequestContentException" {
		t.Errorf("%s", r.raw)
	}
}

func TestDryRun(t *testing.T) {
	w := open(t)
	w.create("f", nil)
	if r := w.want(204, "POST", invocations, "{}", "X-Amz-Invocation-Type", "DryRun"); r.raw != "" {
		t.Errorf("body %q", r.raw)
	}
	w.want(404, "POST", invocations+"?Qualifier=9", "{}", "X-Amz-Invocation-Type", "DryRun")
	if len(w.engine.calls) != 0 {
		t.Error("a dry run ran the function")
	}
}

func TestInvokeByAlias(t *testing.T) {
	w := open(t)
	w.create("f", nil)
	w.want(201, "POST", functions+"/f/versions", m{})
	w.want(200, "PUT", functions+"/f/configuration", m{"Timeout": 9})
	w.settled("f")
	w.want(201, "POST", functions+"/f/versions", m{})
	w.want(201, "POST", functions+"/f/aliases", m{"Name": "live", "FunctionVersion": "1", "RoutingConfig": m{"AdditionalVersionWeights": m{"2": 0.5}}})
	ran := map[string]int{}
	for range 200 {
		r := w.want(200, "POST", invocations+"?Qualifier=live", "{}")
		ran[r.header.Get("X-Amz-Executed-Version")]++
	}
	if ran["1"] < 50 || ran["2"] < 50 || ran["1"]+ran["2"] != 200 {
		t.Errorf("versions that ran: %v", ran)
	}
	if arn := w.engine.calls[0].InvokedARN; arn != base+"f:live" {
		t.Errorf("invoked as %s", arn)
	}
	w.want(200, "PUT", functions+"/f/aliases/live", m{"FunctionVersion": "2", "RoutingConfig": m{"AdditionalVersionWeights": m{}}})
	for range 20 {
		if r := w.want(200, "POST", functions+"/"+url.PathEscape(base+"f:live")+"/invocations", "{}"); r.header.Get("X-Amz-Executed-Version") != "2" {
			t.Fatalf("ran %s after the alias moved", r.header.Get("X-Amz-Executed-Version"))
		}
	}
}

func TestUpdateDrains(t *testing.T) {
	w := open(t)
	w.create("f", nil)
	w.want(200, "POST", invocations, "{}")
	w.want(200, "PUT", functions+"/f/code", m{"ZipFile": archive(t, "2")})
	w.settled("f")
	w.want(200, "POST", invocations, "{}")
	before, after := w.engine.units[0], w.engine.units[1]
	if before.Key == after.Key || before.Code == after.Code {
		t.Errorf("the unit did not change with its code: %s, %s", before.Key, after.Key)
	}
	w.want(204, "DELETE", functions+"/f", nil)
	w.engine.with(func() {
		if len(w.engine.drained) != 2 || w.engine.drained[0] != before.Key || w.engine.drained[1] != after.Key {
			t.Errorf("drained %v, want %s and %s", w.engine.drained, before.Key, after.Key)
		}
	})
}
