package vtl

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
)

// An input is $input as a test has it.
type input struct{}

func (input) Member(name string) Value {
	if name == "body" {
		return `{"a":1}`
	}
	return nil
}

func (input) Call(method string, args []Value) (Value, error) {
	switch method {
	case "params":
		return map[string]string{"origin": "https://a.example"}[Text(args[0])], nil
	case "path":
		return Map{"items": &List{Items: []Value{"x", "y"}}, "n": 2.0}, nil
	}
	return nil, ErrNoMethod
}

func vars() Map {
	return Map{"input": input{}, "context": Map{"stage": "prod", "responseOverride": Map{"header": Map{}}}, "n": 3.0, "s": "text"}
}

func TestTemplates(t *testing.T) {
	for _, tt := range []struct{ template, want string }{
		{`{"statusCode": 200}`, `{"statusCode": 200}`},
		{`$context.stage ${context.stage}x $none $!none. $!{none}|`, `prod prodx $none . |`},
		{`costs $5 and #1 \$s \#if`, `costs $5 and #1 $s #if`},
		{"#set($a = 1)\n$a", "1"},
		{`#set($a = "v-$s/${n}")$a#set($b = '$s')$b`, "v-text/3$s"},
		{`#if($n == 3)yes#{else}no#end`, "yes"},
		{`#if($n > 3 || $none)a#elseif($s == "text" && !($n < 1))b#else c#end`, "b"},
		{`#foreach($i in $input.path('$').items)$i#if($foreach.hasNext),#end#end`, "x,y"},
		{`#foreach($i in [1..3])$i#if($i == 2)#break#end#end`, "12"},
		{`#set($m = {"a": [1, 2], 'b': true})$m.a[1] $m.b $m.get("a").size() $m`, "2 true 2 {a=[1, 2], b=true}"},
		{`#set($o = $input.params("origin"))#if($o.matches("https://.*"))#set($context.responseOverride.header.Access-Control-Allow-Origin = $o)#end$context.responseOverride.header.Access-Control-Allow-Origin`, "https://a.example"},
		{`$s.toUpperCase().substring(1, 3) $s.replaceAll("t", "T") $s.indexOf("x") $s.contains("ex")`, "EX TexT 2 true"},
		{`#set($x = 7 / 2 + 10 % 4 - 1 * 2)$x`, "3"},
		{"a## comment\nb#* more *#c#[[$raw #if]]#", "abc$raw #if"},
		{`before#stop after`, "before"},
		{`$s.nothing() $s.nope`, `$s.nothing() $s.nope`},
		{`$input.body.`, `{"a":1}.`},
		{`#if($s eq "text" and not $none)ok#end`, "ok"},
		{`#foreach($e in {"k": "v"}.entrySet())$e.key#end`, ""},
	} {
		p, err := Parse(tt.template)
		if err != nil {
			if tt.want != "" {
				t.Errorf("%s: %v", tt.template, err)
			}
			continue
		}
		got, err := p.Run(vars())
		if err != nil || got != tt.want {
			t.Errorf("%s: %q %v, want %q", tt.template, got, err, tt.want)
		}
	}
}

func TestMistakes(t *testing.T) {
	for _, text := range []string{
		"#if($a)", "#end", "#else", "#foreach($a in $b)", "#set($a)", "#set(a = 1)", "#set($a == 1)", "${a", "#if($a", `#set($a = "x)`,
		"#macro(x)#end", "#parse('f')", "$a.b(1", "$a[1", "#set($a = [1)", "#set($a = {1})", "#* open", "#set($a = 1 +)", "#if()#end",
		strings.Repeat("#if($a)", 100), "#set($a = " + strings.Repeat("(", 500) + ")",
	} {
		if _, err := Parse(text); err == nil {
			t.Errorf("%.60s: no error", text)
		}
	}
}

func TestLimits(t *testing.T) {
	for text, want := range map[string]error{
		`#set($x = "0123456789")#foreach($i in [1..40])#set($x = "$x$x")#end`:                        ErrTooLong,
		`#foreach($a in [1..1000])#foreach($b in [1..1000])#foreach($c in [1..1000])#end#end#end`:    ErrTooSlow,
		`#foreach($a in [1..1000])#foreach($b in [1..1000])x#end#end`:                                ErrTooSlow,
		`#foreach($a in [1..99999])#end`:                                                             ErrTooSlow,
		`#set($x = "aaaaaaaaaa")#foreach($i in [1..40])#set($x = $x.replace("a", "aaaaaaaaaa"))#end`: ErrTooLong,
		`#set($m = {})#set($m.self = $m)#set($l = [])$!l.add($l)$m.size()$l.size()#set($t = "$m$l")`: nil,
		`#set($m = {})#foreach($i in [1..90])#set($m = {"a": $m, "b": $m})#end#set($t = "$m")`:       nil,
	} {
		p, err := Parse(text)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if _, err = p.Run(vars()); want != nil && !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", text, err, want)
		}
	}
}

func TestJSON(t *testing.T) {
	var v any
	if err := json.Unmarshal([]byte(`{"a":[1,2.5,"x",null,true],"b":{}}`), &v); err != nil {
		t.Fatal(err)
	}
	if got := JSON(Of(v)); got != `{"a":[1,2.5,"x",null,true],"b":{}}` {
		t.Error(got)
	}
}

func FuzzTemplate(f *testing.F) {
	for _, s := range []string{`#set($a = "b$c")`, `#foreach($i in [1..3])$i#end`, `$a.b('c')[1]`, `#if(!$a && 1 < 2)x#else y#end`, `${a.b}`, `#set($m={"a":1})$m`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		p, err := Parse(text)
		if err != nil {
			return
		}
		out, err := p.Run(vars())
		if err == nil && len(out) > MaxOutput {
			t.Errorf("%d bytes", len(out))
		}
		if !strings.ContainsAny(text, "$#\\") && out != text {
			t.Errorf("plain text %q became %q", text, out)
		}
	})
}
