package lambda

import (
	"archive/zip"
	"bytes"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
)

// loose takes out of a configuration what differs from run to run, having looked at it.
func loose(t *testing.T, c m) m {
	t.Helper()
	for k, form := range map[string]string{
		"LastModified": `^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+0000$`,
		"RevisionId":   `^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}$`,
		"CodeSha256":   `^[A-Za-z0-9+/]{43}=$`,
	} {
		s, _ := c[k].(string)
		if !regexp.MustCompile(form).MatchString(s) {
			t.Errorf("%s is %q", k, s)
		}
		delete(c, k)
	}
	if rv, ok := c["RuntimeVersionConfig"].(m); ok {
		if a := fmt.Sprint(rv["RuntimeVersionArn"]); !regexp.MustCompile(`^arn:aws:lambda:us-east-1::runtime:[0-9a-f]{64}$`).MatchString(a) {
			t.Errorf("runtime version is %q", a)
		}
		delete(c, "RuntimeVersionConfig")
	}
	if size, _ := c["CodeSize"].(float64); size < 100 {
		t.Errorf("CodeSize is %v", c["CodeSize"])
	}
	delete(c, "CodeSize")
	return c
}

// expected is the configuration of a function made by create, once active.
func expected(name string, more m) m {
	c := m{
		"Architectures": []any{"x86_64"}, "Description": "", "EphemeralStorage": m{"Size": 512},
		"FunctionArn": base + name, "FunctionName": name, "Handler": "index.handler",
		"LastUpdateStatus": "Successful", "LoggingConfig": m{"LogFormat": "Text", "LogGroup": "/aws/lambda/" + name},
		"MemorySize": 128, "PackageType": "Zip", "Role": role, "Runtime": "python3.12",
		"SnapStart": m{"ApplyOn": "None", "OptimizationStatus": "Off"}, "State": "Active", "Timeout": 3,
		"TracingConfig": m{"Mode": "PassThrough"}, "Version": "$LATEST",
	}
	for k, v := range more {
		if v == nil {
			delete(c, k)
			continue
		}
		c[k] = v
	}
	return c
}

func TestCreateAnswersPendingThenActive(t *testing.T) {
	w := open(t)
	r := w.want(201, "POST", functions, w.plan("f", m{"Environment": m{"Variables": m{}}, "Timeout": 5, "MemorySize": 256}))
	revision := r.body["RevisionId"]
	w.same(loose(t, r.body), expected("f", m{
		"Environment": m{"Variables": m{}}, "Timeout": 5, "MemorySize": 256, "LastUpdateStatus": nil,
		"State": "Pending", "StateReason": "The function is being created.", "StateReasonCode": "Creating",
	}))
	c := w.settled("f")
	if c["RevisionId"] == revision {
		t.Error("the revision did not change when the function became active")
	}
	w.same(loose(t, c), expected("f", m{"Environment": m{"Variables": m{}}, "Timeout": 5, "MemorySize": 256}))
}

func TestGetFunction(t *testing.T) {
	w := open(t)
	w.create("f", m{"Tags": m{"a": "b"}})
	r := w.want(200, "GET", functions+"/f", nil)
	w.same(r.body["Tags"], m{"a": "b"})
	if _, ok := r.body["Concurrency"]; ok {
		t.Error("Concurrency is there without a reservation")
	}
	code := r.body["Code"].(m)
	if code["RepositoryType"] != "S3" {
		t.Errorf("code is %v", code)
	}
	u, err := url.Parse(code["Location"].(string))
	w.must(err)
	if !strings.HasPrefix(u.String(), w.url+"/_mayfly/code/") {
		t.Errorf("location is %s", u)
	}
	sha := strings.TrimPrefix(u.Path, "/_mayfly/code/")
	f, size, err := w.fs.OpenCode(sha, u.Query().Get("expires"), u.Query().Get("signature"))
	w.must(err)
	defer f.Close()
	b, err := io.ReadAll(f)
	w.must(err)
	if int64(len(b)) != size || base64.StdEncoding.EncodeToString(b) != archive(t, "1") {
		t.Errorf("downloaded %d bytes of %d", len(b), size)
	}
	if _, _, err := w.fs.OpenCode(sha, u.Query().Get("expires"), strings.Repeat("0", 64)); err == nil {
		t.Error("a made-up signature opens the code")
	}

	w.create("plain", nil)
	if r := w.want(200, "GET", functions+"/plain", nil); r.body["Tags"] != nil {
		t.Errorf("tags of a function without: %v", r.body["Tags"])
	}
}

func TestMissingFunction(t *testing.T) {
	w := open(t)
	gone := "Function not found: " + base + "nope"
	for _, c := range []struct{ method, path string }{
		{"GET", functions + "/nope"}, {"GET", functions + "/nope/configuration"}, {"DELETE", functions + "/nope"},
		{"GET", "/2020-06-30/functions/nope/code-signing-config"}, {"GET", "/2019-09-30/functions/nope/concurrency"},
		{"GET", functions + "/nope/versions"}, {"GET", functions + "/nope/aliases"},
		{"GET", functions + "/" + url.PathEscape(base+"nope")}, {"GET", functions + "/" + account + ":function:nope"},
	} {
		r := w.refused(404, "ResourceNotFoundException", gone, c.method, c.path, nil)
		w.same(r.body, m{"Message": gone, "Type": "User"})
	}
	w.refused(404, "ResourceNotFoundException", gone+":$LATEST", "GET", functions+"/nope:$LATEST", nil)
	w.refused(404, "ResourceNotFoundException", gone+":$LATEST", "GET", functions+"/nope?Qualifier=$LATEST", nil)
	w.refused(404, "ResourceNotFoundException", gone+":7", "POST", functions+"/nope:7/invocations", "{}")
}

func TestNames(t *testing.T) {
	w := open(t)
	w.create(url.PathEscape("f"), nil)
	for _, name := range []string{"f", base + "f", account + ":function:f", "function:f", "f:$LATEST", base + "f:$LATEST"} {
		r := w.want(200, "GET", functions+"/"+url.PathEscape(name)+"/configuration", nil)
		want := base + "f"
		if strings.HasSuffix(name, "$LATEST") {
			want += ":$LATEST"
		}
		if r.body["FunctionArn"] != want {
			t.Errorf("%s: ARN is %v, want %s", name, r.body["FunctionArn"], want)
		}
	}
	w.refused(404, "ResourceNotFoundException", "Functions from 'eu-west-1' are not reachable in this region ('us-east-1')",
		"GET", functions+"/"+url.PathEscape("arn:aws:lambda:eu-west-1:000000000000:function:f"), nil)
	if r := w.want(403, "GET", functions+"/"+url.PathEscape("arn:aws:lambda:us-east-1:111111111111:function:f"), nil); r.header.Get("X-Amzn-Errortype") != "AccessDeniedException" {
		t.Errorf("another account's: %s", r.raw)
	}
	w.refused(400, "InvalidParameterValueException", "The derived qualifier from the function name does not match the specified qualifier.",
		"GET", functions+"/f:1?Qualifier=$LATEST", nil)
	r := w.want(400, "GET", functions+"/"+url.PathEscape("a b"), nil)
	if r.header.Get("X-Amzn-Errortype") != "ValidationException" || r.body["Type"] != nil {
		t.Errorf("a space in a name: %s", r.raw)
	}
	long := strings.Repeat("n", 65)
	w.refused(400, "InvalidParameterValueException",
		"1 validation error detected: Value '"+long+"' at 'functionName' failed to satisfy constraint: Member must have length less than or equal to 64",
		"POST", functions, w.plan(long, nil))
	w.refused(404, "ResourceNotFoundException", "Function not found: "+base+long, "GET", functions+"/"+long, nil)
}

func TestCreateRefusals(t *testing.T) {
	w := open(t)
	w.create("taken", nil)
	slip := func() string {
		var b bytes.Buffer
		z := zip.NewWriter(&b)
		f, err := z.Create("../../evil")
		w.must(err)
		io.WriteString(f, "x")
		w.must(z.Close())
		return base64.StdEncoding.EncodeToString(b.Bytes())
	}()
	big := strings.Repeat("x", 4100)
	many := m{}
	for i := range 51 {
		many[fmt.Sprint(i)] = "x"
	}
	for name, c := range map[string]struct {
		status        int
		code, message string
		more          m
	}{
		"taken":       {409, "ResourceConflictException", "Function already exist: taken", m{"FunctionName": "taken"}},
		"no runtime":  {400, "InvalidParameterValueException", "Runtime and Handler are mandatory parameters for functions created with deployment packages.", m{"Runtime": nil}},
		"no handler":  {400, "InvalidParameterValueException", "Runtime and Handler are mandatory parameters for functions created with deployment packages.", m{"Handler": nil}},
		"old runtime": {400, "InvalidParameterValueException", "The runtime parameter of nodejs12.x is no longer supported for creating or updating AWS Lambda functions. We recommend you use a supported runtime while creating or updating functions.", m{"Runtime": "nodejs12.x"}},
		"bad zip":     {400, "InvalidParameterValueException", "Could not unzip uploaded file. Please check your file, then try to upload again.", m{"Code": m{"ZipFile": base64.StdEncoding.EncodeToString([]byte("no zip"))}}},
		"no code":     {400, "InvalidParameterValueException", "Please provide a source for function code.", m{"Code": m{}}},
		"env size":    {400, "InvalidParameterValueException", `Lambda was unable to configure your environment variables because the environment variables you have provided exceeded the 4KB limit. String measured: {"BIG":"` + big + `"}`, m{"Environment": m{"Variables": m{"BIG": big}}}},
		"env taken":   {400, "InvalidParameterValueException", "Lambda was unable to configure your environment variables because the environment variables you have provided contains reserved keys that are currently not supported for modification. Reserved keys used in this request: AWS_REGION", m{"Environment": m{"Variables": m{"AWS_REGION": "x", "OK": "y"}}}},
		"memory":      {400, "InvalidParameterValueException", "'MemorySize' value failed to satisfy constraint: Member must have value less than or equal to 10240", m{"MemorySize": 10241}},
		"timeout":     {400, "InvalidParameterValueException", "'Timeout' value failed to satisfy constraint: Member must have value less than or equal to 900", m{"Timeout": 901}},
		"tags":        {400, "InvalidParameterValueException", "Number of tags exceeds resource tag limit.", m{"Tags": many}},
		"layer":       {400, "InvalidParameterValueException", "Layer version arn:aws:lambda:us-east-1:000000000000:layer:l:1 does not exist.", m{"Layers": []string{"arn:aws:lambda:us-east-1:000000000000:layer:l:1"}}},
		"far layer":   {400, "InvalidParameterValueException", "Layers are not in the same region as the function. Layers are expected to be in region us-east-1.", m{"Layers": []string{"arn:aws:lambda:eu-west-1:000000000000:layer:l:1"}}},
		"vpc":         {400, "InvalidParameterValueException", "SubnetIds and SecurityIds must coexist or be both empty list.", m{"VpcConfig": m{"SubnetIds": []string{"subnet-1"}}}},
		"snapstart":   {400, "InvalidParameterValueException", "nodejs22.x is not supported for SnapStart enabled functions.", m{"Runtime": "nodejs22.x", "SnapStart": m{"ApplyOn": "PublishedVersions"}}},
		"image":       {400, "InvalidParameterValueException", "Mayfly does not support container images yet. Use the package type Zip.", m{"PackageType": "Image", "Code": m{"ImageUri": "x"}}},
	} {
		t.Run(name, func(t *testing.T) {
			w := *w
			w.T = t
			w.refused(c.status, c.code, c.message, "POST", functions, w.plan("new", c.more))
		})
	}
	if r := w.want(400, "POST", functions, w.plan("new", m{"Code": m{"ZipFile": slip}})); r.header.Get("X-Amzn-Errortype") != "InvalidParameterValueException" {
		t.Errorf("zip slip: %s", r.raw)
	}
	if r := w.want(400, "POST", functions, w.plan("new", m{"Runtime": "PYTHON3.9"})); !strings.HasPrefix(r.body["message"].(string), "Value PYTHON3.9 at 'runtime' failed to satisfy constraint: Member must satisfy enum value set: [nodejs") || !strings.HasSuffix(r.body["message"].(string), "] or be a valid ARN") {
		t.Errorf("bad runtime: %s", r.raw)
	}
	w.want(404, "GET", functions+"/new", nil)
}

func TestUpdateConfiguration(t *testing.T) {
	w := open(t)
	w.create("f", nil)
	old := w.settled("f")["RevisionId"]
	r := w.want(200, "PUT", functions+"/f/configuration", m{
		"Description": "d", "Environment": m{"Variables": m{"AA": "a"}}, "MemorySize": 512, "Runtime": "python3.11", "Timeout": 10,
		"LoggingConfig": m{"LogFormat": "JSON"}, "DeadLetterConfig": m{"TargetArn": "arn:aws:sqs:us-east-1:000000000000:q"}, "VpcConfig": m{},
	})
	changed := m{
		"Description": "d", "Environment": m{"Variables": m{"AA": "a"}}, "MemorySize": 512, "Runtime": "python3.11", "Timeout": 10,
		"LoggingConfig":    m{"LogFormat": "JSON", "LogGroup": "/aws/lambda/f", "ApplicationLogLevel": "INFO", "SystemLogLevel": "INFO"},
		"DeadLetterConfig": m{"TargetArn": "arn:aws:sqs:us-east-1:000000000000:q"},
		"VpcConfig":        m{"SubnetIds": []any{}, "SecurityGroupIds": []any{}, "VpcId": "", "Ipv6AllowedForDualStack": false},
	}
	revision := r.body["RevisionId"]
	if revision == old {
		t.Error("an update did not change the revision")
	}
	during := expected("f", changed)
	during["LastUpdateStatus"], during["LastUpdateStatusReason"], during["LastUpdateStatusReasonCode"] = "InProgress", "The function is being created.", "Creating"
	w.same(loose(t, r.body), during)
	c := w.settled("f")
	if c["RevisionId"] == revision {
		t.Error("the end of an update did not change the revision")
	}
	w.same(loose(t, c), expected("f", changed))

	w.want(200, "PUT", functions+"/f/configuration", m{"DeadLetterConfig": m{"TargetArn": ""}, "Environment": m{}, "LoggingConfig": m{"LogFormat": "Text"}})
	changed["DeadLetterConfig"], changed["Environment"], changed["LoggingConfig"] = nil, m{"Variables": m{}}, m{"LogFormat": "Text", "LogGroup": "/aws/lambda/f"}
	w.same(loose(t, w.settled("f")), expected("f", changed))
}

func TestRevisionPrecondition(t *testing.T) {
	w := open(t)
	w.create("f", nil)
	text := "The Revision Id provided does not match the latest Revision Id. Call the GetFunction/GetAlias API to retrieve the latest Revision Id"
	stale := "00000000-0000-4000-8000-000000000000"
	w.refused(412, "PreconditionFailedException", text, "PUT", functions+"/f/configuration", m{"Timeout": 4, "RevisionId": stale})
	w.refused(412, "PreconditionFailedException", text, "PUT", functions+"/f/code", m{"ZipFile": archive(t, "2"), "RevisionId": stale})
	w.refused(412, "PreconditionFailedException", text, "POST", functions+"/f/versions", m{"RevisionId": stale})
	w.want(200, "PUT", functions+"/f/configuration", m{"Timeout": 4, "RevisionId": w.settled("f")["RevisionId"]})
}

func TestUpdateCode(t *testing.T) {
	w := open(t)
	w.create("f", nil)
	before := w.settled("f")
	dry := w.want(200, "PUT", functions+"/f/code", m{"ZipFile": archive(t, "2"), "DryRun": true})
	if dry.body["CodeSha256"] == before["CodeSha256"] {
		t.Error("a dry run does not show the new code's hash")
	}
	w.same(w.settled("f"), before)
	r := w.want(200, "PUT", functions+"/f/code", m{"ZipFile": archive(t, "2"), "Architectures": []string{"arm64"}})
	if r.body["CodeSha256"] != dry.body["CodeSha256"] || r.body["LastUpdateStatus"] != "InProgress" {
		t.Errorf("update: %s", r.raw)
	}
	w.same(w.settled("f")["Architectures"], []any{"arm64"})
	w.refused(400, "InvalidParameterValueException", "Please don't provide ImageUri when updating a function with packageType Zip.", "PUT", functions+"/f/code", m{"ImageUri": "x"})

	r = w.want(200, "PUT", functions+"/f/code", m{"ZipFile": archive(t, "3"), "Publish": true})
	if r.body["Version"] != "1" || r.body["FunctionArn"] != base+"f:1" {
		t.Errorf("published update: %s", r.raw)
	}
	w.settled("f")
	r = w.want(200, "PUT", functions+"/f/code", m{"ZipFile": archive(t, "3"), "Publish": true})
	if r.body["Version"] != "1" {
		t.Errorf("the same code was published again: %s", r.raw)
	}
}

func TestListFunctionsPages(t *testing.T) {
	w := open(t)
	for i := range 7 {
		w.create(fmt.Sprintf("f%d", i), nil)
	}
	w.want(201, "POST", functions+"/f3/versions", m{})
	var names []string
	path := functions + "?MaxItems=3"
	for pages := 0; ; pages++ {
		r := w.want(200, "GET", path, nil)
		for _, f := range r.body["Functions"].([]any) {
			c := f.(m)
			names = append(names, c["FunctionName"].(string))
			for _, absent := range []string{"State", "LastUpdateStatus", "RuntimeVersionConfig"} {
				if _, ok := c[absent]; ok {
					t.Errorf("a list shows %s", absent)
				}
			}
		}
		next, ok := r.body["NextMarker"].(string)
		if !ok {
			if pages != 2 {
				t.Errorf("%d pages", pages+1)
			}
			break
		}
		path = functions + "?MaxItems=3&Marker=" + url.QueryEscape(next)
	}
	if got := strings.Join(names, " "); got != "f0 f1 f2 f3 f4 f5 f6" {
		t.Errorf("listed %s", got)
	}
	r := w.want(200, "GET", functions+"?FunctionVersion=ALL", nil)
	var arns []string
	for _, f := range r.body["Functions"].([]any) {
		arns = append(arns, strings.TrimPrefix(f.(m)["FunctionArn"].(string), base))
	}
	if got := strings.Join(arns, " "); got != "f0:$LATEST f1:$LATEST f2:$LATEST f3:$LATEST f3:1 f4:$LATEST f5:$LATEST f6:$LATEST" {
		t.Errorf("all versions: %s", got)
	}
	empty := open(t).want(200, "GET", functions, nil)
	if empty.raw != `{"Functions":[]}` {
		t.Errorf("an empty list is %s", empty.raw)
	}
}

func TestDelete(t *testing.T) {
	w := open(t)
	w.create("f", nil)
	w.want(201, "POST", functions+"/f/versions", m{})
	w.want(201, "POST", functions+"/f/aliases", m{"Name": "live", "FunctionVersion": "1"})
	w.refused(400, "InvalidParameterValueException", "$LATEST version cannot be deleted without deleting the function.", "DELETE", functions+"/f?Qualifier=$LATEST", nil)
	w.refused(409, "ResourceConflictException", "Unable to delete version because the following aliases reference it: [live]", "DELETE", functions+"/f?Qualifier=1", nil)
	w.want(204, "DELETE", functions+"/f/aliases/live", nil)
	if r := w.want(204, "DELETE", functions+"/f?Qualifier=1", nil); r.raw != "" {
		t.Errorf("body of a deletion: %q", r.raw)
	}
	w.want(204, "DELETE", functions+"/f?Qualifier=1", nil)
	w.want(404, "GET", functions+"/f?Qualifier=1", nil)
	w.want(200, "PUT", functions+"/f/configuration", m{"Timeout": 9})
	w.settled("f")
	if r := w.want(201, "POST", functions+"/f/versions", m{}); r.body["Version"] != "2" {
		t.Errorf("a number was used again: %v", r.body["Version"])
	}
	w.want(204, "DELETE", functions+"/f", nil)
	w.want(404, "GET", functions+"/f", nil)
	w.create("f", nil)
	if r := w.want(200, "GET", functions+"/f/versions", nil); len(r.body["Versions"].([]any)) != 1 {
		t.Errorf("a new function has the old one's versions: %s", r.raw)
	}
}

func TestAccountSettings(t *testing.T) {
	w := open(t)
	w.create("f", nil)
	size := w.settled("f")["CodeSize"].(float64)
	w.want(201, "POST", functions+"/f/versions", m{})
	w.want(200, "PUT", "/2017-10-31/functions/f/concurrency", m{"ReservedConcurrentExecutions": 7})
	r := w.want(200, "GET", "/2016-08-19/account-settings", nil)
	w.same(r.body, m{
		"AccountLimit": m{"TotalCodeSize": int64(322122547200), "CodeSizeUnzipped": 262144000, "CodeSizeZipped": 52428800, "ConcurrentExecutions": 1000, "UnreservedConcurrentExecutions": 993},
		"AccountUsage": m{"TotalCodeSize": 2 * size, "FunctionCount": 1},
	})
}

func TestOversizedCode(t *testing.T) {
	w := open(t)
	zipped := base64.StdEncoding.EncodeToString(make([]byte, 52428801))
	w.refused(413, "RequestEntityTooLargeException", "Zipped size must be smaller than 52428800 bytes", "POST", functions, w.plan("f", m{"Code": m{"ZipFile": zipped}}))
	w.refused(413, "RequestEntityTooLargeException", "Request must be smaller than 70167211 bytes for the CreateFunction operation", "POST", functions, strings.Repeat("x", 70167212))
}

func TestNotThereYet(t *testing.T) {
	w := open(t)
	r := w.do(http.MethodGet, "/2025-11-30/capacity-providers", nil)
	if r.status != 400 || r.header.Get("X-Amzn-Errortype") != "UnsupportedOperationException" {
		t.Errorf("%d %s", r.status, r.raw)
	}
}
