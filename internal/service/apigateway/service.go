// Package apigateway is the control plane of API Gateway's REST APIs: AWS's
// operations on a Book of package restapi, which knows what a REST API is.
package apigateway

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/mayfly-faas/mayfly/internal/awserr"
	"github.com/mayfly-faas/mayfly/internal/gateway/restapi"
	"github.com/mayfly-faas/mayfly/internal/wire"
	"github.com/mayfly-faas/mayfly/internal/wire/restjson"
)

// Service is API Gateway on b. Tests of methods and authorizers are run by h. It
// shares its signing name with version 2 and must stand before it in the front's
// list.
//
// https://docs.aws.amazon.com/apigateway/latest/api/API_Operations.html
func Service(b *restapi.Book, h *restapi.Handler) wire.Service {
	c := &control{b, h}
	return wire.Service{
		Name: "apigateway", Title: "Amazon API Gateway", Version: "2015-07-09",
		Paths:    []string{"/restapis", "/apikeys", "/usageplans", "/domainnames", "/account", "/tags/arn", "/vpclinks", "/clientcertificates", "/sdktypes"},
		Protocol: restjson.Protocol{}, Models: models(), ErrorCode: "InternalServerErrorException", ValidationCode: "BadRequestException",
		MaxBody: func(string) int64 { return maxDocument },
		Ops: slices.Concat(c.apiOps(), c.resourceOps(), c.methodOps(), c.integrationOps(), c.partOps(), c.modelOps(), c.stageOps(),
			c.keyOps(), c.planOps(), c.domainOps(), c.accountOps(), c.trialOps()),
	}
}

// maxDocument bounds a request: an OpenAPI document is the largest.
const maxDocument = 6 << 20

// A control serves the operations.
type control struct {
	*restapi.Book
	handler *restapi.Handler
}

// show is an item as a shape of the API. Both spell their members alike, so
// that JSON between them is all that it takes.
func show[Shape any](item any) (*Shape, error) {
	doc, err := json.Marshal(item)
	if err != nil {
		return nil, fmt.Errorf("show %T: %w", item, err)
	}
	tree, err := wire.ParseJSON(doc)
	if err != nil {
		return nil, fmt.Errorf("show %T: %w", item, err)
	}
	s := new(Shape)
	v := reflect.ValueOf(s).Elem()
	if err := wire.ShapeOf(v.Type()).Bind(tree, v); err != nil {
		return nil, fmt.Errorf("show %T: %w", item, err)
	}
	return s, nil
}

// shown is show for what a call on the Book answers.
func shown[Shape, Item any](item *Item, err error) (*Shape, error) {
	if err != nil {
		return nil, err
	}
	return show[Shape](item)
}

// read makes an item of a request's body.
func read[Item any](in any) (Item, error) {
	v := reflect.ValueOf(in).Elem()
	var item Item
	if err := json.Unmarshal(wire.ShapeOf(v.Type()).AppendJSON(nil, v), &item); err != nil {
		return item, awserr.New(400, "BadRequestException", "Invalid request input")
	}
	return item, nil
}

// none is the answer without members.
type none struct{}

// done is the answer of what has nothing to tell.
func done(err error) (*none, error) {
	if err != nil {
		return nil, err
	}
	return &none{}, nil
}

// patches are a request's patch operations.
func patches(in []*PatchOperation) []restapi.Patch {
	var out []restapi.Patch
	for _, p := range in {
		out = append(out, restapi.Patch{Op: val(p.Op), Path: val(p.Path), Value: p.Value, From: val(p.From)})
	}
	return out
}

// val is *p, or the zero value where there is none.
func val[T any](p *T) T {
	if p == nil {
		var zero T
		return zero
	}
	return *p
}

// How many items an answer lists: unless the request says, and at most.
const (
	pageSize = 25
	maxPage  = 500
)

// A page is a part of a list.
type page[Shape any] struct {
	items    []*Shape
	position *string // behind it; nil at the end
}

// paged is the part of a list that a request wants. Lists are in the order of
// key, which is unique, so that a position is the key before it.
func paged[Shape, Item any](items []*Item, err error, limit *int32, position *string, key func(*Item) string) (page[Shape], error) {
	p := page[Shape]{items: []*Shape{}}
	if err != nil {
		return p, err
	}
	size := pageSize
	if limit != nil {
		if size = int(*limit); size < 1 {
			return p, awserr.New(400, "BadRequestException", "Invalid limit specified: %d", size)
		}
	}
	size = min(size, maxPage)
	slices.SortFunc(items, func(a, b *Item) int { return strings.Compare(key(a), key(b)) })
	if position != nil {
		items = slices.DeleteFunc(items, func(i *Item) bool { return key(i) <= *position })
	}
	if len(items) > size {
		items = items[:size]
		p.position = new(key(items[size-1]))
	}
	for _, item := range items {
		s, err := show[Shape](item)
		if err != nil {
			return p, err
		}
		p.items = append(p.items, s)
	}
	return p, nil
}

// handle names an operation's handler.
func handle[In, Out any](name string, h func(context.Context, *In) (*Out, error)) wire.Op {
	return wire.Handle(name, h)
}
