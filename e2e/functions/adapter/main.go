// Command adapter is a small web adapter, an extension that follows the contract of
// AWS's Lambda Web Adapter: the runtime is a plain web server that knows nothing of
// Lambda; this process asks the Runtime API in its stead, and makes each event an
// HTTP request.
package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"
	"unicode/utf8"
)

func main() {
	log.SetFlags(0)
	api := "http://" + os.Getenv("AWS_LAMBDA_RUNTIME_API")
	register(api + "/2020-01-01/extension/")
	port := os.Getenv("AWS_LWA_PORT")
	if port == "" {
		port = "8080"
	}
	app := "127.0.0.1:" + port
	awaitApp(app)
	for base := api + "/2018-06-01/runtime/invocation/"; ; {
		id, event := call("GET", base+"next", nil, nil)
		_, _ = call("POST", base+id.Get("Lambda-Runtime-Aws-Request-Id")+"/response", nil, serve(app, event))
	}
}

// register makes this an extension that wants no events; it waits for one
// nevertheless, for else initialisation would not end.
func register(base string) {
	h, _ := call("POST", base+"register", http.Header{"Lambda-Extension-Name": {filepath.Base(os.Args[0])}}, []byte(`{"events":[]}`))
	go call("GET", base+"event/next", http.Header{"Lambda-Extension-Identifier": h["Lambda-Extension-Identifier"]}, nil)
}

// awaitApp returns when the web server listens.
func awaitApp(app string) {
	for {
		c, err := net.Dial("tcp", app)
		if err == nil {
			c.Close()
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// call makes one request of the platform.
func call(method, url string, h http.Header, body []byte) (http.Header, []byte) {
	r, err := http.NewRequest(method, url, bytes.NewReader(body))
	if err != nil {
		log.Fatal(err)
	}
	for k, v := range h {
		r.Header[k] = v
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		log.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode >= 400 {
		log.Fatal(url, " ", res.Status, " ", string(b), err)
	}
	return res.Header, b
}

// An event is a request as a function URL has it.
type event struct {
	RawPath        string            `json:"rawPath"`
	RawQueryString string            `json:"rawQueryString"`
	Cookies        []string          `json:"cookies"`
	Headers        map[string]string `json:"headers"`
	Body           string            `json:"body"`
	IsBase64       bool              `json:"isBase64Encoded"`
	Context        struct {
		HTTP struct {
			Method string `json:"method"`
		} `json:"http"`
	} `json:"requestContext"`
}

// An answer is what a function URL makes a response of.
type answer struct {
	Status   int               `json:"statusCode"`
	Headers  map[string]string `json:"headers"`
	Cookies  []string          `json:"cookies,omitempty"`
	Body     string            `json:"body"`
	IsBase64 bool              `json:"isBase64Encoded"`
}

// serve has the web server answer an event.
func serve(app string, payload []byte) []byte {
	var e event
	if err := json.Unmarshal(payload, &e); err != nil {
		log.Fatal(err)
	}
	body := []byte(e.Body)
	if e.IsBase64 {
		body, _ = base64.StdEncoding.DecodeString(e.Body)
	}
	r, err := http.NewRequest(e.Context.HTTP.Method, "http://"+app+e.RawPath+"?"+e.RawQueryString, bytes.NewReader(body))
	if err != nil {
		log.Fatal(err)
	}
	for k, v := range e.Headers {
		r.Header.Set(k, v)
	}
	if len(e.Cookies) > 0 {
		r.Header.Set("Cookie", strings.Join(e.Cookies, "; "))
	}
	res, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		b, _ := json.Marshal(answer{Status: 502, Body: err.Error()})
		return b
	}
	return render(res)
}

// render makes a response an answer.
func render(res *http.Response) []byte {
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		log.Fatal(err)
	}
	a := answer{Status: res.StatusCode, Headers: map[string]string{}, Cookies: res.Header.Values("Set-Cookie"), Body: string(body)}
	for k, v := range res.Header {
		if k != "Set-Cookie" && k != "Content-Length" {
			a.Headers[strings.ToLower(k)] = strings.Join(v, ",")
		}
	}
	if !utf8.Valid(body) {
		a.Body, a.IsBase64 = base64.StdEncoding.EncodeToString(body), true
	}
	b, err := json.Marshal(a)
	if err != nil {
		log.Fatal(err)
	}
	return b
}
