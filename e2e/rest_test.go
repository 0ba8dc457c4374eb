package e2e

import "testing"

// TestRESTAPIs is REST APIs as a user of boto3 makes and calls them.
func TestRESTAPIs(t *testing.T) {
	s := start(t)
	s.client(t, python(t), "clients/apigateway.py", s.pythonRuntime())
}
