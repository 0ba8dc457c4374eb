package engine

import (
	"testing"
	"time"
)

func TestRuntimeVersion(t *testing.T) {
	for runtime, want := range map[string]string{
		"python3.12": "python:3.12.v1", "nodejs22.x": "nodejs:22.v1", "provided.al2023": "provided:al2023.v1",
		"java8.al2": "java:8.al2.v1", "dotnet8": "dotnet:8.v1", "": "",
	} {
		if got := runtimeVersion(&Unit{Runtime: runtime}); got != want {
			t.Errorf("%s: %s, want %s", runtime, got, want)
		}
	}
}

func TestSampled(t *testing.T) {
	for header, want := range map[string]bool{
		"": false, "Sampled=1": false, "Root=1-a;Sampled=0": false, "Root=1-a;Parent=b;Sampled=1": true, "Sampled=1;Root=1-a": true, ";;=": false,
	} {
		if root, got := sampled(header); got != want || got && root != "1-a" {
			t.Errorf("%q: %v %q, want %v", header, got, root, want)
		}
	}
}

func TestScrubbed(t *testing.T) {
	for kind, want := range map[string]string{
		"Runtime.ImportModuleError": "Runtime.ImportModuleError", "Function.MyError": "Function.MyError",
		"Runtime.x y": "Runtime.Unknown", "Exception": "Function.Unknown", "": "Function.Unknown", "Other.Thing": "Function.Unknown",
	} {
		if got := scrubbed(kind); got != want {
			t.Errorf("%q: %s, want %s", kind, got, want)
		}
	}
}

func TestCeilMS(t *testing.T) {
	for d, want := range map[time.Duration]int64{0: 1, 1: 1, time.Millisecond: 1, time.Millisecond + 1: 2, 3 * time.Second: 3000} {
		if got := ceilMS(d); got != want {
			t.Errorf("%v: %d, want %d", d, got, want)
		}
	}
}

func TestStreamName(t *testing.T) {
	at := time.Date(2026, 11, 3, 23, 0, 0, 0, time.FixedZone("", -3600*5))
	u := &Unit{Function: "f", Version: "7", Log: Logging{Group: "/aws/lambda/f"}}
	if got := streamName(u, "id", at); got != "2026/11/04/[7]id" {
		t.Errorf("own group: %s", got)
	}
	u.Log.Group = "shared"
	if got := streamName(u, "id", at); got != "2026/11/04/f[7]id" {
		t.Errorf("shared group: %s", got)
	}
}
