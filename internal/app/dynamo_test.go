package app

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/mayfly-faas/mayfly/internal/wire/sigv4"
)

func TestCallsOfDynamoDB(t *testing.T) {
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		auth := r.Header.Get("Authorization")
		if r.Header.Get("X-Amz-Target") != "DynamoDBStreams_20120810.DescribeStream" || r.URL.Path != "/eu-west-1" || string(body) != `{"a":1}` ||
			!strings.Contains(auth, "Credential=key/") || !strings.Contains(auth, "/eu-west-1/dynamodb/aws4_request") || r.Header.Get("X-Amz-Security-Token") != "token" {
			t.Errorf("%s %v %s", r.URL, r.Header, body)
		}
		w.WriteHeader(400)
		io.WriteString(w, "no")
	}))
	defer api.Close()
	call := dynamoCall(api.Client(), api.URL+"/{region}", sigv4.Credentials{AccessKeyID: "key", SecretAccessKey: "secret", SessionToken: "token"})
	status, answer, err := call(t.Context(), "eu-west-1", "DescribeStream", []byte(`{"a":1}`))
	if status != 400 || string(answer) != "no" || err != nil {
		t.Errorf("it answers %d, %s, %v", status, answer, err)
	}
}
