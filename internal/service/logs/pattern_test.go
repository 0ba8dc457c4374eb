package logs

import (
	"errors"
	"maps"
	"testing"
)

const cloudTrail = `{
  "eventType": "UpdateTrail",
  "sourceIPAddress": "111.111.111.111",
  "arrayKey": ["value", "another value"],
  "objectList": [{"name": "a", "id": 1}, {"name": "b", "id": 2}],
  "SomeObject": null,
  "ThisFlag": true,
  "cluster.name": "c"
}`

const compound = `{
  "user": {"id": 1, "email": "John.Stiles@example.com"},
  "users": [{"id": 2, "email": "John.Doe@example.com"}, {"id": 3, "email": "Jane.Doe@example.com"}],
  "actions": ["GET", "PUT", "DELETE"],
  "coordinates": [[0, 1, 2], [4, 5, 6], [7, 8, 9]],
  "latency": 500, "errorCode": 400, "small": 5e-3, "text": "500"
}`

const access = `127.0.0.1 - frank [10/Oct/2000:13:25:15 -0700] "GET /index.html HTTP/1.0" 404 1534`

// TestPattern holds the patterns to the examples of AWS's documentation, and to
// what it says about them.
func TestPattern(t *testing.T) {
	for _, c := range []struct {
		pattern, message string
		want             bool
	}{
		{"", "anything", true},
		{"  ", "anything", true},
		{"ERROR", "[ERROR] A fatal exception has occurred", true},
		{"ERROR", "Exiting with ERRORCODE: -1", true},
		{"ERROR", "[error] a fatal exception", false},
		{`"ERROR" - "Exiting"`, "Exiting with ERRORCODE: -1", false},
		{`ERROR -Exiting`, "[ERROR] A fatal exception has occurred", true},
		{"ERROR Exception", "[ERROR] Caught IllegalArgumentException", true},
		{"ERROR Exception", "[ERROR] fine", false},
		{"Failed to process the request", "[ERROR] Unable to continue: Failed to process the request", true},
		{`"INTERNAL SERVER ERROR"`, "[ERROR 500] INTERNAL SERVER ERROR", true},
		{`"INTERNAL SERVER ERROR"`, "INTERNAL ERROR of the SERVER", false},
		{`"say \"hi\""`, `they say "hi"`, true},
		{"?ERROR ?WARN", "WARN message", true},
		{"?ERROR ?WARN", "INFO message", false},
		{"ERROR WARN", "ERROR message", false},
		{"?ERROR ?WARN REQUEST", "a REQUEST", true}, // optional terms beside others are ignored
		{"%10\\.10\\.0\\.[0-9]+%", "from 10.10.0.7", true},
		{"%10\\.10\\.0\\.[0-9]+%", "from 10x10x0x7", false},
		{"%colou?r%", "the color", true},
		{"Ärger", "viel Ärger", true},
		{"voilà tout", "et voilà, c'est tout", true}, // one byte of à is a space elsewhere
		{"ERROR\u00a0voilà", "ERROR voilà", true},
		{"[été=chaud*, …]", "chaude nuit", true},
		{"[été=chaud*, …]", "nuit chaude", false},

		{`{ $.eventType = "UpdateTrail" }`, cloudTrail, true},
		{`{$.eventType=UpdateTrail}`, cloudTrail, true},
		{`{ $.eventType = "Update*" }`, cloudTrail, true},
		{`{ $.eventType = *Trail }`, cloudTrail, true},
		{`{ $.eventType = *date* }`, cloudTrail, true},
		{`{ $.eventType = Up*il }`, cloudTrail, false}, // a star in the middle is itself
		{`{ $.sourceIPAddress != 123.123.* }`, cloudTrail, true},
		{`{ $.sourceIPAddress != 111.111.* }`, cloudTrail, false},
		{`{ $.arrayKey[0] = "value" }`, cloudTrail, true},
		{`{ $.arrayKey[2] = "value" }`, cloudTrail, false},
		{`{ $.objectList[1].id = 2 }`, cloudTrail, true},
		{`{ $.SomeObject IS NULL }`, cloudTrail, true},
		{`{ $.eventType IS NULL }`, cloudTrail, false},
		{`{ $.SomeOtherObject NOT EXISTS }`, cloudTrail, true},
		{`{ $.SomeObject NOT EXISTS }`, cloudTrail, false},
		{`{ $.ThisFlag IS TRUE }`, cloudTrail, true},
		{`{ $.ThisFlag IS FALSE }`, cloudTrail, false},
		{`{ $.['cluster.name'] = "c" }`, cloudTrail, true},
		{`{ $.eventType = * }`, cloudTrail, true},
		{`{ $.missing = * }`, cloudTrail, false},
		{`{ $.missing != "x" }`, cloudTrail, false},
		{`{ $.eventType = %Trail$% }`, cloudTrail, true},
		{`{ $.eventType != %Trail$% }`, cloudTrail, false},
		{`{ $.arrayKey = 1 }`, cloudTrail, false}, // a selector must point to a value
		{`{ $.arrayKey != 1 }`, cloudTrail, false},
		{`{ $.eventType = "UpdateTrail" }`, "eventType UpdateTrail", false},

		{`{ ($.user.id = 1) && ($.users[0].email = "John.Doe@example.com") }`, compound, true},
		{`{ ($.user.id = 2 && $.users[0].email = "nonmatch") || $.actions[2] = "GET" }`, compound, false},
		{`{ $.user.email = "John.Stiles@example.com" || $.coordinates[0][1] = nonmatch && $.actions[2] = nomatch }`, compound, true},
		{`{ ($.user.email = "John.Stiles@example.com" || $.coordinates[0][1] = nonmatch) && $.actions[2] = nomatch }`, compound, false},
		{`{ $.latency >= 500 }`, compound, true},
		{`{ $.latency > +1000 }`, compound, false},
		{`{ $.latency < 10e3 }`, compound, true},
		{`{ $.small < 10e-3 }`, compound, true},
		{`{ $.latency = 5e2 }`, compound, true},
		{`{ $.errorCode = 400 }`, compound, true},
		{`{ $.errorCode != 500 }`, compound, true},
		{`{ $.errorCode = 4* }`, compound, true},
		{`{ $.text > 100 }`, compound, false}, // a string has no order
		{`{ $.text = 500 }`, compound, true},

		{"[ip, user, username, timestamp, request, status_code, bytes]", access, true},
		{"[ip, user, username]", access, false},
		{"[..., status_code, bytes]", access, true},
		{"[ip, user, ..., status_code, bytes]", access, true},
		{"[ip, user, ...]", access, true},
		{"[ip, user, username, timestamp, request, status_code, bytes > 1000]", access, true},
		{"[ip, user, username, timestamp, request, status_code, bytes > 2000]", access, false},
		{"[ip, user, username, timestamp, request, status_code = 200, bytes]", access, false},
		{"[ip, user, username, timestamp, request, status_code = 4*, bytes]", access, true},
		{"[ip, user, username, timestamp, request = *html*, status_code = 4*, bytes]", access, true},
		{"[ip, user, username, timestamp, request, status_code = 4* && bytes > 1000]", "a b c d e 404", false},
		{"[ip, ..., status_code = 4* && status_code != 403, bytes]", access, true},
		{"[ip=%127\\.0\\.0\\.[1-9]%, ...]", access, true},
		{"[..., request=*.html*, status_code=4*,]", access, true},
		{"[w1=ERROR, w2]", "ERROR message", true},
		{"[w1=ERROR, w2]", "ERROR WARN message", false},
		{"[w1=ERROR || w1=WARN, w2]", "WARN message", true},
		{"[(w1=ERROR || w1=WARN), w2]", "WARN message", true},
		{"[w1!=ERROR&&w1!=WARN, w2]", "WARN message", false},
		{"[w1!=ERROR&&w1!=WARN, w2]", "INFO message", true},
		{`[w1, w2="two words"]`, `one "two words"`, true},
	} {
		p, err := parsePattern(c.pattern)
		if err != nil {
			t.Errorf("%s: %v", c.pattern, err)
		} else if got := p.match(c.message); got != c.want {
			t.Errorf("%s on %s: %v, want %v", c.pattern, c.message, got, c.want)
		}
	}
}

func TestBadPattern(t *testing.T) {
	for _, s := range []string{
		"foo-bar", `"open`, "%open", "%a!b%", "%(a)%", "%[%", "-", "?",
		"{", "{}", "{ $.a }", "{ $.a = }", "{ $.a = 1", "{ $.a = 1 } x", "{ a = 1 }", "{ $ = 1 }", "{ $. = 1 }",
		"{ $.a[x] = 1 }", "{ $.a[0 = 1 }", "{ $.a > b }", `{ $.a > "b" }`, "{ $.a > %b% }", "{ $.a IS 7 }", "{ $.a NOT 7 }",
		"{ ($.a = 1 }", "{ $.a = 1 && }", "{ $.a = %a% && $.b = %b% && $.c = %c% }",
		"[", "[a", "[a b]", "[..., ...]", "[a = ]", "[a] x", "[()]",
	} {
		if _, err := parsePattern(s); !errors.Is(err, errPattern) {
			t.Errorf("%s: %v, want %v", s, err, errPattern)
		}
	}
}

func TestExtracted(t *testing.T) {
	p, err := parsePattern("[..., request=*.html*, status_code=4*,]")
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"$status_code": "404", "$request": "GET /index.html HTTP/1.0", "$7": "1534",
		"$4": "10/Oct/2000:13:25:15 -0700", "$3": "frank", "$2": "-", "$1": "127.0.0.1",
	}
	if got := p.(fields).extracted(access); !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func FuzzPattern(f *testing.F) {
	for _, s := range []string{"a -b ?c", `{ $.a[0].b >= 1 && ($.c IS NULL || $.d = %x% ) }`, "[a, ..., b=4*]", `"q" %r%`, "[(a=1)]"} {
		f.Add(s, access)
		f.Add(s, compound)
	}
	f.Fuzz(func(t *testing.T, s, message string) {
		p, err := parsePattern(s)
		if err != nil {
			if !errors.Is(err, errPattern) {
				t.Errorf("%q: %v", s, err)
			}
			return
		}
		first := p.match(message)
		if second := p.match(message); first != second {
			t.Errorf("%q on %q: %v, then %v", s, message, first, second)
		}
		if f, ok := p.(fields); ok && first {
			f.extracted(message)
		}
	})
}
