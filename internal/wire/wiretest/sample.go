package wiretest

import (
	"context"
	"errors"

	"github.com/mayfly-faas/mayfly/internal/awserr"
	"github.com/mayfly-faas/mayfly/internal/wire"
)

// An Everything has a member of every kind.
type Everything struct {
	Text    *string             `wire:"Text" len:"1..10" pattern:"[a-z]+"`
	Free    *string             `wire:"Free"`
	Yes     *bool               `wire:"Yes"`
	Small   *int32              `wire:"Small" range:"1..900"`
	Big     *int64              `wire:"Big"`
	Ratio   *float64            `wire:"Ratio" range:"0..1"`
	At      *wire.Time          `wire:"At"`
	Data    []byte              `wire:"Data" len:"0..16"`
	Names   []string            `wire:"Names" len:"0..3" elem.len:"1..5"`
	Colours []string            `wire:"Colours" list:"Colour" elem.enum:"red|green"`
	Flat    []string            `wire:"Flat" list:",flat"`
	Tags    map[string]string   `wire:"Tags" key.len:"1..5" key.pattern:"[a-z]+" elem.len:"0..5"`
	Lists   map[string][]string `wire:"Lists" elem.len:"1..2" elem.elem.len:"1..3"`
	Kind    *string             `wire:"Kind" enum:"a|b"`
	Secret  *string             `wire:"Secret" len:"8.." sensitive:"true"`
	Child   *Everything         `wire:"Child"`
	Boxes   []Box               `wire:"Boxes"`
	Store   map[string]Box      `wire:"Store"`
}

// A Box has a member that must be there.
type Box struct {
	Key   *string `wire:"Key" required:"true" len:"1..3"`
	Value *string `wire:"Value"`
}

// Nothing has no members.
type Nothing struct{}

// Failure asks for an error.
type Failure struct {
	How *string `wire:"How" required:"true"`
}

// Sample is a service that speaks p: Echo returns what it is given, Fail fails
// as it is told, Skip is in the model and not served.
func Sample(p wire.Protocol) wire.Service {
	return wire.Service{
		Name: "sample", Title: "Sample", Version: "2026-11-23", Target: "Sample_20261123",
		Namespace: "https://sample.invalid/doc/", Paths: []string{"/sample/"}, Protocol: p, ErrorCode: "ServiceException",
		Models: []wire.Model{
			{Name: "Echo", Method: "POST", URI: "/sample/echo", Status: 200, Result: "EchoResult"},
			{Name: "Fail", Method: "POST", URI: "/sample/fail", Status: 200},
			{Name: "Skip", Method: "POST", URI: "/sample/skip", Status: 200},
		},
		Ops: []wire.Op{
			wire.Handle("Echo", func(_ context.Context, in *Everything) (*Everything, error) { return in, nil }),
			wire.Handle("Fail", fail),
		},
		MaxBody: func(string) int64 { return 1 << 20 },
	}
}

// errSecret must not reach a caller.
var errSecret = errors.New("the password is swordfish")

func fail(_ context.Context, in *Failure) (*Nothing, error) {
	switch *in.How {
	case "client":
		e := awserr.New(404, "ResourceNotFoundException", `Not <here> & "there"`)
		e.Members = map[string]any{"Reason": "Lost"}
		e.Header = map[string]string{"Retry-After": "7"}
		return nil, e
	case "server":
		return nil, errSecret
	case "panic":
		panic(errSecret)
	}
	return nil, nil
}
