package identity

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

func names(list []Identity) (out []string) {
	for _, i := range list {
		out = append(out, i.Name)
	}
	return out
}

func TestIdentities(t *testing.T) {
	b := open(t)
	made := must[Identity](t)(b.Create(t.Context(), Identity{
		Kind: Role, Name: "Worker", Path: "/team/", Trust: "{}", Description: "works", MaxSession: 2 * time.Hour,
		Tags: []Tag{{"b", "2"}, {"A", "1"}},
	}))
	if made.ARN != "arn:aws:iam::000000000000:role/team/Worker" {
		t.Errorf("ARN %q", made.ARN)
	}
	got := must[Identity](t)(b.Find(t.Context(), Role, "WORKER"))
	if got.ID != made.ID || got.Name != "Worker" || got.MaxSession != 2*time.Hour || got.Description != "works" || !got.Created.Equal(made.Created) {
		t.Errorf("found %+v, made %+v", got, made)
	}
	if want := []Tag{{"A", "1"}, {"b", "2"}}; !slices.Equal(got.Tags, want) {
		t.Errorf("tags %v, want %v", got.Tags, want)
	}
	_, err := b.Create(t.Context(), Identity{Kind: Role, Name: "worker", Path: "/"})
	wantCode(t, err, "EntityAlreadyExists")
	must[Identity](t)(b.Create(t.Context(), Identity{Kind: User, Name: "worker", Path: "/"})) // another kind, another name space
	_, err = b.Find(t.Context(), Group, "worker")
	wantCode(t, err, "NoSuchEntity")
	if err.Error() != "NoSuchEntity: The group with name worker cannot be found." {
		t.Errorf("message %q", err)
	}
	byID := must[Identity](t)(b.FindID(t.Context(), Role, made.ID))
	if byID.Name != "Worker" {
		t.Errorf("by id: %+v", byID)
	}
}

func TestListPagesByName(t *testing.T) {
	b := open(t)
	for _, n := range []string{"d", "B", "a", "C"} {
		path := "/"
		if n == "C" {
			path = "/x/"
		}
		must[Identity](t)(b.Create(t.Context(), Identity{Kind: Role, Name: n, Path: path}))
	}
	for _, c := range []struct {
		under, after string
		limit        int
		want         string
	}{
		{"/", "", 10, "a B C d"},
		{"/", "", 2, "a B"},
		{"/", "B", 10, "C d"},
		{"/x/", "", 10, "C"},
	} {
		got := strings.Join(names(must[[]Identity](t)(b.Identities(t.Context(), Role, c.under, c.after, c.limit))), " ")
		if got != c.want {
			t.Errorf("under %q after %q: got %q, want %q", c.under, c.after, got, c.want)
		}
	}
}

func TestChangeKeepsWhatHangsOnIt(t *testing.T) {
	b := open(t)
	must[Identity](t)(b.Create(t.Context(), Identity{Kind: User, Name: "ann", Path: "/", Tags: []Tag{{"k", "v"}}}))
	must[Identity](t)(b.Create(t.Context(), Identity{Kind: User, Name: "bob", Path: "/"}))
	k := must[Key](t)(b.AddKey(t.Context(), "ann"))
	rename := func(to string) error {
		_, err := b.Change(t.Context(), User, "ann", func(i *Identity) error {
			i.Name = to
			return nil
		})
		return err
	}
	wantCode(t, rename("BOB"), "EntityAlreadyExists")
	wantCode(t, rename("eve"), "")
	_, p, err := b.Lookup(t.Context(), k.ID, "")
	if err != nil || p.ARN != "arn:aws:iam::000000000000:user/eve" {
		t.Errorf("got %+v, error %v", p, err)
	}
	if i := must[Identity](t)(b.Find(t.Context(), User, "eve")); len(i.Tags) != 1 {
		t.Errorf("tags %v", i.Tags)
	}
}

func TestAccessKeys(t *testing.T) {
	b := open(t)
	u := must[Identity](t)(b.Create(t.Context(), Identity{Kind: User, Name: "ann", Path: "/a/"}))
	k := must[Key](t)(b.AddKey(t.Context(), "ann"))
	second := must[Key](t)(b.AddKey(t.Context(), "ann"))
	_, err := b.AddKey(t.Context(), "ann")
	wantCode(t, err, "LimitExceeded")
	secret, p, err := b.Lookup(t.Context(), k.ID, "")
	if err != nil || secret != k.Secret || p.UserID != u.ID || p.ARN != "arn:aws:iam::000000000000:user/a/ann" || p.Root {
		t.Errorf("secret %q, %+v, error %v", secret, p, err)
	}
	wantCode(t, b.SetKeyActive(t.Context(), "ann", k.ID, false), "")
	_, _, err = b.Lookup(t.Context(), k.ID, "")
	wantCode(t, err, "UnrecognizedClientException")
	if list := must[[]Key](t)(b.Keys(t.Context(), "ann")); len(list) != 2 || list[0].Secret+list[1].Secret != "" {
		t.Errorf("keys %+v", list)
	}
	wantCode(t, b.Remove(t.Context(), User, "ann"), "DeleteConflict")
	wantCode(t, b.DeleteKey(t.Context(), "ann", k.ID), "")
	wantCode(t, b.DeleteKey(t.Context(), "ann", k.ID), "NoSuchEntity")
	wantCode(t, b.DeleteKey(t.Context(), "ann", second.ID), "")
	wantCode(t, b.Remove(t.Context(), User, "ann"), "")
}

func TestSecretsAreSealedAtRest(t *testing.T) {
	b := open(t)
	must[Identity](t)(b.Create(t.Context(), Identity{Kind: User, Name: "ann", Path: "/"}))
	k := must[Key](t)(b.AddKey(t.Context(), "ann"))
	stored, err := b.keys.open(k.ID, []byte(k.Secret))
	if err == nil {
		t.Errorf("a plain secret opened as %q", stored)
	}
	sealed := b.keys.seal(k.ID, []byte(k.Secret))
	if strings.Contains(string(sealed), k.Secret) {
		t.Error("the secret is readable")
	}
	if _, err := b.keys.open("AKIAOTHER", sealed); err == nil {
		t.Error("a secret opened under another key's id")
	}
}

func TestUsedIsNotedNowAndThen(t *testing.T) {
	b := open(t)
	now := time.Unix(1_800_000_000, 0)
	b.now = func() time.Time { return now }
	must[Identity](t)(b.Create(t.Context(), Identity{Kind: User, Name: "ann", Path: "/"}))
	k := must[Key](t)(b.AddKey(t.Context(), "ann"))
	use := func(region string) Key {
		if err := b.Used(t.Context(), k.ID, region, "lambda"); err != nil {
			t.Fatal(err)
		}
		return must[Key](t)(b.Key(t.Context(), k.ID))
	}
	if got := use("us-east-1"); !got.Used.Equal(now) || got.UsedRegion != "us-east-1" || got.UsedService != "lambda" {
		t.Errorf("got %+v", got)
	}
	now = now.Add(usedEvery - time.Second)
	if got := use("eu-west-1"); got.UsedRegion != "us-east-1" {
		t.Errorf("noted too soon: %+v", got)
	}
	now = now.Add(time.Second)
	if got := use("eu-west-1"); got.UsedRegion != "eu-west-1" {
		t.Errorf("not noted: %+v", got)
	}
	b.db = readOnly{b.db}
	for _, id := range []string{b.Root().AccessKeyID, "ASIAAAAAAAAAAAAAAAAA", "AKIAUNKNOWN", ""} {
		if err := b.Used(t.Context(), id, "us-east-1", "lambda"); err != nil {
			t.Errorf("%q: %v", id, err)
		}
	}
}

func TestInline(t *testing.T) {
	b := open(t)
	must[Identity](t)(b.Create(t.Context(), Identity{Kind: User, Name: "u", Path: "/"}))
	put := func(name, doc string) error { return b.PutInline(t.Context(), User, "u", name, doc) }
	wantCode(t, put("One", "1"), "")
	wantCode(t, put("one", "2"), "") // replaces it
	name, doc, err := b.Inline(t.Context(), User, "u", "ONE")
	if err != nil || name != "One" || doc != "2" {
		t.Errorf("got %q %q, error %v", name, doc, err)
	}
	wantCode(t, put("big", strings.Repeat("x", inlineMax(User))), "LimitExceeded")
	wantCode(t, put("big", strings.Repeat("x", inlineMax(User)-1)+strings.Repeat(" ", 100)), "") // white space is free
	if got := must[[]string](t)(b.Inlines(t.Context(), User, "u")); !slices.Equal(got, []string{"big", "One"}) {
		t.Errorf("names %v", got)
	}
	wantCode(t, b.Remove(t.Context(), User, "u"), "DeleteConflict")
	wantCode(t, b.DeleteInline(t.Context(), User, "u", "big"), "")
	wantCode(t, b.DeleteInline(t.Context(), User, "u", "big"), "NoSuchEntity")
	wantCode(t, b.DeleteInline(t.Context(), User, "u", "one"), "")
	wantCode(t, b.Remove(t.Context(), User, "u"), "")
}

const basic = "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"

func TestAttach(t *testing.T) {
	b := open(t)
	must[Identity](t)(b.Create(t.Context(), Identity{Kind: Role, Name: "r", Path: "/"}))
	wantCode(t, b.Attach(t.Context(), Role, "r", basic), "")
	wantCode(t, b.Attach(t.Context(), Role, "r", basic), "")
	wantCode(t, b.Attach(t.Context(), Role, "r", "arn:aws:iam::aws:policy/Nope"), "NoSuchEntity")
	wantCode(t, b.Attach(t.Context(), Role, "r", "nope"), "ValidationError")
	if got := must[[]ManagedPolicy](t)(b.Attached(t.Context(), Role, "r")); len(got) != 1 || got[0].Name != "AWSLambdaBasicExecutionRole" || got[0].Attachments != 1 {
		t.Errorf("attached %+v", got)
	}
	if uses := must[[]Use](t)(b.Uses(t.Context(), basic)); len(uses) != 1 || uses[0].Identity.Name != "r" || uses[0].Boundary {
		t.Errorf("uses %+v", uses)
	}
	wantCode(t, b.Remove(t.Context(), Role, "r"), "DeleteConflict")
	wantCode(t, b.Detach(t.Context(), Role, "r", basic), "")
	wantCode(t, b.Detach(t.Context(), Role, "r", basic), "NoSuchEntity")
	for n := range maxAttached {
		p := must[ManagedPolicy](t)(b.CreatePolicy(t.Context(), ManagedPolicy{Name: fmt.Sprint("p", n), Path: "/"}, "{}"))
		wantCode(t, b.Attach(t.Context(), Role, "r", p.ARN), "")
	}
	wantCode(t, b.Attach(t.Context(), Role, "r", basic), "LimitExceeded")
}

func TestManagedPolicyVersions(t *testing.T) {
	b := open(t)
	p := must[ManagedPolicy](t)(b.CreatePolicy(t.Context(), ManagedPolicy{Name: "p", Path: "/x/"}, "one"))
	if p.ARN != "arn:aws:iam::000000000000:policy/x/p" || p.DefaultVersion != 1 {
		t.Errorf("made %+v", p)
	}
	_, err := b.CreatePolicy(t.Context(), ManagedPolicy{Name: "P", Path: "/"}, "other")
	wantCode(t, err, "EntityAlreadyExists")
	for n := 2; n <= maxVersions; n++ {
		v := must[Version](t)(b.AddVersion(t.Context(), p.ARN, fmt.Sprint(n), n == 3))
		if v.Number != n {
			t.Errorf("version %d, want %d", v.Number, n)
		}
	}
	_, err = b.AddVersion(t.Context(), p.ARN, "six", false)
	wantCode(t, err, "LimitExceeded")
	wantCode(t, b.DeleteVersion(t.Context(), p.ARN, "v3"), "DeleteConflict") // the default
	wantCode(t, b.DeleteVersion(t.Context(), p.ARN, "v9"), "NoSuchEntity")
	wantCode(t, b.DeleteVersion(t.Context(), p.ARN, "v5"), "")
	if v := must[Version](t)(b.AddVersion(t.Context(), p.ARN, "six", false)); v.Number != 6 {
		t.Errorf("a number came back: %d", v.Number)
	}
	wantCode(t, b.SetDefaultVersion(t.Context(), p.ARN, "v6"), "")
	v := must[Version](t)(b.PolicyVersion(t.Context(), p.ARN, "v6"))
	if !v.Default || v.Document != "six" {
		t.Errorf("got %+v", v)
	}
	wantCode(t, b.DeletePolicy(t.Context(), p.ARN), "DeleteConflict")
	for _, id := range []string{"v1", "v2", "v3", "v4"} {
		wantCode(t, b.DeleteVersion(t.Context(), p.ARN, id), "")
	}
	wantCode(t, b.DeletePolicy(t.Context(), p.ARN), "")
	_, err = b.Policy(t.Context(), p.ARN)
	wantCode(t, err, "NoSuchEntity")
}

func TestAWSPoliciesAreThereAndFixed(t *testing.T) {
	b := open(t)
	v := must[Version](t)(b.PolicyVersion(t.Context(), basic, "v1"))
	if !strings.Contains(v.Document, "logs:PutLogEvents") {
		t.Errorf("document %s", v.Document)
	}
	wantCode(t, b.DeletePolicy(t.Context(), basic), "AccessDenied")
	_, err := b.AddVersion(t.Context(), basic, "{}", true)
	wantCode(t, err, "AccessDenied")
	seen := map[string]bool{}
	for _, a := range awsPolicies() {
		if p := a.policy(); seen[p.ARN] || len(p.ID) != 21 || a.description == "" || len(a.allow) == 0 {
			t.Errorf("bad entry %+v", p)
		}
		seen[a.arn()] = true
	}
}

func TestBoundary(t *testing.T) {
	b := open(t)
	_, err := b.Create(t.Context(), Identity{Kind: Role, Name: "r", Path: "/", Boundary: "arn:aws:iam::000000000000:policy/none"})
	wantCode(t, err, "NoSuchEntity")
	_, err = b.Find(t.Context(), Role, "r")
	wantCode(t, err, "NoSuchEntity") // nothing of it was kept
	p := must[ManagedPolicy](t)(b.CreatePolicy(t.Context(), ManagedPolicy{Name: "p", Path: "/"}, "{}"))
	must[Identity](t)(b.Create(t.Context(), Identity{Kind: Role, Name: "r", Path: "/", Boundary: p.ARN}))
	wantCode(t, b.DeletePolicy(t.Context(), p.ARN), "DeleteConflict")
	if p := must[ManagedPolicy](t)(b.Policy(t.Context(), p.ARN)); p.Boundaries != 1 || p.Attachments != 0 {
		t.Errorf("got %+v", p)
	}
}

func TestTags(t *testing.T) {
	b := open(t)
	must[Identity](t)(b.Create(t.Context(), Identity{Kind: User, Name: "u", Path: "/"}))
	var many []Tag
	for n := range maxTags {
		many = append(many, Tag{fmt.Sprint("k", n), "v"})
	}
	wantCode(t, b.Retag(t.Context(), User, "u", many, nil), "")
	wantCode(t, b.Retag(t.Context(), User, "u", []Tag{{"K1", "new"}}, nil), "") // the same key
	wantCode(t, b.Retag(t.Context(), User, "u", []Tag{{"more", ""}}, nil), "LimitExceeded")
	wantCode(t, b.Retag(t.Context(), User, "u", []Tag{{"more", ""}}, []string{"k0"}), "")
	i := must[Identity](t)(b.Find(t.Context(), User, "u"))
	if len(i.Tags) != maxTags || !slices.Contains(i.Tags, Tag{"K1", "new"}) || !slices.Contains(i.Tags, Tag{"more", ""}) {
		t.Errorf("tags %v", i.Tags)
	}
}

func TestGroups(t *testing.T) {
	b := open(t)
	for n := range maxGroups + 1 {
		must[Identity](t)(b.Create(t.Context(), Identity{Kind: Group, Name: fmt.Sprint("g", n), Path: "/"}))
	}
	must[Identity](t)(b.Create(t.Context(), Identity{Kind: User, Name: "u", Path: "/"}))
	for n := range maxGroups {
		wantCode(t, b.Join(t.Context(), fmt.Sprint("g", n), "u"), "")
	}
	wantCode(t, b.Join(t.Context(), "g0", "u"), "")
	wantCode(t, b.Join(t.Context(), fmt.Sprint("g", maxGroups), "u"), "LimitExceeded")
	if got := names(must[[]Identity](t)(b.Members(t.Context(), "g0"))); !slices.Equal(got, []string{"u"}) {
		t.Errorf("members %v", got)
	}
	if got := must[[]Identity](t)(b.GroupsOf(t.Context(), "u")); len(got) != maxGroups {
		t.Errorf("groups %v", names(got))
	}
	wantCode(t, b.Remove(t.Context(), Group, "g0"), "DeleteConflict")
	wantCode(t, b.Remove(t.Context(), User, "u"), "DeleteConflict")
	wantCode(t, b.Leave(t.Context(), "g0", "u"), "")
	wantCode(t, b.Leave(t.Context(), "g0", "u"), "NoSuchEntity")
	wantCode(t, b.Remove(t.Context(), Group, "g0"), "")
	if c := must[map[string]int](t)(b.Counts(t.Context())); c["Groups"] != maxGroups || c["Users"] != 1 {
		t.Errorf("counts %v", c)
	}
}
