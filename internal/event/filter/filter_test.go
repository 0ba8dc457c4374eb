package filter

import (
	"errors"
	"strings"
	"testing"
)

// cases are patterns, events that match them, and events that do not.
var cases = []struct {
	pattern string
	yes, no []string
}{
	{`{"a":["x"]}`, []string{`{"a":"x"}`, `{"a":["x"]}`, `{"a":["y","x"]}`, `{"a":"x","b":1}`, `{"a":[["x"]]}`},
		[]string{`{"a":"X"}`, `{"a":"xx"}`, `{"a":""}`, `{"a":null}`, `{"a":1}`, `{"b":"x"}`, `{}`, `{"a":{"x":"x"}}`, `{"a":[]}`, `{"a":["y"]}`, `[]`, `"x"`, `no`, `{"a":"x"}{}`, `null`}},
	{`{"a":["x","y"]}`, []string{`{"a":"x"}`, `{"a":"y"}`, `{"a":["z","y"]}`}, []string{`{"a":"z"}`, `{"a":"xy"}`}},
	{`{"a":["x"],"b":["y"]}`, []string{`{"a":"x","b":"y"}`, `{"b":"y","a":["x"]}`}, []string{`{"a":"x"}`, `{"b":"y"}`, `{"a":"y","b":"x"}`}},
	{`{"a":[1]}`, []string{`{"a":1}`, `{"a":[0,1]}`}, []string{`{"a":1.0}`, `{"a":"1"}`, `{"a":10}`, `{"a":true}`}},
	{`{"a":[300]}`, []string{`{"a":300}`}, []string{`{"a":300.0}`, `{"a":3.0e2}`}},
	{`{"a":[-1.5]}`, []string{`{"a":-1.5}`}, []string{`{"a":1.5}`, `{"a":-1.50}`}},
	{`{"a":[true]}`, []string{`{"a":true}`}, []string{`{"a":false}`, `{"a":"true"}`, `{"a":1}`}},
	{`{"a":[false]}`, []string{`{"a":false}`}, []string{`{"a":true}`, `{"a":null}`, `{}`}},
	{`{"a":[null]}`, []string{`{"a":null}`, `{"a":[null]}`}, []string{`{"a":""}`, `{}`, `{"a":"null"}`, `{"a":0}`, `{"a":[]}`}},
	{`{"a":[""]}`, []string{`{"a":""}`}, []string{`{"a":null}`, `{"a":" "}`, `{}`}},
	{`{"a":["x",1,null,""]}`, []string{`{"a":"x"}`, `{"a":1}`, `{"a":null}`, `{"a":""}`}, []string{`{"a":"1"}`, `{"a":false}`}},
	{`{"a":["ü"]}`, []string{`{"a":"ü"}`, `{"a":"\u00fc"}`}, []string{`{"a":"u"}`}},
	{`{"a":{"b":["x"]}}`, []string{`{"a":{"b":"x"}}`, `{"a":{"b":"x","c":1}}`, `{"a":[{"b":"x"}]}`, `{"a":[{"b":"y"},{"b":"x"}]}`, `{"a":[1,{"b":["x"]}]}`},
		[]string{`{"a":"x"}`, `{"a":{"c":"x"}}`, `{"b":"x"}`, `{"a":null}`, `{"a":[]}`, `{"a.b":"x"}`}},
	{`{"a":{"b":{"c":["x"]}}}`, []string{`{"a":{"b":{"c":"x"}}}`, `{"a":[{"b":[{"c":"x"}]}]}`}, []string{`{"a":{"c":"x"}}`, `{"a":{"b":"x"}}`}},
	{`{"a":{"b":[1],"c":[2]}}`, []string{`{"a":{"b":1,"c":2}}`, `{"a":[{"b":9,"c":9},{"b":1,"c":2}]}`}, []string{`{"a":[{"b":1,"c":9},{"b":9,"c":2}]}`, `{"a":{"b":1}}`}},

	{`{"a":[{"prefix":"x"}]}`, []string{`{"a":"x"}`, `{"a":"xy"}`, `{"a":["y","xz"]}`}, []string{`{"a":"yx"}`, `{"a":"X"}`, `{"a":""}`, `{"a":1}`, `{"a":null}`, `{}`}},
	{`{"a":[{"prefix":""}]}`, []string{`{"a":""}`, `{"a":"x"}`}, []string{`{"a":1}`, `{"a":null}`}},
	{`{"a":[{"prefix":{"equals-ignore-case":"Ab"}}]}`, []string{`{"a":"abc"}`, `{"a":"ABC"}`, `{"a":"aB"}`}, []string{`{"a":"bab"}`, `{"a":"a"}`, `{"a":5}`}},
	{`{"a":[{"suffix":".png"}]}`, []string{`{"a":"x.png"}`, `{"a":".png"}`}, []string{`{"a":"x.PNG"}`, `{"a":"x.png "}`, `{"a":"png"}`, `{"a":1}`}},
	{`{"a":[{"suffix":{"equals-ignore-case":".png"}}]}`, []string{`{"a":"x.PNG"}`, `{"a":"x.png"}`}, []string{`{"a":"x.jpg"}`, `{"a":"ng"}`}},
	{`{"a":[{"equals-ignore-case":"Alice"}]}`, []string{`{"a":"alice"}`, `{"a":"ALICE"}`, `{"a":["bob","aLiCe"]}`}, []string{`{"a":"alic"}`, `{"a":"alices"}`, `{"a":1}`}},
	{`{"a":["x",{"prefix":"y"}]}`, []string{`{"a":"x"}`, `{"a":"yz"}`}, []string{`{"a":"xz"}`}},

	{`{"a":[{"wildcard":"*"}]}`, []string{`{"a":""}`, `{"a":"x"}`}, []string{`{"a":1}`, `{}`}},
	{`{"a":[{"wildcard":"x*"}]}`, []string{`{"a":"x"}`, `{"a":"xyz"}`}, []string{`{"a":"yx"}`, `{"a":""}`}},
	{`{"a":[{"wildcard":"*.png"}]}`, []string{`{"a":"d/x.png"}`, `{"a":".png"}`}, []string{`{"a":"x.pngx"}`, `{"a":"png"}`}},
	{`{"a":[{"wildcard":"a*b*c"}]}`, []string{`{"a":"abc"}`, `{"a":"axxbxxc"}`, `{"a":"abbbc"}`, `{"a":"abcbc"}`}, []string{`{"a":"ac"}`, `{"a":"acb"}`, `{"a":"abcx"}`, `{"a":"xabc"}`}},
	{`{"a":[{"wildcard":"ab*ba"}]}`, []string{`{"a":"abba"}`, `{"a":"abxba"}`}, []string{`{"a":"aba"}`, `{"a":"ab"}`}},
	{`{"a":[{"wildcard":"dir/*/f"}]}`, []string{`{"a":"dir/x/f"}`, `{"a":"dir//f"}`, `{"a":"dir/x/y/f"}`}, []string{`{"a":"dir/f"}`}},
	{`{"a":[{"wildcard":"a\\*b"}]}`, []string{`{"a":"a*b"}`}, []string{`{"a":"axb"}`, `{"a":"ab"}`}},
	{`{"a":[{"wildcard":"a\\\\b*"}]}`, []string{`{"a":"a\\b"}`, `{"a":"a\\bc"}`}, []string{`{"a":"ab"}`}},
	{`{"a":[{"wildcard":"plain"}]}`, []string{`{"a":"plain"}`}, []string{`{"a":"plains"}`, `{"a":"plai"}`}},

	{`{"a":[{"anything-but":"x"}]}`, []string{`{"a":"y"}`, `{"a":""}`, `{"a":null}`, `{"a":1}`, `{"a":["x","y"]}`, `{"a":true}`}, []string{`{"a":"x"}`, `{}`, `{"a":["x"]}`, `{"a":[]}`, `{"a":{}}`}},
	{`{"a":[{"anything-but":["x","y"]}]}`, []string{`{"a":"z"}`, `{"a":1}`}, []string{`{"a":"x"}`, `{"a":"y"}`, `{}`}},
	{`{"a":[{"anything-but":5}]}`, []string{`{"a":6}`, `{"a":"5"}`}, []string{`{"a":5}`, `{"a":5.0}`, `{"a":0.5e1}`}},
	{`{"a":[{"anything-but":[1,2]}]}`, []string{`{"a":3}`, `{"a":"1"}`}, []string{`{"a":1}`, `{"a":2.00}`}},
	{`{"a":[{"anything-but":{"prefix":"x"}}]}`, []string{`{"a":"y"}`, `{"a":""}`, `{"a":1}`}, []string{`{"a":"x"}`, `{"a":"xy"}`, `{}`}},
	{`{"a":[{"anything-but":{"prefix":["x","y"]}}]}`, []string{`{"a":"z"}`}, []string{`{"a":"xa"}`, `{"a":"yb"}`}},
	{`{"a":[{"anything-but":{"suffix":".txt"}}]}`, []string{`{"a":"f.png"}`, `{"a":"txt"}`}, []string{`{"a":"f.txt"}`}},
	{`{"a":[{"anything-but":{"suffix":[".txt",".rtf"]}}]}`, []string{`{"a":"f.png"}`}, []string{`{"a":"f.txt"}`, `{"a":"f.rtf"}`}},
	{`{"a":[{"anything-but":{"equals-ignore-case":"x"}}]}`, []string{`{"a":"y"}`, `{"a":"xx"}`}, []string{`{"a":"x"}`, `{"a":"X"}`}},
	{`{"a":[{"anything-but":{"equals-ignore-case":["x","y"]}}]}`, []string{`{"a":"z"}`}, []string{`{"a":"X"}`, `{"a":"Y"}`}},
	{`{"a":[{"anything-but":{"wildcard":"*/lib/*"}}]}`, []string{`{"a":"/bin/x"}`}, []string{`{"a":"/lib/x"}`, `{"a":"/usr/lib/x"}`}},
	{`{"a":[{"anything-but":{"wildcard":["*/lib/*","*/bin/*"]}}]}`, []string{`{"a":"/etc/x"}`}, []string{`{"a":"/lib/x"}`, `{"a":"/bin/x"}`}},

	{`{"a":[{"numeric":["=",5]}]}`, []string{`{"a":5}`, `{"a":5.0}`, `{"a":0.5e1}`, `{"a":[4,5]}`}, []string{`{"a":"5"}`, `{"a":5.1}`, `{"a":null}`, `{}`}},
	{`{"a":[{"numeric":[">",0]}]}`, []string{`{"a":1}`, `{"a":0.001}`}, []string{`{"a":0}`, `{"a":-1}`, `{"a":6000000000}`}},
	{`{"a":[{"numeric":[">=",0]}]}`, []string{`{"a":0}`, `{"a":5000000000}`}, []string{`{"a":-0.1}`}},
	{`{"a":[{"numeric":["<",10]}]}`, []string{`{"a":9.99}`, `{"a":-5e9}`}, []string{`{"a":10}`, `{"a":11}`}},
	{`{"a":[{"numeric":["<=",10]}]}`, []string{`{"a":10}`, `{"a":1e1}`}, []string{`{"a":10.5}`}},
	{`{"a":[{"numeric":[">",0,"<=",5]}]}`, []string{`{"a":1}`, `{"a":5}`}, []string{`{"a":0}`, `{"a":5.5}`, `{"a":"3"}`}},
	{`{"a":[{"numeric":[">=",0,"<",5]}]}`, []string{`{"a":0}`, `{"a":4.9}`}, []string{`{"a":5}`, `{"a":-1}`}},

	{`{"a":[{"exists":true}]}`, []string{`{"a":1}`, `{"a":null}`, `{"a":""}`, `{"a":["x"]}`}, []string{`{}`, `{"a":{}}`, `{"a":{"b":1}}`, `{"a":[]}`}},
	{`{"a":[{"exists":false}]}`, []string{`{}`, `{"b":1}`, `{"a":{"b":1}}`, `{"a":[]}`}, []string{`{"a":1}`, `{"a":null}`, `{"a":["x"]}`}},
	{`{"a":{"b":[{"exists":false}]}}`, []string{`{}`, `{"a":{}}`, `{"a":{"c":1}}`, `{"a":1}`}, []string{`{"a":{"b":1}}`, `{"a":[{"b":1},{"c":1}]}`}},
	{`{"a":[{"exists":false},"x"]}`, []string{`{}`, `{"a":"x"}`}, []string{`{"a":"y"}`}},
	{`{"a":["x"],"b":[{"exists":false}]}`, []string{`{"a":"x"}`}, []string{`{"a":"x","b":1}`, `{}`}},

	{`{"a":[{"cidr":"10.0.0.0/24"}]}`, []string{`{"a":"10.0.0.0"}`, `{"a":"10.0.0.255"}`, `{"a":["x","10.0.0.7"]}`}, []string{`{"a":"10.0.1.0"}`, `{"a":"x"}`, `{"a":1}`, `{"a":"10.0.0"}`}},
	{`{"a":[{"cidr":"0.0.0.0/0"}]}`, []string{`{"a":"1.2.3.4"}`}, []string{`{"a":"::1"}`}},
	{`{"a":[{"cidr":"2001:db8::/32"}]}`, []string{`{"a":"2001:db8::1"}`, `{"a":"2001:0DB8:0:0:0:0:0:1"}`}, []string{`{"a":"2001:db9::1"}`, `{"a":"10.0.0.1"}`}},
	{`{"a":["2001:db8::1"]}`, []string{`{"a":"2001:db8:0:0:0:0:0:1"}`}, []string{`{"a":"2001:db8::2"}`}},

	{`{"$or":[{"a":["x"]},{"b":["y"]}]}`, []string{`{"a":"x"}`, `{"b":"y"}`, `{"a":"x","b":"z"}`}, []string{`{}`, `{"a":"y"}`}},
	{`{"c":["z"],"$or":[{"a":["x"]},{"b":["y"],"d":[1]}]}`, []string{`{"c":"z","a":"x"}`, `{"c":"z","b":"y","d":1}`}, []string{`{"a":"x"}`, `{"c":"z","b":"y"}`, `{"c":"z"}`}},
	{`{"o":{"$or":[{"a":[{"numeric":[">",0]}]},{"b":[{"exists":false}]}]}}`, []string{`{"o":{"a":1,"b":1}}`, `{"o":{"a":0}}`, `{}`}, []string{`{"o":{"a":0,"b":1}}`}},
	{`{"$or":[{"a":["x"]},{"$or":[{"b":[1]},{"c":[2]}]}]}`, []string{`{"a":"x"}`, `{"b":1}`, `{"c":2}`}, []string{`{"b":2,"c":1}`}},
	{`{"$or":[{"a":["x"]},{"b":["y"]}],"o":{"$or":[{"c":[1]},{"d":[2]}]}}`, []string{`{"a":"x","o":{"d":2}}`}, []string{`{"a":"x"}`, `{"o":{"c":1}}`}},
	{`{"a":[{"exactly":"x"}]}`, []string{`{"a":"x"}`}, []string{`{"a":"y"}`}},
	{`{"source":["aws.ec2"],"detail-type":["EC2 Instance State-change Notification"],"detail":{"state":["terminated"]}}`,
		[]string{`{"version":"0","source":"aws.ec2","detail-type":"EC2 Instance State-change Notification","resources":["r"],"detail":{"instance-id":"i","state":"terminated"}}`},
		[]string{`{"source":"aws.ec2","detail-type":"EC2 Instance State-change Notification","detail":{"state":"running"}}`}},
}

// invalid are patterns and the beginning of why they are not valid.
var invalid = []struct{ pattern, reason string }{
	{`{"source":["test.event-pattern"],"detail":{"lenderId":"LenderA"}}`, `"lenderId" must be an object or an array` + "\n" + ` at [Source: (String)"{"source":["test.event-pattern"],"detail":{"lenderId":"LenderA"}}"; line: 1, column: 56]`},
	{``, "Unexpected end-of-input"},
	{`{`, "Unexpected end-of-input"},
	{`[]`, "Filter is not an object"},
	{`"x"`, "Filter is not an object"},
	{`5`, "Filter is not an object"},
	{`{}`, "Empty objects are not allowed"},
	{`{"a":{}}`, "Empty objects are not allowed"},
	{`{"a":[]}`, "Empty arrays are not allowed"},
	{`{"a":"x"}`, `"a" must be an object or an array`},
	{`{"a":1}`, `"a" must be an object or an array`},
	{`{"a":null}`, `"a" must be an object or an array`},
	{`{"a":[[1]]}`, "Match value must be String, number, true, false, or null"},
	{`{"a":[{}]}`, "Match expression name not found"},
	{`{"a":[{"prfx":"x"}]}`, "Unrecognized match type prfx"},
	{`{"a":[{"prefix":5}]}`, "prefix match pattern must be a string"},
	{`{"a":[{"prefix":{"suffix":"x"}}]}`, "Unsupported prefix pattern: suffix"},
	{`{"a":[{"prefix":"x","suffix":"y"}]}`, "Only one key allowed in match expression"},
	{`{"a":[{"suffix":null}]}`, "suffix match pattern must be a string"},
	{`{"a":[{"equals-ignore-case":["x"]}]}`, "equals-ignore-case match pattern must be a string"},
	{`{"a":[{"exactly":1}]}`, "exact match pattern must be a string"},
	{`{"a":[{"exists":"true"}]}`, "exists match pattern must be either true or false."},
	{`{"a":[{"exists":true,"x":1}]}`, "Only one key allowed in match expression"},
	{`{"a":[{"wildcard":5}]}`, "wildcard match pattern must be a string"},
	{`{"a":[{"wildcard":"a**b"}]}`, "Consecutive wildcard characters at pos 2"},
	{`{"a":[{"wildcard":"a\\b"}]}`, "Invalid escape character at pos 2"},
	{`{"a":[{"wildcard":"a\\"}]}`, "Invalid escape character at pos 2"},
	{`{"a":[{"numeric":5}]}`, "Value of numeric must be an array."},
	{`{"a":[{"numeric":[5]}]}`, "Invalid member in numeric match: 5"},
	{`{"a":[{"numeric":["!=",5]}]}`, "Unrecognized numeric range operator: !="},
	{`{"a":[{"numeric":["=","5"]}]}`, "Value of equals must be numeric"},
	{`{"a":[{"numeric":[">","5"]}]}`, "Value of > must be numeric"},
	{`{"a":[{"numeric":["=",5,6]}]}`, "Too many elements in numeric expression"},
	{`{"a":[{"numeric":["<",5,">",1]}]}`, "Too many elements in numeric expression"},
	{`{"a":[{"numeric":[">",0,">",5]}]}`, "Bad numeric range operator: >"},
	{`{"a":[{"numeric":[">",0,5]}]}`, "Bad value in numeric range: 5"},
	{`{"a":[{"numeric":[">",0,"<",5,"<",6]}]}`, "Too many terms in numeric range expression"},
	{`{"a":[{"numeric":[">",5,"<",0]}]}`, "Bottom must be less than top"},
	{`{"a":[{"numeric":[">",5000000001]}]}`, "Value must be between -5.0E9 and 5.0E9, inclusive"},
	{`{"a":[{"anything-but":null}]}`, "Value of anything-but must be an array or single string/number value."},
	{`{"a":[{"anything-but":true}]}`, "Value of anything-but must be an array or single string/number value."},
	{`{"a":[{"anything-but":[]}]}`, "Inside anything but list, either all values are number or string"},
	{`{"a":[{"anything-but":["x",1]}]}`, "Inside anything but list, either all values are number or string"},
	{`{"a":[{"anything-but":[null]}]}`, "Inside anything but list, start|null|boolean is not supported."},
	{`{"a":[{"anything-but":{"numeric":["=",1]}}]}`, "Unsupported anything-but pattern: numeric"},
	{`{"a":[{"anything-but":{"prefix":""}}]}`, "Null prefix/suffix not allowed"},
	{`{"a":[{"anything-but":{"prefix":[]}}]}`, "Empty arrays are not allowed"},
	{`{"a":[{"anything-but":{"suffix":5}}]}`, "Value of suffix must be an array or single string value."},
	{`{"a":[{"anything-but":{}}]}`, "Anything-But expression name not found"},
	{`{"a":[{"cidr":5}]}`, "prefix match pattern must be a string"},
	{`{"a":[{"cidr":"10.0.0.0"}]}`, "Malformed CIDR, one '/' required"},
	{`{"a":[{"cidr":"10.0.0.0/x"}]}`, "Malformed CIDR, mask bits must be an integer"},
	{`{"a":[{"cidr":"10.0.0.0/-1"}]}`, "Malformed CIDR, mask bits must not be negative"},
	{`{"a":[{"cidr":"10.0.0.0/32"}]}`, "IPv4 mask bits must be < 32"},
	{`{"a":[{"cidr":"::/128"}]}`, "IPv6 mask bits must be < 128"},
	{`{"a":[{"cidr":"host/8"}]}`, "Nonstandard IP address: host"},
	{`{"$or":{"a":["x"]}}`, "It must be an Array followed with $or."},
	{`{"$or":[{"a":["x"]}]}`, "There must have at least 2 Objects in $or relationship."},
	{`{"$or":[1,2]}`, "Only JSON object is allowed in array of $or relationship."},
	{`{"$or":[{"a":["x"]},{}]}`, "Empty objects are not allowed"},
	{`{"$or":[{"prefix":["x"]},{"a":[1]}]}`, "prefix is Ruler reserved fieldName which cannot be used inside $or."},
	{`{"a":["x"]} x`, "Unexpected character after the pattern"},
	{`{"a":[x]}`, "Unexpected character ('x' (code 120))"},
	{"{\n \"a\": 5}", "\"a\" must be an object or an array\n at [Source: (String)\"{\n \"a\": 5}\"; line: 2, column: 8]"},
}

func TestMatch(t *testing.T) {
	n := len(invalid)
	for _, c := range cases {
		p, err := Parse([]byte(c.pattern))
		if err != nil {
			t.Errorf("%s: %v", c.pattern, err)
			continue
		}
		for _, e := range c.yes {
			n++
			if !p.Match([]byte(e)) {
				t.Errorf("%s does not match %s", c.pattern, e)
			}
		}
		for _, e := range c.no {
			n++
			if p.Match([]byte(e)) {
				t.Errorf("%s matches %s", c.pattern, e)
			}
		}
	}
	if n < 300 {
		t.Errorf("the table has %d cases", n)
	}
}

func TestInvalidPatterns(t *testing.T) {
	for _, c := range invalid {
		_, err := Parse([]byte(c.pattern))
		if _, ok := errors.AsType[*Error](err); !ok || !strings.HasPrefix(err.Error(), c.reason) {
			t.Errorf("%s: %v, want %s", c.pattern, err, c.reason)
		}
	}
}

func TestCriteria(t *testing.T) {
	for _, c := range []struct {
		filters []string
		record  string
		want    bool
	}{
		{nil, `{"body":"x"}`, true},
		{nil, `no`, true},
		{[]string{`{"body":{"a":[1]}}`}, `{"body":"{\"a\":1}"}`, true},
		{[]string{`{"body":{"a":[1]}}`}, `{"body":"{\"a\":2}"}`, false},
		{[]string{`{"body":{"a":[1]}}`}, `{"body":"plain"}`, false},
		{[]string{`{"body":{"a":[{"exists":false}]}}`}, `{"body":"plain"}`, false},
		{[]string{`{"body":{"a":[{"numeric":[">",5]}]}}`}, `{"body":"{\"a\":6}"}`, true},
		{[]string{`{"body":{"a":[1]}}`}, `{"body":"[{\"a\":1}]"}`, true},
		{[]string{`{"body":["plain"]}`}, `{"body":"plain"}`, true},
		{[]string{`{"body":[{"prefix":"pl"}]}`}, `{"body":"plain"}`, true},
		{[]string{`{"body":["{\"a\":1}"]}`}, `{"body":"{\"a\":1}"}`, false},
		{[]string{`{"eventSourceARN":["arn"]}`}, `{"body":"plain","eventSourceARN":"arn"}`, true},
		{[]string{`{"eventSourceARN":["arn"]}`}, `{"body":"{}","eventSourceARN":"other"}`, false},
		{[]string{`{"body":["x"]}`, `{"body":{"a":[1]}}`}, `{"body":"{\"a\":1}"}`, true},
		{[]string{`{"body":{"a":[1]}}`, `{"body":["x"]}`}, `{"body":"x"}`, true},
		{[]string{`{"body":{"a":[2]}}`, `{"body":["x"]}`}, `{"body":"{\"a\":1}"}`, false},
		{[]string{`{"$or":[{"body":{"a":[1]}},{"body":{"b":[1]}}]}`}, `{"body":"{\"b\":1}"}`, true},
		{[]string{`{"messageAttributes":{"k":{"stringValue":["v"]}}}`}, `{"body":"x","messageAttributes":{"k":{"stringValue":"v"}}}`, true},
		{[]string{`{"body":["x"]}`}, `no`, false},
	} {
		cr, err := ParseCriteria("body", c.filters)
		if err != nil {
			t.Fatal(err)
		}
		if got := cr.Match([]byte(c.record)); got != c.want {
			t.Errorf("%v on %s: %v", c.filters, c.record, got)
		}
	}
	if _, err := ParseCriteria("body", []string{`{}`}); err == nil {
		t.Error("an invalid filter is taken")
	}
}

func FuzzParse(f *testing.F) {
	for _, c := range cases {
		f.Add([]byte(c.pattern), []byte(c.yes[0]))
	}
	for _, c := range invalid {
		f.Add([]byte(c.pattern), []byte(`{"a":1}`))
	}
	f.Fuzz(func(t *testing.T, pattern, event []byte) {
		p, err := Parse(pattern)
		if (p == nil) == (err == nil) {
			t.Fatalf("%q: %v, %v", pattern, p, err)
		}
		if err == nil {
			p.Match(event)
		}
	})
}

func BenchmarkMatch(b *testing.B) {
	c := cases[len(cases)-1]
	p, err := Parse([]byte(c.pattern))
	if err != nil {
		b.Fatal(err)
	}
	event := []byte(c.yes[0])
	b.ReportAllocs()
	for b.Loop() {
		if !p.Match(event) {
			b.Fatal("no match")
		}
	}
}

func TestCriteriaOfTwoMembers(t *testing.T) {
	for _, test := range []struct {
		filter, record string
		want           bool
	}{
		{`{"key":{"shop":[1]}}`, `{"key":"{\"shop\":1}","value":"x"}`, true},
		{`{"key":{"shop":[1]}}`, `{"key":"{\"shop\":2}","value":"{\"shop\":1}"}`, false},
		{`{"key":{"shop":[1]},"value":["x"]}`, `{"key":"{\"shop\":1}","value":"x"}`, true},
		{`{"key":{"shop":[1]},"value":["x"]}`, `{"key":"{\"shop\":1}","value":"{}"}`, false},
		{`{"key":["a"],"value":{"n":[{"numeric":[">",1]}]}}`, `{"key":"a","value":"{\"n\":2}"}`, true},
		{`{"key":["a"]}`, `{"key":"{}"}`, false},
		{`{"key":["a"]}`, `{"value":"a"}`, false},
		{`{"offset":[1]}`, `{"offset":1,"key":"{}"}`, true},
	} {
		c, err := ParseCriteria("value", []string{test.filter}, "key")
		if err != nil {
			t.Fatal(err)
		}
		if got := c.Match([]byte(test.record)); got != test.want {
			t.Errorf("%s passes %s: %v", test.record, test.filter, got)
		}
	}
}
