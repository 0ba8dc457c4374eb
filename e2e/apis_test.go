package e2e

import "testing"

// TestHTTPAPIs is HTTP APIs as a user of boto3 makes and calls them.
func TestHTTPAPIs(t *testing.T) {
	s := start(t)
	s.client(t, python(t), "clients/apigatewayv2.py", s.pythonRuntime())
}
