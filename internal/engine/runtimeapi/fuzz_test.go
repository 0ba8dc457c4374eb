package runtimeapi

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// FuzzHandlers makes arbitrary requests in arbitrary order, with invocations
// beginning and ending between them. Nothing may panic or hang, each request
// is answered with a status that the API has, and at the end a well-behaved
// runtime is served as if nothing had been.
func FuzzHandlers(f *testing.F) {
	f.Add([]byte{0, 10, 1, 0, 11}, "body", "streaming")
	f.Add([]byte{2, 0, 10, 1, 1, 3, 12, 0, 10, 4, 11}, `{"errorType":"E"}`, "")
	f.Add([]byte{5, 6, 0, 0, 10, 0, 7, 8, 9, 1, 13, 14, 12, 0}, "", "x")
	f.Fuzz(func(t *testing.T, steps []byte, body, header string) {
		if len(steps) > 50 {
			steps = steps[:50]
		}
		synctest.Test(t, func(t *testing.T) {
			z := &fuzzer{t: t, s: New(), body: body, header: header}
			z.s.Reset()
			for _, step := range steps {
				z.step(step)
			}
			z.s.End()
			z.s.Reset()
			z.behave()
			z.s.replace(newRun(gone))
			synctest.Wait()
		})
	})
}

type fuzzer struct {
	t            *testing.T
	s            *Server
	body, header string
	begun        bool
}

func (z *fuzzer) step(step byte) {
	id := "1"
	if step > 128 {
		id = z.header
	}
	switch step % 15 {
	case 0:
		z.request("GET", base+"invocation/next")
	case 1:
		z.request("POST", base+"invocation/"+id+"/response")
	case 2:
		z.request("POST", base+"init/error")
	case 3:
		z.request("POST", base+"invocation/"+id+"/error")
	case 4:
		z.request("GET", base+"restore/next")
	case 5:
		z.request("POST", base+"restore/error")
	case 6:
		z.request("GET", "/"+z.body)
	case 7:
		z.request("POST", base+z.header)
	case 8:
		z.request("PUT", "/2022-07-01/telemetry")
	case 9:
		z.request("POST", "/2020-01-01/extension/register")
	case 10, 11:
		z.begin()
	case 12:
		z.s.End()
		z.begun = false
		z.s.Reset() // as the engine does when there was no answer
	case 13:
		time.Sleep(time.Second)
	case 14:
		z.end()
	}
	synctest.Wait()
}

// begin does what the engine does, when the engine would.
func (z *fuzzer) begin() {
	select {
	case <-z.s.Started():
	default:
		return
	}
	if z.begun || z.s.InitFailure() != nil {
		return
	}
	z.begun = true
	z.s.Begin(&Call{ID: "1", Payload: []byte(z.body), Answer: io.Discard, Limit: 8})
}

func (z *fuzzer) end() {
	if r := z.s.End(); r.Produced > 8 {
		z.t.Errorf("%d bytes pass the limit", r.Produced)
	}
	if z.begun {
		z.s.Reset()
	}
	z.begun = false
}

// request makes one request, as a client that waits no longer than a minute.
func (z *fuzzer) request(method, path string) {
	r, err := http.NewRequest(method, "http://x/", strings.NewReader(z.body))
	if err != nil {
		return
	}
	r.URL.Path = path
	r.Header.Set(headerMode, z.header)
	r.Header.Set(headerErrorType, z.header)
	r.Trailer = http.Header{headerErrorType: {z.header}, headerErrorBody: {z.body}}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	go func() {
		defer cancel()
		defer func() {
			if p := recover(); p != nil && p != http.ErrAbortHandler {
				z.t.Errorf("%s %s: panic: %v", method, path, p)
			}
		}()
		w := httptest.NewRecorder()
		z.s.serve(w, r.WithContext(ctx))
		switch w.Code {
		case 200, 202, 400, 403, 404, 405, 413, 501:
		default:
			z.t.Errorf("%s %s: status %d", method, path, w.Code)
		}
	}()
	synctest.Wait()
}

// behave is a runtime that does everything right.
func (z *fuzzer) behave() {
	ask := func(method, path string) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		z.s.serve(w, httptest.NewRequest(method, path, nil))
		return w
	}
	for range 2 {
		got := make(chan *httptest.ResponseRecorder, 1)
		go func() { got <- ask("GET", base+"invocation/next") }()
		<-z.s.Started()
		synctest.Wait()
		z.s.Begin(&Call{ID: "good", Answer: io.Discard})
		if w := <-got; w.Code != 200 || w.Header().Get("Lambda-Runtime-Aws-Request-Id") != "good" {
			z.t.Fatalf("next: %d %s", w.Code, w.Body)
		}
		if w := ask("POST", base+"invocation/good/response"); w.Code != 202 {
			z.t.Fatalf("response: %d %s", w.Code, w.Body)
		}
		if r := z.s.End(); !r.Answered || r.Failure != nil {
			z.t.Fatalf("result = %+v", r)
		}
	}
}
