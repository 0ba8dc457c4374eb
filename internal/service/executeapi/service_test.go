package executeapi

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/mayfly-faas/mayfly/internal/gateway/wsapi"
	"github.com/mayfly-faas/mayfly/internal/policy"
	"github.com/mayfly-faas/mayfly/internal/wire"
)

// A room has one connection, "c=", and remembers what was sent to it.
type room struct {
	sent  []string
	err   error
	ended bool
}

func (r *room) Place(q *http.Request) (wsapi.Place, bool) {
	rest, ok := strings.CutPrefix(q.URL.Path, "/_mayfly/api/")
	p := strings.SplitN(rest, "/", 3)
	if !ok || len(p) != 3 {
		return wsapi.Place{}, false
	}
	return wsapi.Place{API: p[0], Stage: p[1], Rest: "/" + p[2]}, true
}

func (r *room) Connection(id string) (wsapi.Connection, error) {
	if id != "c=" {
		return wsapi.Connection{}, wsapi.ErrGone
	}
	return wsapi.Connection{ID: id, API: "a1", Stage: "prod", ConnectedAt: time.UnixMilli(1_600_000_000_000), LastActive: time.UnixMilli(1_600_000_001_000), SourceIP: "1.2.3.4", UserAgent: "me"}, nil
}

func (r *room) Post(_ string, b []byte) error { r.sent = append(r.sent, string(b)); return r.err }
func (r *room) Disconnect(string) error       { r.ended = true; return r.err }

// do sends a request as an API's own address or the server's takes it.
func do(c Config, method, path, body string) (int, string) {
	gate := func(r *http.Request, service, op string) (*http.Request, error) {
		return r.WithContext(wire.WithCaller(r.Context(), wire.Caller{ARN: "arn:aws:iam::000000000000:user/u"})), nil
	}
	front := wire.Front{Services: []wire.Service{Service(c)}, Gate: gate, Web: Match(c, gate)}.Handler()
	w := httptest.NewRecorder()
	front.ServeHTTP(w, httptest.NewRequest(method, "http://localhost"+path, strings.NewReader(body)))
	b, _ := io.ReadAll(w.Result().Body)
	return w.Code, w.Header().Get("X-Amzn-Errortype") + string(b)
}

func TestOperations(t *testing.T) {
	const api = "/_mayfly/api/a1/prod"
	for _, at := range []string{"", api} {
		r := &room{}
		c := Config{Connections: r, Account: "000000000000", Region: "us-east-1"}
		for _, x := range []struct {
			method, path, body string
			status             int
			answer             string
		}{
			{"POST", "/@connections/c%3D", "hello", 200, ""},
			{"GET", "/@connections/c=", "", 200, `{"connectedAt":"2020-09-13T12:26:40Z","identity":{"sourceIp":"1.2.3.4","userAgent":"me"},"lastActiveAt":"2020-09-13T12:26:41Z"}`},
			{"DELETE", "/@connections/c=", "", 204, ""},
			{"POST", "/@connections/d", "hello", 410, `GoneException{"message":"Gone"}`},
			{"GET", "/@connections/d", "", 410, `GoneException`},
			{"DELETE", "/@connections/d", "", 410, `GoneException`},
		} {
			if status, answer := do(c, x.method, at+x.path, x.body); status != x.status || !strings.HasPrefix(answer, x.answer) {
				t.Errorf("%s %s: %d %s", x.method, at+x.path, status, answer)
			}
		}
		if fmt.Sprint(r.sent, r.ended) != "[hello] true" {
			t.Errorf("%q, ended: %v", r.sent, r.ended)
		}
		for err, want := range map[error]string{wsapi.ErrFull: "429 LimitExceededException", wsapi.ErrTooLarge: "413 PayloadTooLargeException", wsapi.ErrGone: "410 GoneException"} {
			r.err = err
			if status, answer := do(c, "POST", at+"/@connections/c=", "x"); !strings.HasPrefix(fmt.Sprint(status, " ", answer), want) {
				t.Errorf("%v: %d %s", err, status, answer)
			}
		}
	}
	c := Config{Connections: &room{}}
	if status, answer := do(c, "POST", "/_mayfly/api/a1/other/@connections/c=", "x"); status != 410 {
		t.Errorf("by another stage: %d %s", status, answer)
	}
}

func TestAllow(t *testing.T) {
	var asked []string
	c := Config{Connections: &room{}, Account: "000000000000", Region: "us-east-1",
		Allow: func(_ context.Context, who wire.Caller, r *policy.Request) error {
			asked = append(asked, r.Action+" "+r.Resource)
			return errors.New("no")
		}}
	for _, path := range []string{"/@connections/c=", "/_mayfly/api/a1/prod/@connections/c="} {
		if status, answer := do(c, "POST", path, "x"); status != 403 || !strings.HasPrefix(answer, "ForbiddenException") {
			t.Errorf("%s: %d %s", path, status, answer)
		}
	}
	for _, a := range asked {
		if a != "execute-api:ManageConnections arn:aws:execute-api:us-east-1:000000000000:a1/prod/POST/@connections/c=" {
			t.Error(a)
		}
	}
	if len(asked) != 2 {
		t.Errorf("asked %d times", len(asked))
	}
}
