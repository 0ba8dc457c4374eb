package cbor

import (
	"reflect"
	"testing"
	"time"

	"github.com/mayfly-faas/mayfly/internal/wire"
)

type everything struct {
	S     *string           `wire:"S" len:"..10"`
	I     *int32            `wire:"I"`
	L     *int64            `wire:"L"`
	F     *float64          `wire:"F"`
	B     *bool             `wire:"B"`
	At    *wire.Time        `wire:"At"`
	Blob  []byte            `wire:"Blob"`
	List  []string          `wire:"List" elem.len:"1.."`
	Map   map[string]string `wire:"Map"`
	Child *everything       `wire:"Child"`
}

func full() everything {
	s, i, l, f, b := "s", int32(1), int64(-1), 0.5, true
	at := wire.Time{Time: time.UnixMilli(1700000000123)}
	child := everything{S: &s}
	return everything{&s, &i, &l, &f, &b, &at, []byte{1}, []string{"a"}, map[string]string{"k": "v"}, &child}
}

func FuzzParse(f *testing.F) {
	c := newCodec()
	shape := wire.ShapeOf(reflect.TypeFor[everything]())
	seed, err := c.enc.Marshal(shape.Tree(reflect.ValueOf(full())))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(seed)
	f.Add([]byte{0xbf, 0x62, 'A', 't', 0xc1, 0xfb, 0x7f, 0xf0, 0, 0, 0, 0, 0, 0, 0xff})
	f.Fuzz(func(t *testing.T, b []byte) {
		tree, err := c.parse(b)
		if err != nil {
			return
		}
		if _, err := c.enc.Marshal(toMillis(fromMillis(tree))); err != nil {
			t.Fatalf("%x, as the older form has times: %v", b, err)
		}
		if tree, err = c.parse(b); err != nil {
			t.Fatal(err)
		}
		var v everything
		if err := shape.Bind(tree, reflect.ValueOf(&v).Elem()); err != nil {
			return
		}
		shape.Check(reflect.ValueOf(v))
		out, err := c.enc.Marshal(shape.Tree(reflect.ValueOf(v)))
		if err != nil {
			t.Fatalf("%x: %v", b, err)
		}
		again, err := c.parse(out)
		if err != nil {
			t.Fatalf("%x became %x: %v", b, out, err)
		}
		if err := shape.Bind(again, reflect.New(reflect.TypeFor[everything]()).Elem()); err != nil {
			t.Errorf("%x became %x: %v", b, out, err)
		}
	})
}
