package runtimes

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

// fakeSDK looks for the same kinds of things as boto3 does, as it is imported.
var fakeSDK = map[string]string{
	"boto3/__init__.py": "from boto3.session import Session\nimport six\nDEFAULT_SESSION = None\nwhose = 'sdk'",
	"boto3/session.py": `
import multiprocessing.process, os, platform, ssl, sys, uuid, botocore
try: import certifi
except ImportError: certifi = None
home, node = os.path.expanduser("~"), platform.node()
early = "app" not in sys.modules  # imported before there was a function
class Session: pass
`,
	"botocore/__init__.py": "whose = 'sdk'", "six.py": "whose = 'sdk'",
}

// withSDK is this machine's Set, with a fake SDK.
var withSDK = sync.OnceValues(func() (*Set, error) {
	s, err := here()
	if err != nil {
		return nil, err
	}
	dir := filepath.Join(filepath.Dir(s.dir), "python-sdk")
	for name, text := range fakeSDK {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return nil, err
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			return nil, err
		}
	}
	return Discover(context.Background(), Options{Dir: filepath.Dir(s.dir)})
})

func sdkSet(t *testing.T) *Set {
	t.Helper()
	discovered(t)
	s, err := withSDK()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestSDKEarly: who imports boto3 gets the very modules that an executed start
// would find, imported early only where those are the same.
func TestSDKEarly(t *testing.T) {
	s := sdkSet(t)
	const told = "\ndef h(e, c): return [boto3.whose, getattr(boto3.session, 'early', None)]"
	hook := "import sys\nclass F:\n  find_spec = staticmethod(lambda *a: None)\nsys.meta_path.insert(0, F)\n"
	for name, row := range map[string]struct {
		code, whose string
		early       bool
		files, env  map[string]string
	}{
		"plainly":        {code: "import boto3, boto3.session" + told, whose: "sdk", early: true},
		"a part first":   {code: "import boto3.session" + told, whose: "sdk", early: true},
		"late":           {code: "import sys\nassert 'boto3' not in sys.modules and 'six' not in sys.modules\nimport six, boto3, importlib\nassert importlib.reload(six) is six" + told, whose: "sdk", early: true},
		"asked for":      {code: "import importlib.util as u\nassert u.find_spec('boto3').origin.endswith('boto3/__init__.py')\nimport boto3" + told, whose: "sdk", early: true},
		"a folder later": {code: "import sys, os\nsys.path.insert(0, os.path.dirname(__file__) + '/vendor')\nimport boto3" + told, whose: "vendor", files: map[string]string{"vendor/boto3/__init__.py": "whose = 'vendor'\nclass session: early = False"}},
		"another six":    {code: "import sys, os\nsys.path.insert(0, os.path.dirname(__file__) + '/vendor')\nimport six, boto3\nassert six.whose == boto3.six.whose == 'vendor'" + told, whose: "sdk", files: map[string]string{"vendor/six.py": "whose = 'vendor'"}},
		"a helper":       {code: "import sys, os\nsys.path.insert(0, os.path.dirname(__file__) + '/vendor')\nimport boto3\nassert boto3.session.certifi" + told, whose: "sdk", files: map[string]string{"vendor/certifi.py": ""}},
		"a hook":         {code: hook + "import boto3" + told, whose: "sdk"},
		"a home":         {code: "import boto3\nassert boto3.session.home == '/tmp'" + told, whose: "sdk", env: map[string]string{"HOME": "/tmp"}},
		"a shadow":       {code: "import boto3\nassert boto3.session.ssl.whose == 'task'" + told, whose: "sdk", files: map[string]string{"ssl.py": "whose = 'task'"}},
	} {
		t.Run(name, func(t *testing.T) {
			each(t, python, func(t *testing.T, runtime string) {
				f := py(runtime, row.code)
				for name, text := range row.files {
					f.files[name] = text
				}
				f.env = row.env
				early := row.early && slices.Contains([]way{byBlank, byFork}, wayOf(t))
				want := strings.ToUpper(fmt.Sprintf(`["%s", %v]`, row.whose, early))
				equal(t, "answer", strings.ToUpper(startOn(t, s, f).invoke("{}")), want)
			})
		})
	}
}

// TestSDKForksShareNothing: OpenSSL's random numbers are each fork's own, and
// so is the key of multiprocessing.
func TestSDKForksShareNothing(t *testing.T) {
	s := sdkSet(t)
	forked(t, func(t *testing.T, runtime string) {
		f := py(runtime, `
import boto3, os, random, secrets, ssl, uuid, multiprocessing.process as p
def h(e, c): return [ssl.RAND_bytes(8).hex(), bytes(p.current_process().authkey).hex(), os.urandom(8).hex(), str(uuid.uuid4()), secrets.token_hex(), random.random(), boto3.DEFAULT_SESSION]
`)
		var draws []string
		for range 3 {
			for _, v := range parseList(t, startOn(t, s, f).invoke("{}"))[:6] {
				draws = append(draws, string(v))
			}
		}
		slices.Sort(draws)
		if n := len(slices.Compact(draws)); n != 18 {
			t.Errorf("forks draw the same: %q", draws)
		}
	})
}

// sameNumber forks without the C library, twice, into process namespaces where
// the fork's number is that of its parent, which has drawn random numbers.
const sameNumber = `
import ctypes, os, ssl, sys
sys.path.insert(0, sys.argv[1])
from mayfly_runtime import sdk
assert os.getpid() == 1
ssl.RAND_bytes(8)
for renewed in False, True:
    for n in range(2):
        sys.stdout.flush()
        pid = ctypes.PyDLL(None).syscall(56, 0x20000000 | 17, 0, 0, 0, 0)
        if pid == 0:
            assert os.getpid() == 1
            if renewed: sdk.reseed()
            print(ssl.RAND_bytes(8).hex(), flush=True)
            os._exit(0)
        os.waitpid(pid, 0)
`

// TestWantsSDK decides which functions get the SDK early.
func TestWantsSDK(t *testing.T) {
	for name, row := range map[string]struct {
		code, opt map[string]string
		want      bool
	}{
		"import":        {code: map[string]string{"app.py": "import os\n  import  boto3"}, want: true},
		"from":          {code: map[string]string{"app.py": "from botocore.config import Config"}, want: true},
		"many":          {code: map[string]string{"app.py": "import os.path as p, json, boto3"}, want: true},
		"below":         {code: map[string]string{"app.py": "import a.b", "a/b/c.py": "import boto3"}, want: true},
		"another name":  {code: map[string]string{"app.py": "import boto3x\nfrom x import boto3\n# import boto3"}},
		"no Python":     {code: map[string]string{"app.txt": "import boto3"}},
		"own":           {code: map[string]string{"app.py": "import boto3", "botocore/__init__.py": ""}},
		"own module":    {code: map[string]string{"app.py": "import boto3", "six.py": ""}},
		"in a layer":    {code: map[string]string{"app.py": "import boto3"}, opt: map[string]string{"python/urllib3/__init__.py": ""}},
		"in packages":   {code: map[string]string{"app.py": "import boto3"}, opt: map[string]string{"python/lib/python3.12/site-packages/certifi/__init__.py": ""}},
		"other Python":  {code: map[string]string{"app.py": "import boto3"}, opt: map[string]string{"python/lib/python3.11/site-packages/six.py": ""}, want: true},
		"a .pth":        {code: map[string]string{"app.py": "import boto3"}, opt: map[string]string{"python/a.pth": ""}},
		"a large file":  {code: map[string]string{"app.py": "import boto3\n#" + strings.Repeat(" ", maxScannedBytes)}},
		"nearest first": {code: manyFiles(), want: true},
	} {
		s, dir := &Set{sdk: "/sdk"}, t.TempDir()
		writeTree(t, filepath.Join(dir, "code"), row.code)
		writeTree(t, filepath.Join(dir, "opt"), row.opt)
		l := Launch{Code: filepath.Join(dir, "code"), Opt: filepath.Join(dir, "opt")}
		equal(t, name, s.wantsSDK(l, "3.12"), row.want)
		os.RemoveAll(dir)
		equal(t, name+", remembered", s.wantsSDK(l, "3.12"), row.want)
		equal(t, name+", without an SDK", (&Set{}).wantsSDK(l, "3.12"), false)
	}
}

func manyFiles() map[string]string {
	files := map[string]string{"z.py": "import boto3"}
	for i := range maxScannedFiles {
		files[fmt.Sprintf("a/%d.py", i)] = ""
	}
	return files
}

// TestScansAreBounded: functions come and go.
func TestScansAreBounded(t *testing.T) {
	var s scans
	for i := range 3 * maxScans {
		s.put(scanned{code: fmt.Sprint(i)}, true)
	}
	if n := len(s.found); n > maxScans {
		t.Errorf("%d are remembered", n)
	}
}

// TestRealSDK compares what boto3 is, early and not, where tests have it.
func TestRealSDK(t *testing.T) {
	sites, _ := filepath.Glob("../../../.cache/venv/lib/python3*/site-packages")
	if len(sites) == 0 {
		t.Skip("no boto3: run e2e/setup.sh")
	}
	site, err := filepath.Abs(sites[0])
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "python-sdk"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, p := range []string{"boto3", "botocore", "s3transfer", "jmespath", "dateutil", "urllib3", "six.py"} {
		if err := os.Symlink(filepath.Join(site, p), filepath.Join(dir, "python-sdk", p)); err != nil {
			t.Fatal(err)
		}
	}
	s, err := Discover(t.Context(), Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	for _, st := range s.List() {
		if st.Available && strings.HasPrefix(st.Runtime, "python3.1") {
			t.Run(st.Runtime, func(t *testing.T) { compareSDK(t, s, st.Runtime) })
		}
	}
}

func compareSDK(t *testing.T, s *Set, runtime string) {
	f := py(runtime, `
import time
begun = time.perf_counter()
import boto3, botocore, urllib3, dateutil, six, sys, platform
from six.moves import urllib
took, session = time.perf_counter() - begun, boto3.DEFAULT_SESSION
import botocore.loaders, botocore.session, urllib3.util.connection
def h(e, c):
    if e == "took": return took
    if e == "own": return any(hasattr(f, "fits") for f in sys.meta_path)
    c = boto3.client("s3", region_name="us-east-1", aws_access_key_id="a", aws_secret_access_key="b")
    return [boto3.__version__, boto3.__file__, boto3.__spec__.name, type(boto3.__spec__.loader).__name__, botocore.__file__, urllib3.__file__, dateutil.__file__, six.__file__,
        botocore.loaders.Loader.CUSTOMER_DATA_PATH, urllib3.util.connection.HAS_IPV6, platform.node(), c.meta.endpoint_url, sorted(m for m in sys.modules if m.partition(".")[0] in ("boto3", "botocore")),
        c.generate_presigned_url("get_object", Params={"Bucket": "b", "Key": "k"}).split("?")[0], session]
`)
	seen := map[way]string{}
	for _, w := range []way{byLink, byBlank} {
		t.Run(string(w), func(t *testing.T) {
			l := startOn(t, s, f)
			seen[w] = l.invoke("{}")
			equal(t, "our finder is left", l.invoke(`"own"`), "false")
			var took float64
			if err := json.Unmarshal([]byte(l.invoke(`"took"`)), &took); err != nil {
				t.Fatal(err)
			}
			t.Logf("importing takes %.1f ms", 1000*took)
		})
	}
	if seen[byLink] != seen[byBlank] || seen[byLink] == "" {
		t.Errorf("executed\n%s\nearly\n%s", seen[byLink], seen[byBlank])
	}
}
