// Command extension is an external extension. It collects telemetry and, as it ends,
// writes how much; MODE has it do wrong instead, and DELAY (a duration) take its time.
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

func main() {
	a := &agent{api: "http://" + os.Getenv("AWS_LAMBDA_RUNTIME_API"), counts: map[string]int{}, lines: map[string]bool{}}
	a.came = sync.NewCond(&a.mu)
	mode := os.Getenv("MODE")
	switch mode {
	case "init-exit":
		os.Exit(7)
	case "wrong":
		a.early()
	}
	a.register()
	if mode == "init-error" {
		a.call("POST", "/2020-01-01/extension/init/error", `{"errorMessage":"no key"}`, "Lambda-Extension-Function-Error-Type", "Extension.NoKey")
		os.Exit(1)
	}
	a.subscribe()
	for invocations := 0; ; invocations++ {
		e := a.next()
		switch {
		case e.EventType == "SHUTDOWN":
			a.end(e, invocations)
		case mode == "invoke-exit":
			os.Exit(3)
		case mode == "slow":
			time.Sleep(delay())
		case mode == "wrong":
			a.late()
		}
	}
}

func delay() time.Duration {
	d, _ := time.ParseDuration(os.Getenv("DELAY"))
	return d
}

type agent struct {
	api, id string

	came *sync.Cond // of mu; signalled with each event

	mu     sync.Mutex // guards what follows
	counts map[string]int
	lines  map[string]bool // of the function, each once
	twice  int
}

type event struct {
	EventType, ShutdownReason, RequestID string
	DeadlineMs                           int64
}

// call makes a request of the platform. Headers come in pairs.
func (a *agent) call(method, path, body string, headers ...string) (int, http.Header, string) {
	r, err := http.NewRequest(method, a.api+path, strings.NewReader(body))
	if err != nil {
		panic(err)
	}
	if a.id != "" {
		r.Header.Set("Lambda-Extension-Identifier", a.id)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		panic(err)
	}
	defer res.Body.Close()
	b, _ := io.ReadAll(res.Body)
	return res.StatusCode, res.Header, string(b)
}

func (a *agent) register() {
	status, h, body := a.call("POST", "/2020-01-01/extension/register", `{"events":["INVOKE","SHUTDOWN"]}`,
		"Lambda-Extension-Name", filepath.Base(os.Args[0]), "Lambda-Extension-Accept-Feature", "accountId")
	a.id = h.Get("Lambda-Extension-Identifier")
	fmt.Println("AGENT registered", status, body)
}

// subscribe listens, and has telemetry sent there.
func (a *agent) subscribe() {
	l, err := net.Listen("tcp", "sandbox.localdomain:4243")
	if err != nil {
		panic(err)
	}
	destination := `{"protocol":"HTTP","URI":"http://sandbox.localdomain:4243/telemetry"}`
	if os.Getenv("PROTOCOL") == "TCP" {
		destination = `{"protocol":"TCP","port":4243}`
		go a.serveTCP(l)
	} else {
		go http.Serve(l, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			var events []json.RawMessage
			if err := json.NewDecoder(r.Body).Decode(&events); err != nil {
				panic(err)
			}
			for _, e := range events {
				a.take(e)
			}
		}))
	}
	status, _, body := a.call("PUT", "/2022-07-01/telemetry", `{"schemaVersion":"2022-12-13","types":["platform","function"],
		"buffering":{"maxItems":1000,"maxBytes":262144,"timeoutMs":25},"destination":`+destination+`}`)
	fmt.Println("AGENT subscribed", status, body)
}

func (a *agent) serveTCP(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			panic(err)
		}
		for d := json.NewDecoder(c); ; {
			var e json.RawMessage
			if d.Decode(&e) != nil {
				break
			}
			a.take(e)
		}
	}
}

// take counts an event.
func (a *agent) take(raw []byte) {
	var e struct {
		Type   string
		Record json.RawMessage
	}
	if err := json.Unmarshal(raw, &e); err != nil {
		panic(err)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.counts[e.Type]++
	a.came.Signal()
	if line := string(bytes.TrimSpace(e.Record)); e.Type == "function" {
		if a.lines[line] {
			a.twice++
		}
		a.lines[line] = true
	}
}

func (a *agent) next() (e event) {
	_, _, body := a.call("GET", "/2020-01-01/extension/event/next", "")
	if err := json.Unmarshal([]byte(body), &e); err != nil {
		panic(body)
	}
	return e
}

// end says what was collected, after a while. What comes by TCP may still be on its
// way then: nobody acknowledges it.
func (a *agent) end(e event, invocations int) {
	left := time.Until(time.UnixMilli(e.DeadlineMs)).Round(time.Second)
	time.Sleep(delay())
	a.mu.Lock()
	defer a.mu.Unlock()
	for a.counts["platform.report"] < invocations {
		a.came.Wait()
	}
	b, _ := json.Marshal(a.counts)
	fmt.Printf("AGENT collected %s\n", b)
	fmt.Println("AGENT ends:", e.ShutdownReason, "with", left, "left,", a.twice, "lines came twice")
	os.Exit(0)
}

// early makes calls that are wrong before a registration.
func (a *agent) early() {
	a.wrong("POST", "/2020-01-01/extension/register", `{}`)
	a.wrong("POST", "/2020-01-01/extension/register", `{"events":["SLEEP"]}`, "Lambda-Extension-Name", filepath.Base(os.Args[0]))
	a.wrong("POST", "/2020-01-01/extension/register", `[`, "Lambda-Extension-Name", filepath.Base(os.Args[0]))
	a.wrong("GET", "/2020-01-01/extension/event/next", "")
	a.wrong("GET", "/2020-01-01/extension/event/next", "", "Lambda-Extension-Identifier", "x")
	a.wrong("GET", "/2020-01-01/extension/event/next", "", "Lambda-Extension-Identifier", "12345678-1234-1234-1234-123456789abc")
}

// late makes calls that are wrong after initialisation.
func (a *agent) late() {
	a.wrong("POST", "/2020-01-01/extension/register", `{"events":[]}`, "Lambda-Extension-Name", filepath.Base(os.Args[0]))
	a.wrong("POST", "/2020-01-01/extension/register", `{"events":[]}`, "Lambda-Extension-Name", "another")
	a.wrong("POST", "/2020-01-01/extension/init/error", `{}`, "Lambda-Extension-Function-Error-Type", "Extension.Late")
	a.wrong("POST", "/2020-01-01/extension/exit/error", `{}`)
	a.wrong("PUT", "/2022-07-01/telemetry", `{"schemaVersion":"2022-12-13","types":["platform"],"destination":{"protocol":"TCP","port":4243}}`)
	a.wrong("PUT", "/2022-07-01/telemetry", `{"schemaVersion":"1"}`)
}

func (a *agent) wrong(method, path, body string, headers ...string) {
	status, _, answer := a.call(method, path, body, headers...)
	var e struct{ ErrorType string }
	json.Unmarshal([]byte(answer), &e)
	fmt.Println("WRONG", path[strings.LastIndex(path, "/")+1:], status, e.ErrorType)
}
