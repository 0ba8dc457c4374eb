package e2e

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/smithy-go"
)

// TestBadArchives uploads what no server should unpack.
func TestBadArchives(t *testing.T) {
	s := start(t)
	c := lambda.NewFromConfig(s.config())
	entry := func(name, text string, symlink bool) []byte {
		var b bytes.Buffer
		z := zip.NewWriter(&b)
		h := &zip.FileHeader{Name: name}
		h.SetMode(0o644)
		if symlink {
			h.SetMode(0o120777&^0o120000 | 1<<27)
		}
		w, err := z.CreateHeader(h)
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(w, text)
		z.Close()
		return b.Bytes()
	}
	whole := zipped(t, map[string]string{"a.py": strings.Repeat("x = 1\n", 1000)})
	var bomb bytes.Buffer
	z := zip.NewWriter(&bomb)
	w, _ := z.Create("zeros")
	zeros := make([]byte, 1<<20)
	for range 260 {
		w.Write(zeros)
	}
	z.Close()
	for name, test := range map[string]struct {
		zip     []byte
		message string
	}{
		"no zip":    {[]byte("hello"), "Could not unzip uploaded file"},
		"truncated": {whole[:len(whole)/2], "Could not unzip uploaded file"},
		"zip slip":  {entry("../../escape.py", "x", false), ""},
		"absolute":  {entry("/etc/cron.d/x", "x", false), ""},
		"symlink":   {entry("link", "/etc/passwd", true), ""},
		"bomb":      {bomb.Bytes(), "Unzipped size must be smaller than 262144000 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := c.CreateFunction(t.Context(), &lambda.CreateFunctionInput{FunctionName: aws.String("bad"), Runtime: "provided.al2023",
				Handler: aws.String("x"), Role: aws.String("arn:aws:iam::000000000000:role/r"), Code: &types.FunctionCode{ZipFile: test.zip}})
			var bad *types.InvalidParameterValueException
			if !errors.As(err, &bad) || !strings.Contains(bad.ErrorMessage(), test.message) {
				t.Errorf("%v", err)
			}
			if _, err := c.GetFunction(t.Context(), &lambda.GetFunctionInput{FunctionName: aws.String("bad")}); err == nil {
				t.Error("the function is there all the same")
			}
		})
	}
}

// TestBadConfiguration asks for what AWS refuses.
func TestBadConfiguration(t *testing.T) {
	s := start(t)
	c := lambda.NewFromConfig(s.config())
	good := zipped(t, map[string]string{"+bootstrap": "#!/bin/sh\n"})
	for name, test := range map[string]struct {
		change        func(*lambda.CreateFunctionInput)
		code, message string
	}{
		"memory":       {func(in *lambda.CreateFunctionInput) { in.MemorySize = aws.Int32(64) }, "ValidationException", "Value '64' at 'memorySize' failed to satisfy constraint: Member must have value greater than or equal to 128"},
		"much memory":  {func(in *lambda.CreateFunctionInput) { in.MemorySize = aws.Int32(20000) }, "InvalidParameterValueException", ""},
		"long timeout": {func(in *lambda.CreateFunctionInput) { in.Timeout = aws.Int32(901) }, "InvalidParameterValueException", ""},
		"runtime":      {func(in *lambda.CreateFunctionInput) { in.Runtime = "cobol85" }, "InvalidParameterValueException", "Value cobol85 at 'runtime' failed to satisfy constraint: Member must satisfy enum value set: ["},
		"role":         {func(in *lambda.CreateFunctionInput) { in.Role = aws.String("me") }, "ValidationException", "at 'role' failed to satisfy constraint"},
		"handler":      {func(in *lambda.CreateFunctionInput) { in.Handler = aws.String("a b") }, "ValidationException", "at 'handler'"},
		"name":         {func(in *lambda.CreateFunctionInput) { in.FunctionName = aws.String("sp ace") }, "ValidationException", "at 'functionName'"},
		"environment": {func(in *lambda.CreateFunctionInput) {
			in.Environment = &types.Environment{Variables: map[string]string{"BIG": strings.Repeat("x", 5000)}}
		}, "InvalidParameterValueException", "exceeded the 4KB limit"},
		"reserved name": {func(in *lambda.CreateFunctionInput) {
			in.Environment = &types.Environment{Variables: map[string]string{"AWS_REGION": "x"}}
		}, "InvalidParameterValueException", "AWS_REGION"},
		"layer": {func(in *lambda.CreateFunctionInput) {
			in.Layers = []string{"arn:aws:lambda:us-east-1:000000000000:layer:none:1"}
		}, "InvalidParameterValueException", "Layer version arn:aws:lambda:us-east-1:000000000000:layer:none:1 does not exist."},
		"s3": {func(in *lambda.CreateFunctionInput) {
			in.Code = &types.FunctionCode{S3Bucket: aws.String("bucket"), S3Key: aws.String("k")}
		}, "InvalidParameterValueException", "S3"},
	} {
		t.Run(name, func(t *testing.T) {
			in := &lambda.CreateFunctionInput{FunctionName: aws.String("cfg"), Runtime: "provided.al2023", Handler: aws.String("x"),
				Role: aws.String("arn:aws:iam::000000000000:role/r"), Code: &types.FunctionCode{ZipFile: good}}
			test.change(in)
			_, err := c.CreateFunction(t.Context(), in)
			var api smithy.APIError
			if !errors.As(err, &api) || api.ErrorCode() != test.code || !strings.Contains(api.ErrorMessage(), test.message) {
				t.Errorf("%v, want %s %q", err, test.code, test.message)
			}
		})
	}
}

// TestRawRequests sends what no SDK would.
func TestRawRequests(t *testing.T) {
	s := start(t)
	c := lambda.NewFromConfig(s.config())
	create(t, c, "raw", "provided.al2023", "x", bootstrap(t, "echo"))
	invocations := "/2015-03-31/functions/raw/invocations"
	for _, test := range []struct {
		name, method, path, body string
		change                   func(*http.Request)
		status                   int
		code                     string
	}{
		{"malformed event", "POST", invocations, "{", nil, 400, "InvalidRequestContentException"},
		{"malformed body", "POST", "/2015-03-31/functions", "{", nil, 400, "SerializationException"},
		{"wrong type", "POST", "/2015-03-31/functions", `{"FunctionName": 7}`, nil, 400, "SerializationException"},
		{"too large", "POST", invocations, `"` + strings.Repeat("x", 6<<20) + `"`, nil, 413, "RequestEntityTooLargeException"},
		{"unknown path", "GET", "/2015-03-31/nothing", "", nil, 404, "UnknownOperationException"},
		{"tampered", "POST", invocations, "{}", func(r *http.Request) { r.URL.RawQuery = "Qualifier=1" }, 403, "InvalidSignatureException"},
		{"tampered body", "POST", invocations, "{}", func(r *http.Request) { r.Body = io.NopCloser(strings.NewReader("[]")) }, 403, "InvalidSignatureException"},
		{"other key", "GET", "/2015-03-31/functions", "", func(r *http.Request) {
			r.Header.Set("Authorization", strings.ReplaceAll(r.Header.Get("Authorization"), s.AccessKey, "AKIAIOSFODNN7EXAMPLE"))
		}, 403, "UnrecognizedClientException"},
		{"no signature", "GET", "/2015-03-31/functions", "", func(r *http.Request) { r.Header.Del("Authorization") }, 403, "MissingAuthenticationTokenException"},
		{"garbled signature", "GET", "/2015-03-31/functions", "", func(r *http.Request) { r.Header.Set("Authorization", "AWS4-HMAC-SHA256 nonsense") }, 403, "IncompleteSignatureException"},
		{"rebinding", "GET", "/2015-03-31/functions", "", func(r *http.Request) { r.Host = "evil.example" }, 403, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			r, _ := http.NewRequest(test.method, s.URL+test.path, strings.NewReader(test.body))
			creds := aws.Credentials{AccessKeyID: s.AccessKey, SecretAccessKey: s.Secret}
			if err := v4.NewSigner().SignHTTP(context.Background(), creds, r, sha256Hex(test.body), "lambda", "us-east-1", time.Now()); err != nil {
				t.Fatal(err)
			}
			if test.change != nil {
				test.change(r)
			}
			res, err := http.DefaultClient.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			body, _ := io.ReadAll(res.Body)
			if code, _, _ := strings.Cut(res.Header.Get("X-Amzn-ErrorType"), ":"); res.StatusCode != test.status || test.code != "" && code != test.code {
				t.Errorf("%d %s %s, want %d %s", res.StatusCode, code, body, test.status, test.code)
			}
		})
	}
	if got := invoke(t, c, "raw", `"still here"`); got != `"still here"` {
		t.Errorf("afterwards the function says %s", got)
	}
}
