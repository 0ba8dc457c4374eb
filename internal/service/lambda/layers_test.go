package lambda

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/mayfly-faas/mayfly/internal/engine"
)

const (
	layersPath = "/2018-10-31/layers"
	layerBase  = "arn:aws:lambda:us-east-1:" + account + ":layer:"
)

// publish makes a layer version and returns its answer.
func (w *world) publish(name, content string, more m) m {
	w.Helper()
	in := m{"Content": m{"ZipFile": archive(w, content)}}
	for k, v := range more {
		in[k] = v
	}
	return w.want(201, "POST", layersPath+"/"+name+"/versions", in).body
}

// versions are the numbers that ListLayerVersions answers.
func (w *world) versions(name, query string) string {
	w.Helper()
	var n []string
	for _, v := range w.want(200, "GET", layersPath+"/"+name+"/versions"+query, nil).body["LayerVersions"].([]any) {
		n = append(n, fmt.Sprint(v.(m)["Version"]))
	}
	return strings.Join(n, " ")
}

func TestLayerLifecycle(t *testing.T) {
	w := open(t)
	got := w.publish("l", "one", m{"Description": "d", "LicenseInfo": "MIT", "CompatibleRuntimes": []string{"python3.12"}, "CompatibleArchitectures": []string{"x86_64"}})
	content := got["Content"].(m)
	at, err := url.Parse(content["Location"].(string))
	w.must(err)
	zip, err := base64.StdEncoding.DecodeString(archive(t, "one"))
	w.must(err)
	q := at.Query()
	body, size, err := w.fs.OpenCode(strings.TrimPrefix(at.Path, "/_mayfly/code/"), q.Get("expires"), q.Get("signature"))
	w.must(err)
	body.Close()
	if size != int64(len(zip)) {
		t.Errorf("the location has %d bytes, want %d", size, len(zip))
	}
	if s := content["CodeSha256"].(string); len(s) != 44 || content["CodeSize"].(float64) != float64(len(zip)) {
		t.Errorf("content is %v", content)
	}
	created := got["CreatedDate"].(string)
	if !strings.HasSuffix(created, "+0000") {
		t.Errorf("created %s", created)
	}
	delete(got, "Content")
	want := m{
		"CompatibleArchitectures": []string{"x86_64"}, "CompatibleRuntimes": []string{"python3.12"}, "CreatedDate": created,
		"Description": "d", "LayerArn": layerBase + "l", "LayerVersionArn": layerBase + "l:1", "LicenseInfo": "MIT", "Version": 1,
	}
	w.same(got, want)
	for _, path := range []string{layersPath + "/l/versions/1", layersPath + "?find=LayerVersion&Arn=" + url.QueryEscape(layerBase+"l:1"),
		layersPath + "/" + url.PathEscape(layerBase+"l") + "/versions/1"} {
		got := w.want(200, "GET", path, nil).body
		delete(got, "Content")
		w.same(got, want)
	}

	// What was not said is left out; a description is always there.
	got = w.publish("l", "two", nil)
	delete(got, "Content")
	w.same(got, m{"CreatedDate": got["CreatedDate"], "Description": "", "LayerArn": layerBase + "l", "LayerVersionArn": layerBase + "l:2", "Version": 2})

	w.want(204, "DELETE", layersPath+"/l/versions/2", nil)
	w.want(204, "DELETE", layersPath+"/l/versions/2", nil) // already
	w.want(204, "DELETE", layersPath+"/nope/versions/2", nil)
	w.refused(404, "ResourceNotFoundException", "The resource you requested does not exist.", "GET", layersPath+"/l/versions/2", nil)
	if v := w.publish("l", "three", nil)["Version"]; v != 3.0 {
		t.Errorf("the next version is %v, want 3: numbers never come back", v)
	}
	for _, v := range []string{"1", "3"} {
		w.want(204, "DELETE", layersPath+"/l/versions/"+v, nil)
	}
	w.same(w.want(200, "GET", layersPath, nil).body, m{"Layers": []any{}})
	if v := w.publish("l", "four", nil)["Version"]; v != 4.0 {
		t.Errorf("the next version is %v, want 4: numbers outlive all versions", v)
	}
}

func TestLayerErrors(t *testing.T) {
	w := open(t)
	w.publish("l", "one", nil)
	const missing = "The resource you requested does not exist."
	for _, path := range []string{"/l/versions/2", "/nope/versions/1"} {
		w.refused(404, "ResourceNotFoundException", missing, "GET", layersPath+path, nil)
	}
	byARN := func(arn string) string { return layersPath + "?find=LayerVersion&Arn=" + url.QueryEscape(arn) }
	w.refused(404, "ResourceNotFoundException", missing, "GET", byARN(layerBase+"l:9"), nil)
	for _, method := range []string{"GET", "DELETE"} {
		for _, v := range []string{"0", "-1"} {
			w.refused(400, "InvalidParameterValueException", "Layer Version Cannot be less than 1", method, layersPath+"/l/versions/"+v, nil)
		}
	}
	for name, c := range map[string]struct {
		in     m
		status int
		code   string
	}{
		"S3":         {m{"Content": m{"S3Bucket": "bucket", "S3Key": "k"}}, 400, "InvalidParameterValueException"},
		"nothing":    {m{"Content": m{}}, 400, "InvalidParameterValueException"},
		"no content": {m{}, 400, "ValidationException"},
		"no zip":     {m{"Content": m{"ZipFile": base64.StdEncoding.EncodeToString([]byte("no zip"))}}, 400, "InvalidParameterValueException"},
		"runtime":    {m{"Content": m{"ZipFile": archive(t, "x")}, "CompatibleRuntimes": []string{"python3.12", "nope"}}, 400, "ValidationException"},
		"arch":       {m{"Content": m{"ZipFile": archive(t, "x")}, "CompatibleArchitectures": []string{"mips"}}, 400, "ValidationException"},
	} {
		r := w.do("POST", layersPath+"/l/versions", c.in)
		if r.status != c.status || r.header.Get("X-Amzn-Errortype") != c.code {
			t.Errorf("%s: %d %s %s", name, r.status, r.header.Get("X-Amzn-Errortype"), r.raw)
		}
	}
	for _, path := range []string{"?CompatibleRuntime=nope", "/l/versions?CompatibleRuntime=nope", "?CompatibleArchitecture=mips", "?MaxItems=51", "?MaxItems=0"} {
		if r := w.do("GET", layersPath+path, nil); r.status != 400 || r.header.Get("X-Amzn-Errortype") != "ValidationException" {
			t.Errorf("%s: %d %s", path, r.status, r.raw)
		}
	}
	if v := w.publish("l", "two", nil)["Version"]; v != 2.0 {
		t.Errorf("after failures the next version is %v, want 2", v)
	}
	w.refused(400, "InvalidParameterValueException", "The marker ? is not valid.", "GET", layersPath+"?Marker=%3F", nil)
}

func TestLayerLists(t *testing.T) {
	w := open(t)
	for i := range 5 {
		more := m{"CompatibleRuntimes": []string{"python3.12", "python3.13"}, "CompatibleArchitectures": []string{"x86_64"}}
		if i%2 == 1 {
			more = m{"CompatibleRuntimes": []string{"nodejs22.x"}, "CompatibleArchitectures": []string{"arm64"}}
		}
		w.publish("a", fmt.Sprint(i), more)
	}
	w.publish("b", "x", m{"CompatibleRuntimes": []string{"nodejs22.x"}})
	w.publish("c", "x", nil)

	for query, want := range map[string]string{
		"":                              "5 4 3 2 1",
		"?CompatibleRuntime=python3.13": "5 3 1",
		"?CompatibleArchitecture=arm64": "4 2",
		"?CompatibleRuntime=nodejs22.x&CompatibleArchitecture=x86_64": "",
	} {
		if got := w.versions("a", query); got != want {
			t.Errorf("versions %s: %s, want %s", query, got, want)
		}
	}
	if got := w.versions("nope", ""); got != "" {
		t.Errorf("versions of no layer: %s", got)
	}

	var pages []string
	for next := ""; ; {
		r := w.want(200, "GET", layersPath+"/a/versions?MaxItems=2"+next, nil).body
		var n []string
		for _, v := range r["LayerVersions"].([]any) {
			n = append(n, fmt.Sprint(v.(m)["Version"]))
		}
		pages = append(pages, strings.Join(n, " "))
		mark, more := r["NextMarker"].(string)
		if !more {
			break
		}
		next = "&Marker=" + url.QueryEscape(mark)
	}
	if got := strings.Join(pages, ", "); got != "5 4, 3 2, 1" {
		t.Errorf("pages are %s", got)
	}

	latest := func(query string) string {
		var all []string
		for {
			r := w.want(200, "GET", layersPath+query, nil).body
			for _, l := range r["Layers"].([]any) {
				l := l.(m)
				if l["LayerArn"] != layerBase+l["LayerName"].(string) {
					t.Errorf("layer %v", l)
				}
				all = append(all, strings.TrimPrefix(l["LatestMatchingVersion"].(m)["LayerVersionArn"].(string), layerBase))
			}
			mark, more := r["NextMarker"].(string)
			if !more {
				return strings.Join(all, " ")
			}
			query = "?MaxItems=1&Marker=" + url.QueryEscape(mark)
		}
	}
	for query, want := range map[string]string{
		"":                              "a:5 b:1 c:1",
		"?MaxItems=1":                   "a:5 b:1 c:1",
		"?CompatibleRuntime=nodejs22.x": "a:4 b:1",
		"?CompatibleArchitecture=arm64": "a:4",
	} {
		if got := latest(query); got != want {
			t.Errorf("layers %s: %s, want %s", query, got, want)
		}
	}
}

func TestLayerPolicy(t *testing.T) {
	w := open(t)
	w.publish("l", "one", nil)
	path := layersPath + "/l/versions/1/policy"
	add := func(sid string, more m) m {
		in := m{"StatementId": sid, "Action": "lambda:GetLayerVersion", "Principal": "*"}
		for k, v := range more {
			in[k] = v
		}
		return in
	}
	noPolicy := "No policy is associated with the given resource."
	w.refused(404, "ResourceNotFoundException", noPolicy, "GET", path, nil)
	w.refused(404, "ResourceNotFoundException", noPolicy, "DELETE", path+"/s1", nil)

	first := w.want(201, "POST", path, add("s1", nil)).body
	statement := `{"Sid":"s1","Effect":"Allow","Principal":"*","Action":"lambda:GetLayerVersion","Resource":"` + layerBase + `l:1"}`
	if first["Statement"] != statement {
		t.Errorf("statement is %v", first["Statement"])
	}
	got := w.want(200, "GET", path, nil).body
	if got["Policy"] != `{"Version":"2012-10-17","Id":"default","Statement":[`+statement+`]}` || got["RevisionId"] != first["RevisionId"] {
		t.Errorf("policy is %v", got)
	}
	w.refused(409, "ResourceConflictException", "The statement id (s1) provided already exists. Please provide a new statement id, or remove the existing statement.", "POST", path, add("s1", nil))

	revision := "The Revision Id provided does not match the latest Revision Id. Call the GetLayerPolicy API to retrieve the latest Revision Id"
	w.refused(412, "PreconditionFailedException", revision, "POST", path+"?RevisionId=wrong", add("s2", nil))
	second := w.want(201, "POST", path+"?RevisionId="+fmt.Sprint(first["RevisionId"]), add("s2", m{"Principal": "111111111111"})).body
	if second["RevisionId"] == first["RevisionId"] {
		t.Error("the revision did not change")
	}
	var s struct{ Principal, Condition any }
	w.must(json.Unmarshal([]byte(second["Statement"].(string)), &s))
	w.same(s.Principal, m{"AWS": "arn:aws:iam::111111111111:root"})
	third := w.want(201, "POST", path, add("s3", m{"OrganizationId": "o-0123456789"})).body
	w.must(json.Unmarshal([]byte(third["Statement"].(string)), &s))
	w.same(s.Condition, m{"StringEquals": m{"aws:PrincipalOrgID": "o-0123456789"}})

	w.refused(404, "ResourceNotFoundException", "Statement s9 is not found in resource policy.", "DELETE", path+"/s9", nil)
	w.refused(412, "PreconditionFailedException", revision, "DELETE", path+"/s1?RevisionId="+fmt.Sprint(first["RevisionId"]), nil)
	for _, sid := range []string{"s1", "s2", "s3"} {
		w.want(204, "DELETE", path+"/"+sid, nil)
	}
	w.refused(404, "ResourceNotFoundException", noPolicy, "GET", path, nil)

	gone := "Layer version " + layerBase + "l:2 does not exist."
	for _, method := range []string{"GET", "POST"} {
		w.refused(404, "ResourceNotFoundException", gone, method, layersPath+"/l/versions/2/policy", add("s", nil))
	}
	w.refused(404, "ResourceNotFoundException", gone, "DELETE", layersPath+"/l/versions/2/policy/s1", nil)
	for _, bad := range []m{{"Action": "lambda:InvokeFunction"}, {"Principal": "s3.amazonaws.com"}, {"StatementId": "no spaces"}} {
		if r := w.do("POST", path, add("s", bad)); r.status != 400 || r.header.Get("X-Amzn-Errortype") != "ValidationException" {
			t.Errorf("%v: %d %s", bad, r.status, r.raw)
		}
	}

	w.want(201, "POST", path, add("s1", nil))
	w.want(204, "DELETE", layersPath+"/l/versions/1", nil)
	w.refused(404, "ResourceNotFoundException", "Layer version "+layerBase+"l:1 does not exist.", "GET", path, nil)
}

// TestLayerOutlivesDeletion runs a function on a layer that is deleted.
func TestLayerOutlivesDeletion(t *testing.T) {
	w := open(t)
	w.publish("l", "one", nil)
	w.publish("k", "one", nil) // the same archive
	w.create("f", m{"Layers": []string{layerBase + "l:1"}})
	w.want(204, "DELETE", layersPath+"/l/versions/1", nil)

	got := w.want(200, "GET", functions+"/f/configuration", nil).body["Layers"].([]any)
	if len(got) != 1 || got[0].(m)["Arn"] != layerBase+"l:1" {
		t.Errorf("layers are %v", got)
	}
	w.want(200, "POST", functions+"/f/invocations", "{}")
	var opt string
	w.engine.with(func() { opt = optOf(w.engine.units[len(w.engine.units)-1]) })
	if opt == "" {
		t.Error("the function runs without its layer")
	}
	w.refused(400, "InvalidParameterValueException", "Layer version "+layerBase+"l:1 does not exist.", "POST", functions, w.plan("g", m{"Layers": []string{layerBase + "l:1"}}))
	w.want(200, "PUT", functions+"/f/configuration", m{"Layers": []string{layerBase + "k:1"}})
	if c := w.settled("f"); c["LastUpdateStatus"] != "Successful" {
		t.Errorf("with a layer of the same content: %v", c)
	}
	twice := "Two different versions of the same layer are not allowed to be referenced in the same function. %[1]sk:1 and %[1]sk:2 are versions of the same layer."
	w.publish("k", "two", nil)
	w.refused(400, "InvalidParameterValueException", fmt.Sprintf(twice, layerBase), "PUT", functions+"/f/configuration", m{"Layers": []string{layerBase + "k:1", layerBase + "k:2"}})
}

// TestPublishAtOnce publishes one layer from many sides.
func TestPublishAtOnce(t *testing.T) {
	w := open(t)
	answers := make(chan m)
	for i := range 8 {
		body, err := json.Marshal(m{"Content": m{"ZipFile": archive(t, fmt.Sprint(i))}})
		w.must(err)
		go func() {
			out := m{}
			defer func() { answers <- out }()
			r, err := http.Post(w.url+layersPath+"/l/versions", "application/json", strings.NewReader(string(body)))
			if err != nil {
				t.Error(err)
				return
			}
			defer r.Body.Close()
			if err := json.NewDecoder(r.Body).Decode(&out); err != nil {
				t.Error(err)
			}
		}()
	}
	seen := map[any]bool{}
	for range 8 {
		seen[(<-answers)["Version"]] = true
	}
	if len(seen) != 8 || !seen[1.0] || !seen[8.0] {
		t.Errorf("versions are %v, want 1 to 8", seen)
	}
}

// optOf is where a unit's merged layers are.
func optOf(u *engine.Unit) string { return u.Opt }
