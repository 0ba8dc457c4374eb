// Package executeapi is the API Gateway Management API: whoever may sends
// messages to the clients of WebSocket APIs, looks at their connections and ends
// them. It is served on the APIs' own addresses, behind their stages, and on the
// server's, as ids of connections are unique.
package executeapi

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/mayfly-faas/mayfly/internal/awserr"
	"github.com/mayfly-faas/mayfly/internal/gateway/wsapi"
	"github.com/mayfly-faas/mayfly/internal/policy"
	"github.com/mayfly-faas/mayfly/internal/wire"
	"github.com/mayfly-faas/mayfly/internal/wire/restjson"
)

// Connections are the connections that are there: wsapi.Handler.
type Connections interface {
	Place(r *http.Request) (wsapi.Place, bool)
	Connection(id string) (wsapi.Connection, error)
	Post(id string, message []byte) error
	Disconnect(id string) error
}

// Config is what the service needs of its surroundings.
type Config struct {
	Connections     Connections
	Account, Region string

	// Allow tells whether a caller's own policies allow a request; nil allows all.
	Allow func(context.Context, wire.Caller, *policy.Request) error
}

// Service is the management API on the server's own address.
//
// https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-how-to-call-websocket-api-connections.html
func Service(c Config) wire.Service {
	a := &api{c}
	return wire.Service{
		Name: "execute-api", Title: "Amazon API Gateway Management API", Version: "2018-11-29",
		Paths: []string{prefix}, Protocol: restjson.Protocol{}, Models: models(),
		ErrorCode: "InternalServerErrorException", ErrorBody: errorBody, TooLarge: func(string, int64) *awserr.Error { return tooLarge() },
		Ops: []wire.Op{
			wire.Handle("PostToConnection", a.post),
			wire.Handle("GetConnection", a.describe),
			wire.Handle("DeleteConnection", a.disconnect),
		},
	}
}

const prefix = "/@connections"

// Match makes what answers requests for the connections of an API on the API's
// own address; what it makes is nil for any other request.
func Match(c Config, gate wire.Gate) func(*http.Request) http.Handler {
	s := Service(c)
	served := s.Protocol.Handler(s, gate)
	return func(r *http.Request) http.Handler {
		if !strings.Contains(r.URL.Path, prefix) {
			return nil
		}
		p, ok := c.Connections.Place(r)
		if !ok || !strings.HasPrefix(p.Rest, prefix+"/") {
			return nil
		}
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			in := r.WithContext(context.WithValue(r.Context(), placeKey{}, p))
			in.URL = &url.URL{Path: p.Rest, RawQuery: r.URL.RawQuery} // the signature is of RequestURI
			served.ServeHTTP(w, in)
		})
	}
}

// placeKey is for the Place that a request was sent to.
type placeKey struct{}

// An api serves the operations.
type api struct{ Config }

func errorBody(e *awserr.Error) map[string]any { return map[string]any{"message": e.Message} }

func tooLarge() *awserr.Error {
	return awserr.New(http.StatusRequestEntityTooLarge, "PayloadTooLargeException", "Message size exceeds the limit of 131072 bytes")
}

func gone() error { return awserr.New(http.StatusGone, "GoneException", "Gone") }

// translate says in AWS's words what package wsapi refused.
func translate(err error) error {
	switch {
	case errors.Is(err, wsapi.ErrGone):
		return gone()
	case errors.Is(err, wsapi.ErrTooLarge):
		return tooLarge()
	case errors.Is(err, wsapi.ErrFull):
		return awserr.New(http.StatusTooManyRequests, "LimitExceededException", "The client does not take what waits for it")
	}
	return err
}

// open finds a connection that the caller may manage by method. Whether others
// are there he does not learn.
func (a *api) open(ctx context.Context, method string, id *string) (wsapi.Connection, error) {
	c, err := a.Connections.Connection(*id)
	if p, ok := ctx.Value(placeKey{}).(wsapi.Place); ok {
		if err == nil && (c.API != p.API || c.Stage != p.Stage) {
			err = wsapi.ErrGone
		}
		c.API, c.Stage = p.API, p.Stage
	}
	c.ID = *id
	if c.API == "" { // gone, and asked for on the server's own address: nobody knows whose it was
		return c, translate(err)
	}
	if denied := a.allow(ctx, method, c); denied != nil {
		return c, denied
	}
	return c, translate(err)
}

// allow asks the caller's policies.
//
// https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-websocket-control-access-iam.html
func (a *api) allow(ctx context.Context, method string, c wsapi.Connection) error {
	if a.Allow == nil {
		return nil
	}
	who := wire.CallerOf(ctx)
	err := a.Allow(ctx, who, &policy.Request{
		Principal: policy.Subject{ARN: who.ARN, Account: who.Account, UserID: who.UserID},
		Action:    "execute-api:ManageConnections",
		Resource:  "arn:aws:execute-api:" + a.Region + ":" + a.Account + ":" + c.API + "/" + c.Stage + "/" + method + prefix + "/" + c.ID,
	})
	if err == nil {
		return nil
	}
	e := awserr.New(http.StatusForbidden, "ForbiddenException", "User: %s is not authorized to perform: execute-api:ManageConnections", who.ARN)
	e.Cause = err
	return e
}

func (a *api) post(ctx context.Context, in *PostToConnectionRequest) (*PostToConnectionResponse, error) {
	if _, err := a.open(ctx, "POST", in.ConnectionId); err != nil {
		return nil, err
	}
	if err := a.Connections.Post(*in.ConnectionId, in.Data); err != nil {
		return nil, translate(err)
	}
	return &PostToConnectionResponse{}, nil
}

func (a *api) describe(ctx context.Context, in *GetConnectionRequest) (*GetConnectionResponse, error) {
	c, err := a.open(ctx, "GET", in.ConnectionId)
	if err != nil {
		return nil, err
	}
	return &GetConnectionResponse{ConnectedAt: &wire.Time{Time: c.ConnectedAt}, LastActiveAt: &wire.Time{Time: c.LastActive},
		Identity: &Identity{SourceIp: &c.SourceIP, UserAgent: &c.UserAgent}}, nil
}

func (a *api) disconnect(ctx context.Context, in *DeleteConnectionRequest) (*DeleteConnectionResponse, error) {
	if _, err := a.open(ctx, "DELETE", in.ConnectionId); err != nil {
		return nil, err
	}
	if err := a.Connections.Disconnect(*in.ConnectionId); err != nil {
		return nil, translate(err)
	}
	return &DeleteConnectionResponse{}, nil
}
