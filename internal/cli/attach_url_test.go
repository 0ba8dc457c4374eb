package cli_test

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"github.com/mayfly-faas/mayfly/internal/cli"
)

func TestDeployGivesAnAddress(t *testing.T) {
	w := start(t)
	host := regexp.MustCompile(`url \S+`)
	deploy := func(url string) string {
		did := w.deploy(0, `"url": `+url)
		if !strings.Contains(did, "url http") {
			t.Errorf("the address is not told: %s", did)
		}
		return host.ReplaceAllString(did, "url")
	}
	open := `{"auth": "NONE", "stream": true, "cors": {"origins": ["https://a.example"], "methods": ["GET"], "credentials": true, "max_age": 60}}`
	w.same(deploy(open), "created url")
	w.same(deploy(open), "unchanged url")
	policy := w.policy()
	for _, want := range []string{`"Action":"lambda:InvokeFunctionUrl"`, `"lambda:FunctionUrlAuthType":"NONE"`, `"lambda:InvokedViaFunctionUrl":"true"`} {
		if !strings.Contains(policy, want) {
			t.Errorf("the policy has no %s: %s", want, policy)
		}
	}
	w.same(deploy(`{"auth": "NONE"}`), "updated url")
	w.same(deploy(`{"auth": "NONE"}`), "unchanged url")
	w.same(deploy(`{}`), "updated url")
	if policy := w.policy(); policy != "" {
		t.Errorf("an address that asks for signatures is open still: %s", policy)
	}
	if said := w.deploy(2, `"url": {"open": true}`); !strings.Contains(said, "open") {
		t.Errorf("a member that nobody knows: %s", said)
	}
	if said := w.deploy(1, `"url": {"auth": "ALL"}`); !strings.Contains(said, "AuthType") && !strings.Contains(said, "authType") {
		t.Errorf("an auth that AWS does not know: %s", said)
	}
}

// policy is the function's policy, "" for none, as AWS's SDK reads it.
func (w *world) policy() string {
	w.Helper()
	b, err := os.ReadFile(filepath.Join(w.data, "endpoint.json"))
	if err != nil {
		w.Fatal(err)
	}
	var e cli.Endpoint
	if err := json.Unmarshal(b, &e); err != nil {
		w.Fatal(err)
	}
	c := lambda.New(lambda.Options{BaseEndpoint: &e.URL, Region: e.Region,
		Credentials: credentials.NewStaticCredentialsProvider(e.AccessKeyID, e.SecretAccessKey, "")})
	out, err := c.GetPolicy(w.Context(), &lambda.GetPolicyInput{FunctionName: aws.String("f")})
	if _, none := errors.AsType[*types.ResourceNotFoundException](err); none {
		return ""
	}
	if err != nil {
		w.Fatal(err)
	}
	return *out.Policy
}
