package e2e

import (
	"bytes"
	"context"
	"image"
	"image/color"
	"image/png"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/chromedp/chromedp"
)

// cue is a function that says "go" once it was told to. There is one sandbox of
// it, whose memory that is.
const cue = `
told = []
def handler(event, context):
    if event["requestContext"]["http"]["method"] == "POST":
        told.append(event["body"])
    after = event.get("queryStringParameters", {}).get("after")
    return {"statusCode": 200, "headers": {"content-type": "text/plain"}, "body": "go" if after in told else "wait"}
`

// A site is samples/website, deployed.
type site struct {
	*server
	dir             string // a copy of the sample
	url, story, cue string
}

// website deploys the sample, with a story that goes on when it is told to.
func website(t *testing.T, s *server) *site {
	w := &site{server: s, dir: t.TempDir()}
	if err := os.CopyFS(w.dir, os.DirFS(filepath.Join(root(t), "samples", "website"))); err != nil {
		t.Fatal(err)
	}
	put(t, w.dir, map[string]string{"cue/app.py": cue})
	os.WriteFile(filepath.Join(w.dir, "cue", "mayfly.json"), []byte(`{"name": "cue", "runtime": "`+s.pythonRuntime()+`", "handler": "app.handler", "url": {"auth": "NONE"}}`), 0o644)
	w.cue = w.deploy("cue", s.pythonRuntime())
	one := int32(1)
	if _, err := lambda.NewFromConfig(s.config()).PutFunctionConcurrency(t.Context(), &lambda.PutFunctionConcurrencyInput{FunctionName: new("cue"), ReservedConcurrentExecutions: &one}); err != nil {
		t.Fatal(err)
	}
	id, _, _ := strings.Cut(strings.TrimPrefix(w.cue, "http://"), ".")
	api := w.deploy("api", s.nodeRuntime())
	w.story = w.deploy("story", s.nodeRuntime(), "--env", "CUE=/_mayfly/url/"+id+"/")
	w.url = w.deploy("site", s.pythonRuntime(), "--env", "API="+api+",STORY="+w.story)
	return w
}

// deploy deploys one of the site's functions, and answers its address.
func (w *site) deploy(name, runtime string, args ...string) string {
	w.t.Helper()
	out := w.sh(w.dir, "mayfly deploy "+name+" --runtime "+runtime+" "+strings.Join(args, " "))
	for l := range strings.Lines(out) {
		if f := strings.Fields(l); len(f) == 3 && f[1] == "url" {
			return f[2]
		}
	}
	w.t.Fatalf("no address: %s", out)
	return ""
}

// A tab is one of a browser without a window, for the time of a test.
type tab struct {
	t   *testing.T
	ctx context.Context
}

func browse(t *testing.T) tab {
	t.Helper()
	program := ""
	for _, name := range []string{"chromium-headless-shell", "chromium", "google-chrome"} {
		if p, err := exec.LookPath(name); err == nil {
			program = p
			break
		}
	}
	if program == "" {
		t.Fatal("there is no Chromium: run make test-tools")
	}
	ctx, end := chromedp.NewExecAllocator(t.Context(), append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(program), chromedp.NoSandbox, chromedp.WindowSize(800, 600))...)
	t.Cleanup(end)
	ctx, leave := chromedp.NewContext(ctx)
	t.Cleanup(leave)
	return tab{t, ctx}
}

// do acts in the tab, within a minute.
func (b tab) do(steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	see(b, chromedp.Steps(steps...))
}

// text is what an element shows.
func (b tab) text(selector chromedp.CSS) string {
	b.t.Helper()
	return strings.TrimSpace(see(b, chromedp.Text(selector)))
}

// see is what an action in the tab answers. The browser's first action must not
// have a deadline of its own, which would end the browser.
func see[T any](b tab, a chromedp.Action[T]) T {
	b.t.Helper()
	if err := chromedp.Do(b.ctx); err != nil {
		b.t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(b.ctx, time.Minute)
	defer cancel()
	v, err := chromedp.Run(ctx, a)
	if err != nil {
		b.t.Fatal(err)
	}
	return v
}

// TestSiteInABrowser is a site of functions as its visitors meet it: a page, a
// cookie, an API of another origin, an upload.
func TestSiteInABrowser(t *testing.T) {
	w := website(t, start(t))
	b := browse(t)
	file := filepath.Join(t.TempDir(), "bytes.bin")
	os.WriteFile(file, []byte(binaryText), 0o644)
	here := chromedp.WaitVisible(chromedp.CSS("#answer.here"))
	b.do(chromedp.Navigate(w.url), here, chromedp.Navigate(w.url), here,
		chromedp.SetUploadFiles(chromedp.CSS("#file"), []string{file}), chromedp.Click(chromedp.CSS("#send")))
	see(b, chromedp.Poll[bool]("document.getElementById('receipt').textContent != ''"))
	for _, c := range []struct{ what, got, want string }{
		{"visits", b.text("#visits"), "2"},
		{"the API", b.text("#answer"), "Hello, Zoë! (api)"},
		{"cookies that a script may read", see(b, chromedp.Evaluate[string]("document.cookie")), "seen=yes"},
		{"the upload", b.text("#receipt"), "bytes.bin: 21 bytes, sha256 " + sha256Hex(binaryText)},
	} {
		if c.got != c.want {
			t.Errorf("%s: %q, want %q", c.what, c.got, c.want)
		}
	}
	look(t, see(b, chromedp.FullScreenshot(100)))
}

// binaryText is no text in any encoding that a form could be taken for.
const binaryText = "\x00\xff\xfe\r\n--not a boundary"

// look holds a picture of the page to what it should show. MAYFLY_SCREENSHOT
// names a file to keep it in.
func look(t *testing.T, shot []byte) {
	t.Helper()
	if name := os.Getenv("MAYFLY_SCREENSHOT"); name != "" {
		os.WriteFile(name, shot, 0o644)
	}
	page, err := png.Decode(bytes.NewReader(shot))
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]color.RGBA{"the header": {0x0b, 0x5d, 0x3b, 255}, "the API's answer": {0xb7, 0xe4, 0xc7, 255}} {
		if n := count(page, want); n < 5000 {
			t.Errorf("%s covers %d pixels", name, n)
		}
	}
}

func count(page image.Image, c color.RGBA) (n int) {
	b := page.Bounds()
	for y := b.Min.Y; y < b.Max.Y; y++ {
		for x := b.Min.X; x < b.Max.X; x++ {
			if color.RGBAModel.Convert(page.At(x, y)) == c {
				n++
			}
		}
	}
	return n
}

// TestStreamedPageInABrowser: each paragraph shows before the next is written,
// for that is written when this test has seen the one before.
func TestStreamedPageInABrowser(t *testing.T) {
	w := website(t, start(t))
	b := browse(t)
	// Nobody waits for the load here: it is over with the last paragraph.
	see(b, chromedp.Evaluate[string]("window.location = '"+w.story+"'"))
	b.do(chromedp.WaitVisible(chromedp.CSS("#p0")))
	first := b.text("#p0")
	if see(b, chromedp.Evaluate[bool]("document.getElementById('p1') !== null || document.readyState == 'complete'")) {
		t.Error("the second paragraph was there before it was told to come")
	}
	w.say("0")
	b.do(chromedp.WaitVisible(chromedp.CSS("#p1")))
	middle := b.text("#p1")
	w.say("1")
	b.do(chromedp.WaitVisible(chromedp.CSS("#end")))
	if end := b.text("#end"); first != "Once upon a time there was a mayfly." || middle != "It lived for one request." || end != "The end." {
		t.Errorf("the story is %q, %q, %q", first, middle, end)
	}
}

// say gives the story its cue to go on after a paragraph.
func (w *site) say(after string) {
	w.sh(w.dir, "curl -sSf -H content-type:text/plain -d "+after+" "+w.cue)
}
