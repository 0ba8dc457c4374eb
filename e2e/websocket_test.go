package e2e

import "testing"

// TestWebSocketAPIs is WebSocket APIs as a user of boto3 makes them, and as a client
// that is not ours meets them.
func TestWebSocketAPIs(t *testing.T) {
	s := start(t)
	s.client(t, python(t), "clients/websocket.py", s.pythonRuntime())
}
