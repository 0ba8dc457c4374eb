package policy

import (
	"fmt"
	"strings"
	"sync"
	"testing"
)

const testAccount = "000000000000"

var (
	ann     = Subject{ARN: "arn:aws:iam::" + testAccount + ":user/team/ann", Account: testAccount, UserID: "AIDAANN", Tags: map[string]string{"Team": "blue"}}
	session = Subject{ARN: "arn:aws:sts::" + testAccount + ":assumed-role/app/s1", Account: testAccount, UserID: "AROAAPP:s1"}
	root    = Subject{ARN: "arn:aws:iam::" + testAccount + ":root", Account: testAccount, UserID: testAccount}
	gateway = Subject{Service: "apigateway.amazonaws.com"}
	nobody  Subject
)

func mustParse(t testing.TB, kind Kind, text string) *Document {
	t.Helper()
	d, err := Parse(kind, text)
	if err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	return d
}

// decides holds one statement's verdict.
func decides(t *testing.T, kind Kind, statement string, r Request, want Verdict) {
	t.Helper()
	if got := mustParse(t, kind, doc(statement)).Decide(&r); got != want {
		t.Errorf("%s\n%+v: %v, want %v", statement, r, got, want)
	}
}

func TestActions(t *testing.T) {
	for _, c := range []struct {
		element, action string
		want            bool
	}{
		{`"Action":"*"`, "s3:GetObject", true},
		{`"Action":"s3:*"`, "s3:GetObject", true},
		{`"Action":"s3:Get*"`, "s3:GetObject", true},
		{`"Action":"s3:Get*"`, "s3:PutObject", false},
		{`"Action":"S3:getobject"`, "s3:GetObject", true}, // case does not matter
		{`"Action":"s3:Get?bject"`, "s3:GetObject", true},
		{`"Action":"s3:Get?bject"`, "s3:Getbject", false},
		{`"Action":["sqs:*","s3:GetObject"]`, "s3:GetObject", true},
		{`"Action":"s3:Get"`, "s3:GetObject", false},
		{`"Action":"s3:*Object"`, "s3:GetObjectAcl", false},
		{`"Action":"s3:*et*ect*"`, "s3:GetObjectAcl", true},
		{`"NotAction":"s3:*"`, "s3:GetObject", false},
		{`"NotAction":"s3:*"`, "sqs:SendMessage", true},
		{`"NotAction":["s3:*","sqs:*"]`, "sqs:SendMessage", false},
	} {
		want := None
		if c.want {
			want = Allowed
		}
		decides(t, Identity, `{"Effect":"Allow","Resource":"*",`+c.element+`}`, Request{Principal: ann, Action: c.action, Resource: "arn:aws:s3:::b"}, want)
	}
}

func TestResources(t *testing.T) {
	for _, c := range []struct {
		element, resource string
		want              bool
	}{
		{`"Resource":"*"`, "arn:aws:s3:::b", true},
		{`"Resource":"arn:aws:s3:::b"`, "arn:aws:s3:::b", true},
		{`"Resource":"arn:aws:s3:::b"`, "arn:aws:s3:::B", false},
		{`"Resource":"arn:aws:s3:::b/*"`, "arn:aws:s3:::b/a/b", true},
		{`"Resource":"arn:aws:s3:::b/*"`, "arn:aws:s3:::b", false},
		{`"Resource":"arn:aws:lambda:*:*:function:f:*"`, "arn:aws:lambda:us-east-1:000000000000:function:f:live", true},
		{`"Resource":"arn:aws:s3:::b/?"`, "arn:aws:s3:::b/λ", true},
		{`"Resource":"arn:aws:s3:::b/?"`, "arn:aws:s3:::b/ab", false},
		{`"NotResource":"arn:aws:s3:::b"`, "arn:aws:s3:::b", false},
		{`"NotResource":"arn:aws:s3:::b"`, "arn:aws:s3:::c", true},
		{`"Resource":"arn:aws:s3:::b/${aws:username}/*"`, "arn:aws:s3:::b/ann/x", true},
		{`"Resource":"arn:aws:s3:::b/${aws:username}/*"`, "arn:aws:s3:::b/bob/x", false},
		{`"Resource":"arn:aws:s3:::b/${aws:PrincipalTag/team}"`, "arn:aws:s3:::b/blue", true},
		{`"Resource":"arn:aws:s3:::b/${aws:PrincipalTag/none}"`, "arn:aws:s3:::b/", false},
		{`"Resource":"arn:aws:s3:::b/${aws:PrincipalTag/none, 'all'}"`, "arn:aws:s3:::b/all", true},
		{`"Resource":"arn:aws:s3:::b/${aws:PrincipalTag/team, 'all'}"`, "arn:aws:s3:::b/blue", true},
		{`"Resource":"arn:aws:s3:::b/${*}"`, "arn:aws:s3:::b/*", true},
		{`"Resource":"arn:aws:s3:::b/${*}"`, "arn:aws:s3:::b/x", false},
		{`"Resource":"arn:aws:s3:::b/${$}{x}${?}"`, "arn:aws:s3:::b/${x}?", true},
		{`"Resource":"arn:aws:s3:::b/${open"`, "arn:aws:s3:::b/${open", true},
		{`"Resource":"arn:aws:s3:::b/${many}"`, "arn:aws:s3:::b/1", false}, // which of the two?
		{`"Resource":"arn:aws:s3:::b/${star}"`, "arn:aws:s3:::b/anything", false},
		{`"Resource":"arn:aws:s3:::b/${star}"`, "arn:aws:s3:::b/*", true},
		{`"Resource":"arn:aws:s3:::b/\u0000"`, "arn:aws:s3:::b/anything", false},
	} {
		want := None
		if c.want {
			want = Allowed
		}
		decides(t, Identity, `{"Effect":"Allow","Action":"*",`+c.element+`}`, Request{Principal: ann, Action: "s3:GetObject", Resource: c.resource,
			Context: map[string][]string{"many": {"1", "2"}, "star": {"*"}}}, want)
	}
	old := mustParse(t, Resource, `{"Statement":{"Effect":"Allow","Principal":"*","Action":"*","Resource":"arn:aws:s3:::${aws:username}"}}`)
	if got := old.Decide(&Request{Principal: ann, Action: "s3:Get", Resource: "arn:aws:s3:::ann"}); got != None {
		t.Errorf("a variable in a document of 2008: %v", got)
	}
}

func TestPrincipals(t *testing.T) {
	const (
		accountARN = `{"AWS":"arn:aws:iam::` + testAccount + `:root"}`
		number     = `{"AWS":"` + testAccount + `"}`
		user       = `{"AWS":"arn:aws:iam::` + testAccount + `:user/team/ann"}`
		role       = `{"AWS":["x","arn:aws:iam::` + testAccount + `:role/app"]}`
		one        = `{"AWS":"arn:aws:sts::` + testAccount + `:assumed-role/app/s1"}`
		service    = `{"Service":["s3.amazonaws.com","apigateway.amazonaws.com"]}`
	)
	for _, c := range []struct {
		principal string
		allow     string // who is allowed: a letter each
		deny      string
	}{
		{principal: `"*"`, allow: "asrgn", deny: "asrgn"},
		{principal: `{"AWS":"*"}`, allow: "asrn", deny: "asrn"},
		{principal: accountARN, allow: "r", deny: "asr"}, // it hands its say on
		{principal: number, allow: "r", deny: "asr"},
		{principal: user, allow: "a", deny: "a"},
		{principal: `{"AWS":"AIDAANN"}`, allow: "a", deny: "a"},
		{principal: role, allow: "s", deny: "s"},
		{principal: one, allow: "s", deny: "s"},
		{principal: service, allow: "g", deny: "g"},
		{principal: `{"AWS":"111111111111"}`},
		{principal: `{"Federated":"x"}`},
	} {
		for letter, who := range map[string]Subject{"a": ann, "s": session, "r": root, "g": gateway, "n": nobody} {
			for effect, letters := range map[string]string{"Allow": c.allow, "Deny": c.deny} {
				want := None
				if strings.Contains(letters, letter) {
					want = map[string]Verdict{"Allow": Allowed, "Deny": Denied}[effect]
				}
				decides(t, Resource, fmt.Sprintf(`{"Effect":%q,"Principal":%s,"Action":"*","Resource":"*"}`, effect, c.principal),
					Request{Principal: who, Action: "s3:Get", Resource: "arn:aws:s3:::b"}, want)
			}
		}
	}
	not := `{"Effect":"Deny","NotPrincipal":` + user + `,"Action":"*","Resource":"*"}`
	decides(t, Resource, not, Request{Principal: ann, Action: "s3:Get", Resource: "x"}, None)
	decides(t, Resource, not, Request{Principal: session, Action: "s3:Get", Resource: "x"}, Denied)
	trust := `{"Effect":"Allow","Principal":{"Service":"apigateway.amazonaws.com"},"Action":"sts:AssumeRole"}`
	decides(t, Trust, trust, Request{Principal: gateway, Action: "sts:AssumeRole", Resource: "arn:aws:iam::000000000000:role/r"}, Allowed)
}

func TestConditions(t *testing.T) {
	const absent = "-"
	for _, c := range []struct {
		operator, want string // the policy's values, as JSON
		got            string // the request's, parted by |; absent for none
		holds          bool
	}{
		{"StringEquals", `"a"`, "a", true}, {"StringEquals", `"a"`, "A", false}, {"StringEquals", `["b","a"]`, "a", true},
		{"StringEquals", `"a*"`, "ab", false}, {"StringEquals", `"a*"`, "a*", true}, {"StringEquals", `"a"`, absent, false},
		{"StringEquals", `"${aws:username}"`, "ann", true}, {"StringEquals", `"${aws:username}"`, "bob", false}, {"StringEquals", `"${nothing}"`, "", false},
		{"StringNotEquals", `"a"`, "a", false}, {"StringNotEquals", `["a","b"]`, "b", false}, {"StringNotEquals", `["a","b"]`, "c", true}, {"StringNotEquals", `"a"`, absent, true},
		{"StringNotEquals", `"a"`, "a|b", false},
		{"StringEqualsIgnoreCase", `"a"`, "A", true}, {"StringNotEqualsIgnoreCase", `"a"`, "A", false}, {"StringNotEqualsIgnoreCase", `"a"`, "b", true},
		{"StringLike", `"a*c?"`, "abbcd", true}, {"StringLike", `"a*c?"`, "abbc", false}, {"StringLike", `"A*"`, "ab", false}, {"StringLike", `"${aws:username}-*"`, "ann-x", true},
		{"StringNotLike", `"a*"`, "ab", false}, {"StringNotLike", `"a*"`, "b", true},
		{"StringEqualsIfExists", `"a"`, absent, true}, {"StringEqualsIfExists", `"a"`, "b", false},
		{"NumericEquals", `"5"`, "5.0", true}, {"NumericEquals", `5`, "5", true}, {"NumericEquals", `"5"`, "x", false}, {"NumericNotEquals", `"5"`, "6", true},
		{"NumericNotEquals", `"5"`, "5", false}, {"NumericLessThan", `"5"`, "4", true}, {"NumericLessThan", `"5"`, "5", false}, {"NumericLessThanEquals", `"5"`, "5", true},
		{"NumericGreaterThan", `"5"`, "6", true}, {"NumericGreaterThan", `"5"`, "5", false}, {"NumericGreaterThanEquals", `"5"`, "5", true}, {"NumericGreaterThanEquals", `"5"`, absent, false},
		{"DateEquals", `"2026-01-02T03:04:05Z"`, "2026-01-02T03:04:05Z", true}, {"DateEquals", `"2026-01-02"`, "2026-01-02T00:00:00Z", true},
		{"DateLessThan", `"2026-01-02T03:04:05Z"`, "2026-01-02T03:04:04Z", true}, {"DateLessThan", `"2026-01-02T03:04Z"`, "2026-01-02T03:04:04Z", false},
		{"DateGreaterThan", `"1767322800"`, "2026-12-02T03:04:04Z", true}, {"DateGreaterThan", `1767322800`, "1767322799", false}, {"DateGreaterThanEquals", `"2026-01-02T03:04:05+01:00"`, "2026-01-02T02:04:05Z", true},
		{"DateLessThanEquals", `"2026"`, "2026-01-01T00:00:00Z", true}, {"DateNotEquals", `"2026-01-02"`, "2026-01-03", true}, {"DateLessThan", `"soon"`, "2026-01-03", false},
		{"Bool", `"true"`, "true", true}, {"Bool", `true`, "True", true}, {"Bool", `"true"`, "false", false}, {"Bool", `"false"`, absent, false}, {"BoolIfExists", `"true"`, absent, true},
		{"BinaryEquals", `"aGk="`, "aGk=", true}, {"BinaryEquals", `"aGk="`, "aGkh", false}, {"BinaryEquals", `"!"`, "!", false},
		{"IpAddress", `"10.0.0.0/8"`, "10.1.2.3", true}, {"IpAddress", `"10.0.0.0/8"`, "11.1.2.3", false}, {"IpAddress", `["1.2.3.4","10.0.0.0/8"]`, "1.2.3.4", true},
		{"IpAddress", `"10.0.0.0/8"`, "::ffff:10.1.2.3", true}, {"IpAddress", `"2001:db8::/32"`, "2001:db8::1", true}, {"IpAddress", `"10.0.0.0/8"`, "x", false}, {"IpAddress", `"x"`, "10.0.0.1", false},
		{"IpAddress", `"10.0.0.0/8"`, absent, false}, {"NotIpAddress", `"10.0.0.0/8"`, "10.1.2.3", false}, {"NotIpAddress", `"10.0.0.0/8"`, "11.1.2.3", true}, {"NotIpAddress", `"10.0.0.0/8"`, absent, true},
		{"ArnEquals", `"arn:aws:s3:::b"`, "arn:aws:s3:::b", true}, {"ArnEquals", `"arn:aws:s3:::*"`, "arn:aws:s3:::b", true}, {"ArnLike", `"arn:aws:sns:*:*:t"`, "arn:aws:sns:us-east-1:1:t", true},
		{"ArnLike", `"arn:aws:sns:*:t"`, "arn:aws:sns:us-east-1:1:t", false}, {"ArnLike", `"arn:aws:execute-api:*:*:a/*/GET/x"`, "arn:aws:execute-api:r:1:a/live/GET/x", true},
		{"ArnLike", `"arn:aws:s3:::b"`, "b", false}, {"ArnLike", `"*"`, "arn:aws:s3:::b", true}, {"ArnNotEquals", `"arn:aws:s3:::b"`, "arn:aws:s3:::b", false},
		{"ArnNotLike", `"arn:aws:s3:::b*"`, "arn:aws:s3:::c", true}, {"ArnLike", `"arn:aws:s3:::${aws:username}"`, "arn:aws:s3:::ann", true},
		{"Null", `"true"`, absent, true}, {"Null", `"true"`, "a", false}, {"Null", `"false"`, "a", true}, {"Null", `false`, absent, false},
		{"ForAnyValue:StringEquals", `["a","b"]`, "x|b", true}, {"ForAnyValue:StringEquals", `["a","b"]`, "x|y", false}, {"ForAnyValue:StringEquals", `"a"`, absent, false},
		{"ForAllValues:StringEquals", `["a","b"]`, "b|a", true}, {"ForAllValues:StringEquals", `["a","b"]`, "b|x", false}, {"ForAllValues:StringEquals", `["a","b"]`, absent, true},
		{"ForAnyValue:StringNotEquals", `"a"`, "a|b", true}, {"ForAnyValue:StringNotEquals", `"a"`, "a", false}, {"ForAnyValue:StringNotEquals", `"a"`, absent, false},
		{"ForAllValues:StringNotEquals", `"a"`, "b|c", true}, {"ForAllValues:StringNotEquals", `"a"`, "a|c", false}, {"ForAllValues:StringLike", `"a*"`, "ab|ac", true},
		{"ForAnyValue:StringEqualsIfExists", `"a"`, absent, true}, {"StringEquals", `[]`, "a", false}, {"StringNotEquals", `[]`, "a", true},
	} {
		context := map[string][]string{"Some:Key": strings.Split(c.got, "|")}
		if c.got == absent {
			context = nil
		}
		for effect, yes := range map[string]Verdict{"Allow": Allowed, "Deny": Denied} {
			want := None
			if c.holds {
				want = yes
			}
			decides(t, Identity, fmt.Sprintf(`{"Effect":%q,"Action":"*","Resource":"*","Condition":{%q:{"some:KEY":%s}}}`, effect, c.operator, c.want),
				Request{Principal: ann, Action: "s3:Get", Resource: "x", Context: context}, want)
		}
	}
}

// All conditions must hold, and all keys of each.
func TestConditionsTogether(t *testing.T) {
	s := `{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"StringEquals":{"a":"1","b":"2"},"Bool":{"c":"true"}}}`
	all := map[string][]string{"a": {"1"}, "b": {"2"}, "c": {"true"}}
	decides(t, Identity, s, Request{Action: "s3:Get", Context: all}, Allowed)
	for k := range all {
		some := map[string][]string{k: {"no"}}
		for other, v := range all {
			if other != k {
				some[other] = v
			}
		}
		decides(t, Identity, s, Request{Action: "s3:Get", Context: some}, None)
	}
}

func TestWhatASubjectTells(t *testing.T) {
	for _, c := range []struct {
		who       Subject
		key, want string // "" for nothing
	}{
		{ann, "aws:username", "ann"}, {ann, "aws:PrincipalArn", ann.ARN}, {ann, "aws:userid", "AIDAANN"}, {ann, "aws:PrincipalAccount", testAccount},
		{ann, "aws:PrincipalType", "User"}, {ann, "aws:PrincipalIsAWSService", "false"}, {ann, "aws:principaltag/TEAM", "blue"}, {ann, "aws:PrincipalTag/x", ""},
		{session, "aws:username", ""}, {session, "aws:PrincipalArn", "arn:aws:iam::" + testAccount + ":role/app"}, {session, "aws:PrincipalType", "AssumedRole"},
		{Subject{ARN: session.ARN, Role: "arn:aws:iam::1:role/p/app"}, "aws:PrincipalArn", "arn:aws:iam::1:role/p/app"},
		{root, "aws:PrincipalType", "Account"}, {root, "aws:username", ""}, {gateway, "aws:PrincipalServiceName", "apigateway.amazonaws.com"},
		{gateway, "aws:PrincipalIsAWSService", "true"}, {gateway, "aws:PrincipalType", "Service"}, {nobody, "aws:PrincipalType", "Anonymous"},
		{nobody, "aws:PrincipalArn", ""}, {nobody, "aws:userid", ""}, {ann, "aws:none", ""},
	} {
		got, there := (&Request{Principal: c.who}).values(c.key)
		if there != (c.want != "") || there && got[0] != c.want {
			t.Errorf("%s of %+v: %v", c.key, c.who, got)
		}
	}
	r := Request{Principal: ann, Context: map[string][]string{"AWS:UserName": {"other"}}}
	if got, _ := r.values("aws:username"); got[0] != "other" {
		t.Errorf("the context does not count more: %v", got)
	}
}

func TestVerdicts(t *testing.T) {
	d := mustParse(t, Identity, doc(`{"Effect":"Deny","Action":"s3:Delete*","Resource":"*"},{"Effect":"Allow","Action":"s3:*","Resource":"*"}`))
	for action, want := range map[string]Verdict{"s3:DeleteObject": Denied, "s3:GetObject": Allowed, "sqs:SendMessage": None} {
		if got := d.Decide(&Request{Action: action, Resource: "x"}); got != want {
			t.Errorf("%s: %v", action, got)
		}
	}
	if fmt.Sprint(None, Allowed, Denied) != "none allowed denied" {
		t.Error(None, Allowed, Denied)
	}
}

func TestDecideAtOnce(t *testing.T) {
	d := mustParse(t, Identity, doc(`{"Effect":"Allow","Action":"s3:*","Resource":"arn:aws:s3:::${aws:username}"}`))
	var wait sync.WaitGroup
	for range 8 {
		wait.Go(func() {
			for range 100 {
				if d.Decide(&Request{Principal: ann, Action: "s3:Get", Resource: "arn:aws:s3:::ann"}) != Allowed {
					t.Error("not allowed")
				}
			}
		})
	}
	wait.Wait()
}

// FuzzGlob: the fast matcher agrees with a plain one.
func FuzzGlob(f *testing.F) {
	f.Add("a*b?c", "aXXbYc")
	f.Add("**a", "aaa")
	f.Add("", "")
	f.Fuzz(func(t *testing.T, p, s string) {
		if len(p) > 24 || len(s) > 48 || strings.ContainsAny(p+s, "\x00\x01") {
			return
		}
		text, ok := (&pattern{text: wildcards.Replace(p)}).filled(&Request{})
		if got := glob(text, s); !ok || got != slowGlob(text, s) {
			t.Errorf("%q %q: %v", p, s, got)
		}
	})
}

func slowGlob(p, s string) bool {
	switch {
	case p == "":
		return s == ""
	case p[0] == star:
		return slowGlob(p[1:], s) || s != "" && slowGlob(p, s[1:])
	case s == "":
		return false
	case p[0] == one:
		if s[0]&0xc0 == 0x80 {
			return false
		}
		n := 1
		for n < len(s) && s[n]&0xc0 == 0x80 {
			n++
		}
		return slowGlob(p[1:], s[n:])
	}
	return p[0] == s[0] && slowGlob(p[1:], s[1:])
}

// FuzzDecide: no document makes Decide fail, and a denial of all denies all.
func FuzzDecide(f *testing.F) {
	f.Add(doc(`{"Effect":"Allow","Action":"s3:*","Resource":"arn:aws:s3:::${aws:username, 'x'}","Condition":{"ForAnyValue:StringLike":{"k":["a*","${k}"]}}}`), "s3:Get", "arn:aws:s3:::ann", "abc")
	f.Add(doc(`{"Effect":"Deny","NotAction":"s3:*","NotResource":"*","Condition":{"IpAddress":{"k":"::/0"},"Null":{"k":true},"DateLessThan":{"k":1}}}`), "", "", "")
	f.Fuzz(func(t *testing.T, text, action, resource, value string) {
		r := &Request{Principal: ann, Action: action, Resource: resource, Context: map[string][]string{"k": {value, action}}}
		for _, kind := range []Kind{Identity, Resource, Trust} {
			d, err := Parse(kind, text)
			if err != nil {
				continue
			}
			if v := d.Decide(r); v != d.Decide(r) || v < None || v > Denied {
				t.Fatalf("verdict %v", v)
			}
			all := Statement{Effect: "Deny", Action: []string{"*"}, Resource: []string{"*"}}
			e := &Document{Version: d.Version, Statements: append([]Statement{all}, d.Statements...)}
			if v := e.Decide(r); v != Denied {
				t.Fatalf("a denial of all is %v", v)
			}
		}
	})
}

func BenchmarkDecide(b *testing.B) {
	d := mustParse(b, Resource, doc(`{"Sid":"a","Effect":"Allow","Principal":"*","Action":"lambda:InvokeFunctionUrl","Resource":"arn:aws:lambda:us-east-1:000000000000:function:f","Condition":{"StringEquals":{"lambda:FunctionUrlAuthType":"NONE"}}},
		{"Sid":"b","Effect":"Allow","Principal":{"Service":"apigateway.amazonaws.com"},"Action":"lambda:InvokeFunction","Resource":"arn:aws:lambda:us-east-1:000000000000:function:f","Condition":{"ArnLike":{"AWS:SourceArn":"arn:aws:execute-api:us-east-1:000000000000:abc/*/GET/x"}}}`))
	r := &Request{Principal: gateway, Action: "lambda:InvokeFunction", Resource: "arn:aws:lambda:us-east-1:000000000000:function:f",
		Context: map[string][]string{"aws:SourceArn": {"arn:aws:execute-api:us-east-1:000000000000:abc/live/GET/x"}, "aws:SourceIp": {"10.0.0.1"}, "aws:SecureTransport": {"false"}}}
	b.ReportAllocs()
	for b.Loop() {
		if d.Decide(r) != Allowed {
			b.Fatal("not allowed")
		}
	}
}
