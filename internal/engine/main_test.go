package engine_test

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"
)

// TestMain lets the test binary be a function's code: with ENGINE_TEST_CODE set
// it is a custom runtime, which does what each event tells it.
func TestMain(m *testing.M) {
	if os.Getenv("ENGINE_TEST_CODE") != "" {
		serveRuntime(os.Getenv("AWS_LAMBDA_RUNTIME_API"))
	}
	os.Exit(m.Run())
}

func serveRuntime(api string) {
	base := "http://" + api + "/2018-06-01/runtime/invocation/"
	fmt.Println("hello from init")
	for {
		r, err := http.Get(base + "next")
		if err != nil {
			os.Exit(0)
		}
		in, _ := io.ReadAll(r.Body)
		r.Body.Close()
		answer := act(strings.Trim(string(in), `"`))
		p, err := http.Post(base+r.Header.Get("Lambda-Runtime-Aws-Request-Id")+"/response", "", strings.NewReader(answer))
		if err == nil {
			io.Copy(io.Discard, p.Body)
			p.Body.Close()
		}
	}
}

// act does one event's bidding.
func act(order string) (answer string) {
	verb, rest, _ := strings.Cut(order, " ")
	switch verb {
	case "say":
		fmt.Println(rest)
	case "echo":
		return fmt.Sprintf("%q", rest)
	case "flood":
		n := 0
		fmt.Sscan(rest, &n)
		for i := range n {
			fmt.Println("line", i)
		}
	case "get":
		r, err := http.Get(os.Getenv("AWS_ENDPOINT_URL"))
		if err != nil {
			return fmt.Sprintf("%q", err)
		}
		defer r.Body.Close()
		b, _ := io.ReadAll(r.Body)
		return fmt.Sprintf("%q", b)
	case "exit":
		n := 0
		fmt.Sscan(rest, &n)
		os.Exit(n)
	case "hang":
		time.Sleep(time.Hour)
	case "getenv":
		return fmt.Sprintf("%q", os.Getenv(rest))
	case "touch":
		if err := os.WriteFile(os.TempDir()+"/"+rest, nil, 0o600); err != nil {
			return fmt.Sprintf("%q", err)
		}
	case "stat":
		_, err := os.Stat(os.TempDir() + "/" + rest)
		if err != nil {
			return fmt.Sprintf("%q", err)
		}
		return "true"
	case "big":
		n := 0
		fmt.Sscan(rest, &n)
		return strings.Repeat("x", n)
	}
	return `"ok"`
}
