package wiretest

import (
	"bytes"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/mayfly-faas/mayfly/internal/wire"
)

func ptr[T any](v T) *T { return &v }

// Full is an Everything with all members, none of them against the model.
func Full() *Everything {
	return &Everything{
		Text: ptr("abc"), Free: ptr("  <&>\"'\n\t€ 😀 \\ "), Yes: ptr(false), Small: ptr(int32(900)),
		Big: ptr(int64(1)<<53 + 1), Ratio: ptr(0.125), At: &wire.Time{Time: time.UnixMilli(1700000000123).UTC()},
		Data: []byte{0, 1, 0xff}, Names: []string{"b", "a"}, Colours: []string{"green", "red"}, Flat: []string{"x", "y"},
		Tags: map[string]string{"k": "v", "e": ""}, Lists: map[string][]string{"l": {"1", "22"}}, Kind: ptr("b"),
		Secret: ptr("swordfish"), Child: &Everything{Text: ptr("child"), Names: []string{}},
		Boxes: []Box{{Key: ptr("one"), Value: ptr("1")}, {Key: ptr("two")}},
		Store: map[string]Box{"s": {Key: ptr("k")}},
	}
}

// Suite holds a protocol to what every protocol does.
func Suite(t *testing.T, p wire.Protocol) {
	c := New(t, Sample(p))
	t.Run("echo", func(t *testing.T) { echoAll(t, c) })
	t.Run("violations", func(t *testing.T) { violations(t, c) })
	t.Run("errors", func(t *testing.T) { faults(t, c) })
	t.Run("too large", func(t *testing.T) { tooLarge(t, c) })
	t.Run("answers carry ids", func(t *testing.T) {
		if id := c.Do("Echo", nil, nil).Header.Get("X-Amzn-Requestid"); len(id) != 36 {
			t.Errorf("request id %q", id)
		}
	})
}

func echoAll(t *testing.T, c *Client) {
	for _, in := range []*Everything{{}, {Free: ptr("")}, Full()} {
		var out Everything
		a := c.Do("Echo", in, &out)
		if a.Status != http.StatusOK {
			t.Fatalf("%d %s: %s", a.Status, a.Code, a.Message)
		}
		if !reflect.DeepEqual(clean(in), clean(&out)) {
			t.Errorf("sent %+v\ngot  %+v\n%s", in, out, a.Body)
		}
	}
	if a := c.Do("Echo", map[string]any{"Free": "x", "Unknown": "ignored"}, nil); a.Status != http.StatusOK {
		t.Errorf("a member that the shape does not have: %d %s", a.Status, a.Message)
	}
	if a := c.Do("Fail", map[string]any{"How": "not"}, nil); a.Status != http.StatusOK {
		t.Errorf("an answer without members: %d %s", a.Status, a.Message)
	}
}

// clean makes flat lists, which cannot be empty, comparable.
func clean(e *Everything) *Everything {
	c := *e
	if len(c.Flat) == 0 {
		c.Flat = nil
	}
	if c.Child != nil {
		c.Child = clean(c.Child)
	}
	return &c
}

// Violated are inputs against the model, and what AWS says of them.
var violated = []struct {
	in   map[string]any
	text string
}{
	{map[string]any{"Text": "ABC"}, "1 validation error detected: Value 'ABC' at 'text' failed to satisfy constraint: Member must satisfy regular expression pattern: [a-z]+"},
	{map[string]any{"Text": "UPPERCASELETTERS"}, "2 validation errors detected: Value 'UPPERCASELETTERS' at 'text' failed to satisfy constraint: Member must satisfy regular expression pattern: [a-z]+; Value 'UPPERCASELETTERS' at 'text' failed to satisfy constraint: Member must have length less than or equal to 10"},
	{map[string]any{"Small": 0}, "1 validation error detected: Value '0' at 'small' failed to satisfy constraint: Member must have value greater than or equal to 1"},
	{map[string]any{"Small": 901}, "Member must have value less than or equal to 900"},
	{map[string]any{"Ratio": 1.5}, "Value '1.5' at 'ratio' failed to satisfy constraint: Member must have value less than or equal to 1.0"},
	{map[string]any{"Kind": "c"}, "Value 'c' at 'kind' failed to satisfy constraint: Member must satisfy enum value set: [a, b]"},
	{map[string]any{"Names": []any{"a", "b", "c", "d"}}, "Value '[a, b, c, d]' at 'names' failed to satisfy constraint: Member must have length less than or equal to 3"},
	{map[string]any{"Names": []any{"good", "too long"}}, "Value '[good, too long]' at 'names' failed to satisfy constraint: Member must satisfy constraint: [Member must have length less than or equal to 5, Member must have length greater than or equal to 1, Member must not be null]"},
	{map[string]any{"Colours": []any{"blue"}}, "Value '[blue]' at 'colours' failed to satisfy constraint: Member must satisfy constraint: [Member must satisfy enum value set: [red, green], Member must not be null]"},
	{map[string]any{"Tags": map[string]any{"K": "v"}}, "Value '{K=v}' at 'tags' failed to satisfy constraint: Map keys must satisfy constraint: [Member must have length less than or equal to 5, Member must have length greater than or equal to 1, Member must satisfy regular expression pattern: [a-z]+, Member must not be null]"},
	{map[string]any{"Tags": map[string]any{"k": "too long"}}, "Value '{k=too long}' at 'tags' failed to satisfy constraint: Map value must satisfy constraint: [Member must have length less than or equal to 5, Member must have length greater than or equal to 0, Member must not be null]"},
	{map[string]any{"Lists": map[string]any{"l": []any{"1", "2", "3"}}}, "Value '{l=[1, 2, 3]}' at 'lists' failed to satisfy constraint: Map value must satisfy constraint: [Member must have length less than or equal to 2"},
	{map[string]any{"Lists": map[string]any{"l": []any{"4444"}}}, "Value '[4444]' at 'lists.l' failed to satisfy constraint: Member must satisfy constraint: [Member must have length less than or equal to 3"},
	{map[string]any{"Secret": "short"}, "1 validation error detected: Value at 'secret' failed to satisfy constraint: Member must have length greater than or equal to 8"},
	{map[string]any{"Child": map[string]any{"Child": map[string]any{"Kind": "c"}}}, "Value 'c' at 'child.child.kind' failed"},
	{map[string]any{"Boxes": []any{map[string]any{"Key": "ok"}, map[string]any{"Key": "long", "Value": "v"}}}, "Value 'long' at 'boxes.2.member.key' failed"},
	{map[string]any{"Boxes": []any{map[string]any{"Value": "v"}}}, "Value null at 'boxes.1.member.key' failed to satisfy constraint: Member must not be null"},
	{map[string]any{"Store": map[string]any{"s": map[string]any{"Value": "v"}}}, "Value null at 'store.s.key' failed to satisfy constraint: Member must not be null"},
	{map[string]any{"Data": bytes.Repeat([]byte{1}, 17)}, "Value 'java.nio.HeapByteBuffer[pos=0 lim=17 cap=17]' at 'data' failed to satisfy constraint: Member must have length less than or equal to 16"},
}

func violations(t *testing.T, c *Client) {
	for _, v := range violated {
		a := c.Do("Echo", v.in, nil)
		if a.Status != http.StatusBadRequest || !strings.HasPrefix(a.Code, "Validation") || !strings.Contains(a.Message, v.text) {
			t.Errorf("%v:\ngot  %d %s: %s\nwant %s", v.in, a.Status, a.Code, a.Message, v.text)
		}
	}
	if a := c.Do("Fail", nil, nil); a.Message != "1 validation error detected: Value null at 'how' failed to satisfy constraint: Member must not be null" {
		t.Errorf("required: %s", a.Message)
	}
}

func faults(t *testing.T, c *Client) {
	a := c.Do("Fail", map[string]any{"How": "client"}, nil)
	if a.Status != 404 || a.Code != "ResourceNotFoundException" || a.Message != `Not <here> & "there"` || a.Header.Get("Retry-After") != "7" {
		t.Errorf("client: %+v", a)
	}
	if !bytes.Contains(a.Body, []byte("Reason")) || !bytes.Contains(a.Body, []byte("Lost")) {
		t.Errorf("the error's member is missing: %s", a.Body)
	}
	for _, how := range []string{"server", "panic"} {
		a := c.Do("Fail", map[string]any{"How": how}, nil)
		if a.Status != 500 || a.Code != "ServiceException" {
			t.Errorf("%s: %d %s", how, a.Status, a.Code)
		}
		if bytes.Contains(a.Body, []byte("swordfish")) {
			t.Errorf("%s: the cause is out: %s", how, a.Body)
		}
	}
	a = c.Do("Skip", nil, nil)
	if a.Status != 400 || !strings.HasPrefix(a.Code, "UnsupportedOperation") || a.Message != "Mayfly does not serve sample:Skip yet." {
		t.Errorf("not served: %+v", a)
	}
}

func tooLarge(t *testing.T, c *Client) {
	a := c.Do("Echo", map[string]any{"Free": strings.Repeat("x", 3<<19)}, nil)
	if a.Status != 413 || !strings.HasPrefix(a.Code, "RequestEntityTooLarge") ||
		a.Message != "Request must be smaller than 1048576 bytes for the Echo operation" {
		t.Errorf("%d %s: %s", a.Status, a.Code, a.Message)
	}
}
