package cli

import (
	"context"
	"net/url"
	"reflect"
)

// An address is "url" in mayfly.json: the function's own address on the web.
type address struct {
	Auth   string `json:"auth,omitempty"`   // AWS_IAM, the default, or NONE: everybody
	Stream bool   `json:"stream,omitempty"` // the answer goes out as the function writes it
	CORS   *cors  `json:"cors,omitempty"`
}

// A cors is what pages of other sites may do with an address. What it does not
// mention they may not.
type cors struct {
	Origins     []string `json:"origins,omitempty"`
	Methods     []string `json:"methods,omitempty"`
	Headers     []string `json:"headers,omitempty"`
	Expose      []string `json:"expose,omitempty"`
	Credentials bool     `json:"credentials,omitempty"`
	MaxAge      int      `json:"max_age,omitempty"` // seconds
}

// A urlConfig is a function URL's configuration as the API has it.
type urlConfig struct {
	AuthType    string      `json:",omitempty"`
	InvokeMode  string      `json:",omitempty"`
	Cors        *corsConfig `json:",omitempty"`
	FunctionUrl string      `json:",omitempty"`
}

type corsConfig struct {
	AllowOrigins, AllowMethods, AllowHeaders, ExposeHeaders []string `json:",omitempty"`
	AllowCredentials                                        bool     `json:",omitempty"`
	MaxAge                                                  int      `json:",omitempty"`
}

// config is the address as the API is to have it. CORS that is not mentioned is
// sent empty: an update would else leave it as it was.
func (w address) config() urlConfig {
	c := urlConfig{AuthType: first(w.Auth, "AWS_IAM"), InvokeMode: "BUFFERED", Cors: new(corsConfig)}
	if w.Stream {
		c.InvokeMode = "RESPONSE_STREAM"
	}
	if w.CORS != nil {
		*c.Cors = corsConfig{w.CORS.Origins, w.CORS.Methods, w.CORS.Headers, w.CORS.Expose, w.CORS.Credentials, w.CORS.MaxAge}
	}
	return c
}

// attachURL gives the function its address, and answers it.
func (a *attacher) attachURL(ctx context.Context, want address) (string, error) {
	path := "/2021-10-31/functions/" + url.PathEscape(a.f.FunctionName) + "/url"
	var have urlConfig
	method, action := "PUT", "updated"
	switch err := a.api.rest(ctx, "lambda", "GET", path, nil, &have); {
	case is(err, "ResourceNotFoundException"):
		method, action = "POST", "created"
	case err != nil:
		return "", err
	}
	at, to := have.FunctionUrl, want.config()
	if have.FunctionUrl = ""; have.Cors == nil {
		have.Cors = new(corsConfig)
	}
	if reflect.DeepEqual(have, to) {
		action = "unchanged"
	} else {
		var out urlConfig
		if err := a.api.rest(ctx, "lambda", method, path, to, &out); err != nil {
			return "", err
		}
		at = out.FunctionUrl
	}
	a.said(did{action, "url " + at})
	return at, a.open(ctx, to.AuthType == "NONE")
}

// open lets everybody invoke the function by its address, or nobody but those
// whose own policies allow it. AWS asks for both permissions.
//
// https://docs.aws.amazon.com/lambda/latest/dg/urls-auth.html
func (a *attacher) open(ctx context.Context, wide bool) error {
	for sid, statement := range map[string]map[string]any{
		"mayfly-url":        {"Action": "lambda:InvokeFunctionUrl", "FunctionUrlAuthType": "NONE"},
		"mayfly-url-invoke": {"Action": "lambda:InvokeFunction", "InvokedViaFunctionUrl": true},
	} {
		var err error
		if _, has := a.policy[sid]; has && !wide {
			err = a.api.rest(ctx, "lambda", "DELETE", functionPath(a.f.FunctionName, "/policy/"+sid), nil, nil)
		} else if !has && wide {
			statement["StatementId"], statement["Principal"] = sid, "*"
			err = a.api.rest(ctx, "lambda", "POST", functionPath(a.f.FunctionName, "/policy"), statement, nil)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
