package runtimes

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
)

const eight = "\x00\x00\x00\x00\x00\x00\x00\x00"

// streaming is a function whose handler is the way that the event names.
func streaming(runtime, ways string) function {
	return js(runtime, `
const { pipeline } = require('node:stream/promises');
const { Readable } = require('node:stream');
const { once } = require('node:events');
const tick = (ms = 2) => new Promise((r) => setTimeout(r, ms));
const from = awslambda.HttpResponseStream.from;
const ways = {`+ways+`};
exports.h = awslambda.streamifyResponse((event, out, context) => ways[event](out, context));`)
}

// answers invokes with each way, and wants what it writes.
func (l *lab) answers(want map[string]string) {
	l.t.Helper()
	for way, want := range want {
		if got := l.invoke(`"` + way + `"`); got != want {
			l.t.Errorf("%s: got %d bytes, %.100q; want %d, %.100q", way, len(got), got, len(want), want)
		}
	}
}

func TestNodeStreamWays(t *testing.T) {
	each(t, nodejs, func(t *testing.T, runtime string) {
		l := start(t, streaming(runtime, `
  async unawaited(out) { Readable.from([Buffer.from('from '), Buffer.from('a pipe')]).pipe(out); },
  async later(out) { setTimeout(() => { out.write('a'); setTimeout(() => out.end('b'), 2); }, 2); },
  async goesOn(out) { out.end('x'); await tick(); },
  async many(out) { for (let i = 0; i < 1000; i++) out.write(String(i % 10)); out.end(); },
  async corked(out) { out.cork(); out.write('a'); out.write('b'); out.uncork(); out.end('c'); },
  async bytes(out) { out.write(new Uint8Array([65, 66])); out.write('Qw==', 'base64'); out.end(Buffer.from('D')); },
  async generator(out) { await pipeline(async function* () { yield 'a'; await tick(); yield 'b'; }, out); },
  async web(out) { await pipeline(Readable.fromWeb(new Response('from the web').body), out); },
  async prelude(out) { from(out, { statusCode: 302, headers: { location: '/' } }).end(); },
  async preludeEmpty(out) { out = from(out, { statusCode: 204 }); out.write(''); out.end(); },
  async preludeEnd(out) { from(out, { statusCode: 200 }).end('body'); },
  async preludePipe(out) { await pipeline(Readable.from(['b', 'c']), from(out, { cookies: ['a=b'] })); },
  async preludeNothing(out) { await pipeline(Readable.from([]), from(out, {})); },
  async late(out) { out.write('x'); try { out.setContentType('a/b'); } catch (e) { out.write(e.name); } out.end(); },
  async members(out) { out.end(JSON.stringify([out.writableHighWaterMark > 0, out.writableEnded, out.writable, typeof out.once])); },
`))
		l.answers(map[string]string{
			"unawaited": "from a pipe", "later": "ab", "goesOn": "x", "many": strings.Repeat("0123456789", 100),
			"corked": "abc", "bytes": "ABCD", "generator": "ab", "web": "from the web",
			"prelude": `{"statusCode":302,"headers":{"location":"/"}}` + eight, "preludeEmpty": `{"statusCode":204}` + eight,
			"preludeEnd": `{"statusCode":200}` + eight + "body", "preludePipe": `{"cookies":["a=b"]}` + eight + "bc", "preludeNothing": "{}" + eight,
			"late": "xRuntime.InvalidStreamingOperation", "members": `[true,false,true,"function"]`,
		})
	})
}

// TestNodeStreamType: the platform hears what the function calls its answer.
func TestNodeStreamType(t *testing.T) {
	each(t, nodejs, func(t *testing.T, runtime string) {
		l := start(t, streaming(runtime, `
  async plain(out) { out.end('x'); },
  async html(out) { out.setContentType('text/html; charset=utf-8'); out.end('x'); },
  async empty(out) { out.setContentType('text/css'); out.end(); },
  async http(out) { from(out, {}).end(); },
`))
		for way, want := range map[string]string{
			"plain": "application/octet-stream", "html": "text/html; charset=utf-8", "empty": "text/css",
			"http": "application/vnd.awslambda.http-integration-response",
		} {
			c, kind := l.call(`"`+way+`"`), ""
			c.Begin = func(k string) { kind = k }
			if _, failure := l.try(c); failure != "" || kind != want {
				t.Errorf("%s: %q, %s", way, kind, failure)
			}
		}
	})
}

// TestNodeStreamBreaks: what was written comes, and then the error.
func TestNodeStreamBreaks(t *testing.T) {
	each(t, nodejs, func(t *testing.T, runtime string) {
		l := start(t, streaming(runtime, `
  async late(out) { out.write('some'); await tick(); throw new RangeError('late'); },
  async atOnce(out) { out.write('a'); out.write('b'); out.write('c'.repeat(1 << 20)); throw new Error('at once'); },
  async source(out) { await pipeline(async function* () { yield 'some'; await tick(); throw new Error('source'); }, out); },
  async early(out) { await pipeline(async function* () { throw new Error('nothing'); }, out); },
  async swallowed(out) { await pipeline(async function* () { yield 'some'; await tick(); throw new Error('swallowed'); }, out).catch(() => {}); },
  async destroyed(out) { out.write('some'); await tick(); out.destroy(); },
  async destroyedFirst(out) { out.destroy(); },
  async destroyedEnd(out) { out.write('some'); await tick(); out.write('x'); out.end(); out.destroy(new Error('changed my mind')); },
  async unfinished(out) { out.write('some'); },
  async nothing(out) { },
  async after(out) { out.write('a'); await tick(); out.end('b'); await tick(); throw new Error('too late'); },
`))
		for way, want := range map[string]struct{ answer, message string }{
			"late": {"some", "late"}, "atOnce": {"ab" + strings.Repeat("c", 1<<20), "at once"}, "source": {"some", "source"},
			"early": {"", "nothing"}, "swallowed": {"some", "swallowed"}, "destroyed": {"some", "Response stream is not finished."},
			"destroyedFirst": {"", "Response stream is not finished."}, "unfinished": {"some", "Response stream is not finished."},
			"nothing": {"", "Response stream is not finished."}, "after": {"ab", ""},
		} {
			answer, failure := l.try(l.call(`"` + way + `"`))
			var f struct{ ErrorMessage string }
			json.Unmarshal([]byte(failure), &f)
			if answer != want.answer || f.ErrorMessage != want.message {
				t.Errorf("%s: %d bytes, %.20q; failure %s", way, len(answer), answer, failure)
			}
		}
		if _, failure := l.try(l.call(`"destroyedEnd"`)); !strings.Contains(failure, "changed my mind") {
			t.Errorf("destroyed after its end: %s", failure)
		}
		equal(t, "answer after that", l.invoke(`"after"`), "ab")
	})
}

// TestNodeStreamDies: the last word of a process that ends amid its answer is heard.
func TestNodeStreamDies(t *testing.T) {
	each(t, nodejs, func(t *testing.T, runtime string) {
		for way, want := range map[string]struct {
			message string
			status  int
		}{
			"rejection": {"Error: loose", 128}, "exception": {"thrown", 129}, "never": {"The Lambda runtime client detected", 13},
		} {
			l := start(t, streaming(runtime, `
  async rejection(out) { out.write('some'); await tick(); Promise.reject(new Error('loose')); await tick(1e6); },
  async exception(out) { out.write('some'); await tick(); setTimeout(() => { throw new Error('thrown'); }); await tick(1e6); },
  async never(out) { out.write('some'); await new Promise(() => {}); },
`))
			answer, failure := l.try(l.call(`"` + way + `"`))
			if answer != "some" || !strings.Contains(failure, `"errorMessage":"`+want.message) {
				t.Errorf("%s: %q, failure %s", way, answer, failure)
			}
			equal(t, way+"'s exit status", l.exit(), want.status)
		}
	})
}

// TestNodeStreamWaits: while the client does not read, the function waits: what
// lies on the way is little. Then it goes on where it was.
func TestNodeStreamWaits(t *testing.T) {
	each(t, nodejs, func(t *testing.T, runtime string) {
		full := make(chan string, 1)
		host := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { full <- r.URL.Path[1:] }))
		defer host.Close()
		l := start(t, streaming(runtime, `
  async wait(out) {
    const part = Buffer.alloc(65536, 'x');
    let n = 0;
    for (; n < 640 && out.writableLength < 1 << 20; n++) {
      out.write(part);
      await new Promise(setImmediate);
    }
    await new Promise((r) => require('node:http').get('`+host.URL+`/' + n, (res) => res.resume().on('end', r)));
    for (let i = n; i < 640; i++) {
      if (!out.write(part)) await once(out, 'drain');
    }
    out.end();
  },`))
		r, w := io.Pipe()
		c := l.call(`"wait"`)
		c.Answer = w
		done := l.api.Begin(c)
		if _, err := io.ReadFull(r, make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
		// 1 MB waits in the function; the rest is on its way: buffers of sockets, and ours.
		if n, err := strconv.Atoi(<-full); err != nil || n > 16+64 {
			t.Errorf("%d KB are on the way", n*64)
		}
		size := make(chan int64)
		go func() { n, _ := io.Copy(io.Discard, r); size <- n }()
		l.wait(done)
		res := l.api.End()
		w.Close()
		if n := <-size; res.Failure != nil || n != 640*65536-1 {
			t.Errorf("%d bytes, %+v", n, res)
		}
	})
}
