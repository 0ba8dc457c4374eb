package wiretest

import (
	"encoding/json"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"time"

	fxcbor "github.com/fxamacker/cbor/v2"
	"github.com/mayfly-faas/mayfly/internal/wire"
)

// rest is restJson1.
type rest struct{}

func (rest) request(c *Client, m wire.Model, _ *wire.Shape, ms []member) (*http.Request, error) {
	path, query, _ := strings.Cut(m.URI, "?")
	values, err := url.ParseQuery(query)
	if err != nil {
		return nil, err
	}
	body, err := object(ms)
	if err != nil {
		return nil, err
	}
	header := http.Header{}
	for _, e := range ms {
		switch e.where() {
		case wire.URI:
			path = strings.Replace(path, "{"+e.name+"}", url.PathEscape(text(e.value)), 1)
		case wire.Query:
			for _, v := range several(e.value) {
				values.Add(e.name, text(v))
			}
		case wire.Header:
			header.Set(e.name, text(e.value))
		case wire.Payload:
			if body, err = payload(e.value); err != nil {
				return nil, err
			}
		}
	}
	if len(values) > 0 {
		path += "?" + values.Encode()
	}
	if m.Method == http.MethodGet || m.Method == http.MethodDelete {
		body = nil
	}
	r, err := c.newRequest(m.Method, path, body)
	if err != nil {
		return nil, err
	}
	for k, v := range header {
		r.Header[k] = v
	}
	return r, nil
}

func several(v any) []any {
	if list, ok := v.([]any); ok {
		return list
	}
	return []any{v}
}

func payload(v any) ([]byte, error) {
	switch v := v.(type) {
	case []byte:
		return v, nil
	case string:
		return []byte(v), nil
	}
	return json.Marshal(plain(v))
}

func (rest) answer(a Answer, s *wire.Shape, v reflect.Value, _ wire.Model) error {
	for _, f := range s.Fields {
		var tree any
		switch f.Where {
		case wire.Status:
			tree = int64(a.Status)
		case wire.Header:
			if a.Header.Get(f.Name) == "" {
				continue
			}
			tree = wire.Text(a.Header.Get(f.Name))
		case wire.Payload:
			if f.Kind != wire.Blob || len(a.Body) == 0 {
				continue
			}
			tree = a.Body
		default:
			continue
		}
		if err := f.Bind(tree, v.Field(f.Index)); err != nil {
			return err
		}
	}
	if s.Payload != nil {
		return nil
	}
	return bindJSON(a, s, v)
}

func bindJSON(a Answer, s *wire.Shape, v reflect.Value) error {
	tree, err := wire.ParseJSON(a.Body)
	if err != nil || tree == nil {
		return err
	}
	return s.Bind(tree, v)
}

func (rest) fault(a Answer) (code, text string) {
	tree, _ := wire.ParseJSON(a.Body)
	code, _, _ = strings.Cut(a.Header.Get("X-Amzn-Errortype"), ":")
	return code, message(tree)
}

// jsonRPC is awsJson1.1.
type jsonRPC struct{}

func (jsonRPC) request(c *Client, m wire.Model, _ *wire.Shape, ms []member) (*http.Request, error) {
	body, err := object(ms)
	if err != nil {
		return nil, err
	}
	r, err := c.newRequest(http.MethodPost, "/", body)
	if err != nil {
		return nil, err
	}
	r.Header.Set("X-Amz-Target", c.service.Target+"."+m.Name)
	r.Header.Set("Content-Type", "application/x-amz-json-1.1")
	return r, nil
}

func (jsonRPC) answer(a Answer, s *wire.Shape, v reflect.Value, _ wire.Model) error {
	return bindJSON(a, s, v)
}

func (jsonRPC) fault(a Answer) (code, text string) {
	tree, _ := wire.ParseJSON(a.Body)
	m, _ := tree.(map[string]any)
	code, _ = m["__type"].(string)
	return code, message(tree)
}

// cborRPC is rpcv2Cbor, or the older CBOR.
type cborRPC struct{ target bool }

func (p cborRPC) request(c *Client, m wire.Model, _ *wire.Shape, ms []member) (*http.Request, error) {
	tree := map[string]any{}
	for _, e := range ms {
		tree[e.name] = e.value
		if at, ok := e.value.(time.Time); ok && p.target {
			tree[e.name] = fxcbor.Tag{Number: 1, Content: at.UnixMilli()}
		}
	}
	enc, err := fxcbor.EncOptions{Time: fxcbor.TimeUnixDynamic, TimeTag: fxcbor.EncTagRequired}.EncMode()
	if err != nil {
		return nil, err
	}
	body, err := enc.Marshal(tree)
	if err != nil {
		return nil, err
	}
	if p.target {
		r, err := c.newRequest(http.MethodPost, "/", body)
		if err == nil {
			r.Header.Set("X-Amz-Target", c.service.Target+"."+m.Name)
			r.Header.Set("Content-Type", "application/x-amz-cbor-1.1")
		}
		return r, err
	}
	r, err := c.newRequest(http.MethodPost, "/service/"+c.service.Target+"/operation/"+m.Name, body)
	if err != nil {
		return nil, err
	}
	r.Header.Set("Smithy-Protocol", "rpc-v2-cbor")
	r.Header.Set("Content-Type", "application/cbor")
	return r, nil
}

func parseCBOR(b []byte) (map[string]any, error) {
	dec, err := fxcbor.DecOptions{
		DefaultMapType: reflect.TypeFor[map[string]any](),
		IntDec:         fxcbor.IntDecConvertSignedOrFail,
	}.DecMode()
	if err != nil {
		return nil, err
	}
	var tree map[string]any
	return tree, dec.Unmarshal(b, &tree)
}

func (p cborRPC) answer(a Answer, s *wire.Shape, v reflect.Value, _ wire.Model) error {
	tree, err := parseCBOR(a.Body)
	if err != nil {
		return err
	}
	if p.target {
		fromMillis(tree)
	}
	return s.Bind(tree, v)
}

// fromMillis corrects times that were read as seconds.
func fromMillis(tree any) any {
	switch t := tree.(type) {
	case map[string]any:
		for k, e := range t {
			t[k] = fromMillis(e)
		}
	case []any:
		for i, e := range t {
			t[i] = fromMillis(e)
		}
	case time.Time:
		return time.UnixMilli(t.Unix())
	}
	return tree
}

func (cborRPC) fault(a Answer) (code, text string) {
	tree, err := parseCBOR(a.Body)
	if err != nil {
		return "", err.Error()
	}
	code, _ = tree["__type"].(string)
	return code, message(tree)
}
