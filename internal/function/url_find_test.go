package function

import (
	"errors"
	"testing"

	"github.com/mayfly-faas/mayfly/internal/policy"
)

func (r *rig) url(ref Ref) URL {
	r.Helper()
	u, err := r.CreateURL(r.Context(), ref, URLEdit{Auth: new("NONE")})
	r.must(err)
	return u
}

// found fails unless an id leads to the address that is wanted; "" for none.
func (r *rig) found(id, function, qualifier string) URL {
	r.Helper()
	u, err := r.URLByID(r.Context(), id)
	if function == "" {
		if !errors.Is(err, ErrNotFound) {
			r.Fatalf("found %+v, %v", u, err)
		}
		return u
	}
	r.must(err)
	if u.ID != id || u.Function != function || u.Qualifier != qualifier {
		r.Fatalf("found %+v", u)
	}
	return u
}

func TestURLByID(t *testing.T) {
	r := newRig(t)
	r.make("f")
	_, err := r.Publish(t.Context(), "f", Publication{})
	r.must(err)
	_, err = r.CreateAlias(t.Context(), "f", "live", AliasEdit{Version: new("1")})
	r.must(err)
	r.found("nobody", "", "")
	latest, live := r.url(Ref{Name: "f"}), r.url(Ref{"f", "live"})
	r.found(latest.ID, "f", Latest)
	u := r.found(live.ID, "f", "live")
	if got := u.Ref(); got != (Ref{"f", "live"}) {
		t.Errorf("Ref %+v", got)
	}

	_, err = r.UpdateURL(t.Context(), Ref{Name: "f"}, URLEdit{Mode: new("RESPONSE_STREAM"), Auth: new("AWS_IAM")})
	r.must(err)
	if u := r.found(latest.ID, "f", Latest); u.Mode != "RESPONSE_STREAM" || u.Auth != "AWS_IAM" {
		t.Errorf("after an update: %+v", u)
	}

	r.restart()
	r.found(latest.ID, "f", Latest)
	r.found(live.ID, "f", "live")

	r.must(r.DeleteAlias(t.Context(), "f", "live"))
	r.found(live.ID, "", "")
	r.must(r.DeleteURL(t.Context(), Ref{Name: "f"}))
	r.found(latest.ID, "", "")
	again := r.url(Ref{Name: "f"})
	r.found(latest.ID, "", "")
	r.found(again.ID, "f", Latest)
	r.must(r.Delete(t.Context(), Ref{Name: "f"}))
	r.found(again.ID, "", "")
	if n := len(r.urls.refs); n != 0 {
		t.Errorf("%d ids stay", n)
	}
}

func TestAWarmURLMakesNoQuery(t *testing.T) {
	r := newRig(t)
	r.make("f")
	u := r.url(Ref{Name: "f"})
	r.found(u.ID, "f", Latest)
	r.Decide(t.Context(), u.Ref(), &policy.Request{Action: "lambda:InvokeFunction"})
	before := r.db.views
	for range 5 {
		r.found(u.ID, "f", Latest)
		r.found("nobody", "", "")
		if v, err := r.Decide(t.Context(), u.Ref(), &policy.Request{Action: "lambda:InvokeFunction"}); v != policy.None || err != nil {
			t.Fatal(v, err)
		}
	}
	if n := r.db.views - before; n != 0 {
		t.Errorf("%d queries", n)
	}
}

// A creation that failed leaves no trace in the index.
func TestURLNotCreated(t *testing.T) {
	r := newRig(t)
	r.make("f")
	r.url(Ref{Name: "f"})
	for _, ref := range []Ref{{Name: "f"}, {Name: "g"}, {"f", "nope"}} {
		if _, err := r.CreateURL(t.Context(), ref, URLEdit{Auth: new("NONE")}); err == nil {
			t.Errorf("%v: no error", ref)
		}
	}
	if n := len(r.urls.refs); n != 1 {
		t.Errorf("%d ids", n)
	}
}

func TestDecide(t *testing.T) {
	r := newRig(t)
	r.make("f")
	_, err := r.Publish(t.Context(), "f", Publication{})
	r.must(err)
	_, err = r.CreateAlias(t.Context(), "f", "live", AliasEdit{Version: new("1")})
	r.must(err)
	asks := func(ref Ref, auth string) policy.Verdict {
		t.Helper()
		v, err := r.Decide(t.Context(), ref, &policy.Request{Action: "lambda:InvokeFunctionUrl",
			Context: map[string][]string{"lambda:FunctionUrlAuthType": {auth}}})
		r.must(err)
		return v
	}
	want := func(ref Ref, auth string, v policy.Verdict) {
		t.Helper()
		if got := asks(ref, auth); got != v {
			t.Errorf("%v %s: %v, want %v", ref, auth, got, v)
		}
	}
	f, live := Ref{Name: "f"}, Ref{"f", "live"}
	want(f, "NONE", policy.None)
	_, err = r.AddPermission(t.Context(), f, Permission{ID: "a", Action: "lambda:InvokeFunctionUrl", Principal: "*", FunctionURLAuth: "NONE"})
	r.must(err)
	want(f, "NONE", policy.Allowed)
	want(Ref{"f", Latest}, "NONE", policy.Allowed)
	want(f, "AWS_IAM", policy.None)
	want(live, "NONE", policy.None) // an alias has its own policy
	_, err = r.AddPermission(t.Context(), live, Permission{ID: "a", Action: "lambda:*", Principal: "*"})
	r.must(err)
	want(live, "NONE", policy.Allowed)
	_, _, err = r.PutPolicy(t.Context(), f, `{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Principal":"*","Action":"*","Resource":"*"}]}`, nil)
	r.must(err)
	want(f, "NONE", policy.Denied)
	r.must(r.RemovePermission(t.Context(), live, "a", nil))
	want(live, "NONE", policy.None)
	if v, err := r.Decide(t.Context(), Ref{Name: "nope"}, &policy.Request{}); v != policy.Denied || !errors.Is(err, ErrNotFound) {
		t.Errorf("no function: %v, %v", v, err)
	}
}

func TestFunctionURL(t *testing.T) {
	r := &Registry{region: "eu-central-1"}
	for base, want := range map[string]string{
		"":                          "https://ID.lambda-url.eu-central-1.on.aws/",
		"http://127.0.0.1:4566":     "http://ID.lambda-url.eu-central-1.localhost:4566/",
		"http://[::1]:4566":         "http://ID.lambda-url.eu-central-1.localhost:4566/",
		"http://localhost":          "http://ID.lambda-url.eu-central-1.localhost/",
		"https://faas.example":      "https://ID.lambda-url.eu-central-1.faas.example/",
		"https://faas.example:8443": "https://ID.lambda-url.eu-central-1.faas.example:8443/",
		"http://192.168.1.5:4566":   "http://192.168.1.5:4566/_mayfly/url/ID/",
		"http://[fd00::1]:4566":     "http://[fd00::1]:4566/_mayfly/url/ID/",
	} {
		if got := r.FunctionURL(URL{ID: "ID"}, base); got != want {
			t.Errorf("%q: %s, want %s", base, got, want)
		}
	}
}
