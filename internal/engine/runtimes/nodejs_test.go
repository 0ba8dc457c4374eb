package runtimes

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

// js is a function whose code is one CommonJS module, called by its export h.
func js(runtime, code string) function {
	return function{runtime: runtime, handler: "app.h", files: map[string]string{"app.js": code}}
}

func TestNode(t *testing.T) {
	each(t, nodejs, func(t *testing.T, runtime string) {
		l := start(t, js(runtime, `
let n = 0;
exports.h = async (event, context) => {
  console.log('call', ++n);
  return { n, event, id: context.awsRequestId, trace: process.env._X_AMZN_TRACE_ID, here: process.cwd(),
    version: process.versions.node, gc: typeof gc };
};`))
		for n := 1; n <= 3; n++ {
			got := l.invoke(`{"x": "ü…"}`)
			var v struct {
				N                            int
				Event                        map[string]string
				ID, Trace, Here, Version, GC string
			}
			if err := json.Unmarshal([]byte(got), &v); err != nil {
				t.Fatal(got, err)
			}
			if v.N != n || v.Event["x"] != "ü…" || v.ID != fmt.Sprint("id-", n) || v.Trace != "Root=1-2-3" || v.GC != "function" {
				t.Errorf("answer %d is %s", n, got)
			}
			if major, _, _ := strings.Cut(v.Version, "."); "nodejs"+major+".x" != runtime {
				t.Errorf("%s runs on %s", runtime, v.Version)
			}
			equal(t, "working directory", v.Here, l.path(taskRoot))
		}
		l.wants("*Z\tid-1\tINFO\tcall 1", "*Z\tid-3\tINFO\tcall 3")
	})
}

func TestNodeHandlerForms(t *testing.T) {
	const common, module = `exports.a = { b: async () => "common" };`, `const v = await "module"; export const a = { b: async () => v };`
	each(t, nodejs, func(t *testing.T, runtime string) {
		for name, c := range map[string]struct {
			handler string
			files   map[string]string
			want    string
		}{
			"js":             {"app.a.b", map[string]string{"app.js": common}, "common"},
			"cjs":            {"app.a.b", map[string]string{"app.cjs": common}, "common"},
			"mjs":            {"app.a.b", map[string]string{"app.mjs": module}, "module"},
			"folder":         {"x/y/app.a.b", map[string]string{"x/y/app.js": common}, "common"},
			"type":           {"app.a.b", map[string]string{"app.js": module, "package.json": `{"type":"module"}`}, "module"},
			"type above":     {"x/app.a.b", map[string]string{"x/app.js": module, "package.json": `{"type":"module"}`}, "module"},
			"type of inner":  {"x/app.a.b", map[string]string{"x/app.js": common, "x/package.json": `{}`, "package.json": `{"type":"module"}`}, "common"},
			"package":        {"dep.a.b", map[string]string{"node_modules/dep/index.js": common}, "common"},
			"odd characters": {"a b#c/app.a.b", map[string]string{"a b#c/app.mjs": module}, "module"},
		} {
			t.Run(name, func(t *testing.T) {
				l := start(t, function{runtime: runtime, handler: c.handler, files: c.files})
				equal(t, "answer", l.invoke("{}"), `"`+c.want+`"`)
			})
		}
	})
}

func TestNodeInitErrors(t *testing.T) {
	each(t, nodejs, func(t *testing.T, runtime string) {
		for name, c := range map[string]struct{ handler, file, code, kind, message string }{
			"no module":    {"none.h", "app.js", "", "Runtime.ImportModuleError", "Error: Cannot find module 'none'\nRequire stack:\n- */index.mjs"},
			"bad require":  {"app.h", "app.js", "require('nothing')", "Runtime.ImportModuleError", "Error: Cannot find module 'nothing'\nRequire stack:\n- */app.js\n- */index.mjs"},
			"bad import":   {"app.h", "app.mjs", "import 'nothing'", "Error", "Cannot find package 'nothing' imported from */app.mjs"},
			"no handler":   {"app.none", "app.js", "", "Runtime.HandlerNotFound", "app.none is undefined or not exported"},
			"no function":  {"app.h", "app.js", "exports.h = 1", "Runtime.HandlerNotFound", "app.h is not a function"},
			"no dot":       {"app", "app.js", "", "Runtime.MalformedHandlerName", "Bad handler"},
			"parent":       {"../app.h", "app.js", "", "Runtime.MalformedHandlerName", "'../app.h' is not a valid handler name. Use absolute paths when specifying root directories in handler names."},
			"syntax":       {"app.h", "app.js", "exports.h = (", "Runtime.UserCodeSyntaxError", "SyntaxError: Unexpected end of input"},
			"error":        {"app.h", "app.js", "throw new TypeError('at init')", "TypeError", "at init"},
			"module error": {"app.h", "app.mjs", "throw new TypeError('at init')", "TypeError", "at init"},
			"rejection":    {"app.h", "app.mjs", "Promise.reject(new Error('lost')); await new Promise((r) => setTimeout(r, 1e6))", "Runtime.UnhandledPromiseRejection", "Error: lost"},
			"thrown text":  {"app.h", "app.js", "throw 'text'", "string", "text"},
		} {
			t.Run(name, func(t *testing.T) {
				l := launch(t, function{runtime: runtime, handler: c.handler, files: map[string]string{c.file: c.code}})
				got := l.initFailure()
				equal(t, "type", got.Type, c.kind)
				if !like(c.message, got.Message) {
					t.Errorf("message %q, want %q", got.Message, c.message)
				}
				if c.kind != "string" && len(got.Trace) == 0 {
					t.Error("no trace")
				}
				want := 129
				if name == "rejection" {
					want = 128
					l.wants("*Z\tundefined\tERROR\tUnhandled Promise Rejection \t{\"errorType\":\"" + c.kind + "\",*")
				} else if c.kind != "string" {
					l.wants("*Z\tundefined\tERROR\tUncaught Exception \t{\"errorType\":\"" + c.kind + "\",*")
				}
				equal(t, "exit status", l.exit(), want)
			})
		}
		l := launch(t, function{runtime: runtime, handler: "app.h", files: map[string]string{"app.mjs": "await new Promise(() => {})"}})
		equal(t, "exit status of a module that never loads", l.exit(), 13)
	})
}

func TestNodeWaysToEnd(t *testing.T) {
	ways := map[string]string{
		`async () => 1`:                          `1`,
		`async () => {}`:                         `null`,
		`async () => null`:                       `null`,
		`async () => () => 1`:                    `null`,
		`() => Promise.resolve({ a: 1 })`:        `{"a":1}`,
		`() => ({ then: (f) => f("thenable") })`: `"thenable"`,
		`(e, c, callback) => callback(null, 2)`:  `2`,
		`(e, c, callback) => { setTimeout(callback, 5, undefined, 3) }`:                                                   `3`,
		`(e, c, callback) => { const v = { late: false }; setTimeout(() => { v.late = true }, 5); callback(null, v) }`:    `{"late":true}`,
		`(e, c, callback) => { c.callbackWaitsForEmptyEventLoop = false; setInterval(() => {}, 1e6); callback(null, 4) }`: `4`,
		`(e, c, callback) => { callback(null, "first"); callback(null, "second") }`:                                       `"first"`,
		`(e, c) => { setTimeout(() => c.succeed(5), 1) }`:                                                                 `5`,
		`(e, c) => c.done(null, 6)`:                              `6`,
		`(e, c) => { setInterval(() => {}, 1e6); c.succeed(7) }`: `7`,
		`() => 8`:                           `null`,
		`() => { setTimeout(() => {}, 5) }`: `null`,
		`async () => { setInterval(() => {}, 1e6); return 9 }`: `9`,
		`(e, c) => c.fail(new RangeError("no"))`:               `RangeError: no`,
		`(e, c) => c.fail()`:                                   `string: handled`,
		`(e, c) => c.done("text")`:                             `string: text`,
		`(e, c, callback) => { setInterval(() => {}, 1e6); callback(new Error("at once")) }`: `Error: at once`,
		`() => { throw new Error("thrown") }`:                                                `Error: thrown`,
		`async () => { throw Object.assign(new Error("with name"), { name: "Mine" }) }`:      `Mine: with name`,
		`async () => { throw 7 }`:                         `number: 7`,
		`async () => 1n`:                                  `Error: Unable to stringify response body`,
		`async () => { const a = {}; a.a = a; return a }`: `Error: Unable to stringify response body`,
		`async () => new Promise(() => {})`:               `Runtime.NodeJsExit: The Lambda runtime client detected an unexpected Node.js exit code. This is most commonly caused by a Promise that was never settled. For more information, see https://nodejs.org/docs/latest/api/process.html#exit-codes`,
	}
	each(t, nodejs, func(t *testing.T, runtime string) {
		if runtime == "nodejs18.x" || runtime == "nodejs24.x" {
			t.Skip("it has ways of its own")
		}
		for code, want := range ways {
			l := start(t, js(runtime, "exports.h = "+code))
			rounds := 2
			if strings.HasPrefix(want, "Runtime.") {
				rounds = 1
			}
			for range rounds {
				answer, failed := l.try(l.call("{}"))
				if failed != "" {
					f := parseFailure(t, failed)
					answer = f.Type + ": " + f.Message
				}
				equal(t, code, answer, want)
			}
		}
	})
}

// TestNode24 runs what AWS changed with Node.js 24, on any Node.js: it is a
// matter of our bootstrap.
func TestNode24(t *testing.T) {
	each(t, nodejs, func(t *testing.T, runtime string) {
		env := map[string]string{"AWS_EXECUTION_ENV": "AWS_Lambda_nodejs24.x"}
		f := js(runtime, `exports.h = async (event) => { console.log('hi'); return event; }`)
		f.as = env
		l := start(t, f)
		equal(t, "answer", l.invoke("1"), "1")
		l.wants("*Z\tid-1\tINFO\thi")

		f = js(runtime, `exports.h = (event, context) => typeof context.succeed + typeof context.done`)
		f.as = env
		equal(t, "answer", start(t, f).invoke("1"), `"undefinedundefined"`)

		f = function{runtime: runtime, as: env, handler: "app.h", files: map[string]string{"app.mjs": `const h = async () => 1; export default { h };`}}
		equal(t, "default export", start(t, f).invoke("1"), "1")

		f = js(runtime, `exports.h = (event, context, callback) => callback(null, 1)`)
		f.as = env
		l = launch(t, f)
		got := l.initFailure()
		equal(t, "type", got.Type, "Runtime.CallbackHandlerDeprecated")
		if !strings.Contains(got.Message, "has removed support for callback-based function handlers") {
			t.Error(got.Message)
		}
		equal(t, "exit status", l.exit(), 1)
		l.wants("*Z\t-\tERROR\tInit Error \t{*")
	})
}

func TestNodeErrors(t *testing.T) {
	each(t, nodejs, func(t *testing.T, runtime string) {
		l := start(t, js(runtime, "exports.h = async () => {\n  throw new TypeError('bad');\n};"))
		got := l.fail("{}")
		if len(got.Trace) < 2 || got.Trace[0] != "TypeError: bad" || !like("    at exports.h [as handler] (*/var/task/app.js:2:9)", got.Trace[1]) {
			t.Errorf("trace %q", got.Trace)
		}
		l.wants("*Z\tid-1\tERROR\tInvoke Error \t{\"errorType\":\"TypeError\",\"errorMessage\":\"bad\",\"stack\":[\"TypeError: bad\",\"    at *")
		if answer, failed := l.try(l.call("{")); parseFailure(t, failed).Type != "SyntaxError" {
			t.Errorf("a bad event: %s%s", answer, failed)
		}
		for code, want := range map[string]struct {
			kind   string
			status int
		}{
			`setTimeout(() => { throw new RangeError("loose") }, 1)`: {"RangeError", 129},
			`Promise.reject(new Error("loose"))`:                     {"Runtime.UnhandledPromiseRejection", 128},
		} {
			l := start(t, js(runtime, "exports.h = () => new Promise(() => { setInterval(() => {}, 1e6); "+code+" })"))
			equal(t, code, l.fail("{}").Type, want.kind)
			equal(t, "exit status", l.exit(), want.status)
		}
		l = start(t, js(runtime, "exports.h = () => process.exit(3)"))
		if _, failed := l.try(l.call("{}")); failed != "no answer" {
			t.Error(failed)
		}
		equal(t, "exit status", l.exit(), 3)
	})
}

func TestNodeContext(t *testing.T) {
	each(t, nodejs, func(t *testing.T, runtime string) {
		l := start(t, js(runtime, `exports.h = async (e, c) => {
  const left = c.getRemainingTimeInMillis();
  return [c.functionName, c.functionVersion, c.invokedFunctionArn, c.memoryLimitInMB, c.logGroupName, c.logStreamName, c.awsRequestId,
    left > 3e6 && left <= 36e5, c.clientContext, c.identity, c.tenantId, c.callbackWaitsForEmptyEventLoop];
}`))
		waits := "true"
		if runtime == "nodejs24.x" {
			waits = "null"
		}
		head := `["fn","$LATEST","arn:aws:lambda:us-east-1:000000000000:function:fn:live","128","/aws/lambda/fn","2026/01/02/[$LATEST]abc",`
		equal(t, "context", l.invoke("{}"), head+`"id-1",true,null,null,null,`+waits+`]`)
		c := l.call("{}")
		c.Tenant, c.ClientContext, c.Identity = "blue", `{"custom":{"ü":1}}`, `{"cognitoIdentityId":"i"}`
		got, _ := l.try(c)
		equal(t, "context", got, head+`"id-2",true,{"custom":{"ü":1}},{"cognitoIdentityId":"i"},"blue",`+waits+`]`)
	})
}

const consoling = `exports.h = async () => {
  console.trace('a trace'); console.debug('a debug'); console.info('an info %d', 1); console.log({ a: 1 }, 'x'); console.warn('a\nwarning');
  console.error(new RangeError('bad')); console.log('text', new TypeError('worse')); process.stdout.write('plain\n');
};`

func TestNodeTextLog(t *testing.T) {
	each(t, nodejs, func(t *testing.T, runtime string) {
		l := start(t, js(runtime, "console.log('at init');\n"+consoling))
		l.invoke("{}")
		l.wants("*Z\tundefined\tINFO\tat init", "20*Z\tid-1\tTRACE\ta trace", "*Z\tid-1\tDEBUG\ta debug", "*Z\tid-1\tINFO\tan info 1",
			"*Z\tid-1\tINFO\t{ a: 1 } x", "*Z\tid-1\tWARN\ta\rwarning", "*Z\tid-1\tERROR\tRangeError: bad\r    at *", "plain")
	})
}

func TestNodeJSONLog(t *testing.T) {
	each(t, nodejs, func(t *testing.T, runtime string) {
		f := js(runtime, consoling)
		f.env = map[string]string{"AWS_LAMBDA_LOG_FORMAT": "JSON", "AWS_LAMBDA_LOG_LEVEL": "INFO"}
		l := start(t, f)
		l.invoke("{}")
		l.wants(`{"timestamp":"20*Z","level":"INFO","requestId":"id-1","message":"an info 1"}`,
			`{*"level":"INFO","requestId":"id-1","message":"{ a: 1 } x"}`, `{*"level":"WARN","requestId":"id-1","message":"a\nwarning"}`,
			`{*"level":"ERROR","requestId":"id-1","message":{"errorType":"RangeError","errorMessage":"bad","stackTrace":["RangeError: bad",*]}}`,
			`{*"message":"text TypeError: worse\n*","errorType":"TypeError","errorMessage":"worse","stackTrace":[*]}`, "plain")
		if out := l.out.String(); strings.Contains(out, "a debug") || strings.Contains(out, "a trace") {
			t.Error("lines below the level")
		}
	})
}

func TestNodeLayers(t *testing.T) {
	each(t, nodejs, func(t *testing.T, runtime string) {
		f := js(runtime, `exports.h = async () => [require('one'), require('two')]`)
		version := strings.TrimSuffix(strings.TrimPrefix(runtime, "nodejs"), ".x")
		f.layer = map[string]string{"nodejs/node_modules/one/index.js": "module.exports = 1",
			"nodejs/node" + version + "/node_modules/two/index.js": "module.exports = 2"}
		equal(t, "answer", start(t, f).invoke("{}"), "[1,2]")

		// ES modules do not look there, as on AWS.
		f = function{runtime: runtime, handler: "app.h", layer: f.layer, files: map[string]string{"app.mjs": "import 'one'; export const h = 1"}}
		equal(t, "message", launch(t, f).initFailure().Type, "Error")
	})
}

func TestNodePayloads(t *testing.T) {
	each(t, nodejs, func(t *testing.T, runtime string) {
		l := start(t, js(runtime, "exports.h = async (e) => typeof e === 'number' ? 'x'.repeat(e) : e.length"))
		for _, n := range []int{0, 1, 65536, 6 << 20} {
			equal(t, "size of an answer", len(l.invoke(fmt.Sprint(n))), n+2)
			equal(t, "size of an event", l.invoke(`"`+strings.Repeat("y", n)+`"`), fmt.Sprint(n))
		}
		c := l.call(fmt.Sprint(7 << 20))
		c.Limit = 6 << 20
		if _, failed := l.try(c); !strings.Contains(failed, "Function.ResponseSizeTooLarge") {
			t.Errorf("too long an answer: %.100s", failed)
		}
		equal(t, "answer after that", l.invoke("1"), `"x"`)
	})
}

func TestNodeStream(t *testing.T) {
	each(t, nodejs, func(t *testing.T, runtime string) {
		l := start(t, js(runtime, `
const { pipeline } = require('node:stream/promises');
const { Readable } = require('node:stream');
const ways = {
  async write(out) { out.setContentType('text/plain'); for (const w of ['one ', 'two ', 'three']) { out.write(w); await new Promise((r) => setTimeout(r, 2)); } out.end(); },
  async pipe(out) { await pipeline(Readable.from([Buffer.from('from '), Buffer.from('a pipe')]), out); },
  async end(out) { out.end('at the end'); },
  async empty(out) { out.end(); },
  async object(out) { out.write({ a: 1 }); out.end(); },
  async big(out) { for (let i = 0; i < 64; i++) { if (!out.write('x'.repeat(65536))) await new Promise((r) => out.once('drain', r)); } out.end(); },
  async http(out) { out = awslambda.HttpResponseStream.from(out, { statusCode: 201 }); out.write('body'); out.end(); },
  async early(out) { throw new RangeError('early'); },
  async late(out) { out.write('some'); await new Promise((r) => setTimeout(r, 5)); throw new RangeError('late'); },
  async unfinished(out) { out.write('some'); },
  sync(out) { out.end('x'); },
  async returns(out) { out.end('x'); return 1; },
};
exports.h = awslambda.streamifyResponse((event, out, context) => ways[event](out, context));`))
		for way, want := range map[string]string{
			"write": "one two three", "pipe": "from a pipe", "end": "at the end", "empty": "", "object": `{"a":1}`,
			"big": strings.Repeat("x", 4<<20), "http": `{"statusCode":201}` + strings.Repeat("\x00", 8) + "body", "returns": "x",
		} {
			got := l.invoke(`"` + way + `"`)
			if got != want {
				t.Errorf("%s: got %d bytes, %.100q; want %d", way, len(got), got, len(want))
			}
		}
		for way, want := range map[string]string{"early": "early", "late": "late", "unfinished": "Response stream is not finished."} {
			equal(t, way, l.fail(`"`+way+`"`).Message, want)
		}
		equal(t, "answer after that", l.invoke(`"write"`), "one two three")
		l.wants("*Z\tid-*\tWARN\tStreaming handlers ignore return values.", "*Invoke Error \t{\"errorType\":\"RangeError\",\"errorMessage\":\"late\"*")
	})
}

func TestNodeWrapper(t *testing.T) {
	each(t, nodejs, func(t *testing.T, runtime string) {
		f := js(runtime, "exports.h = async () => process.env.WRAPPED")
		f.files["wrap"] = "#!/bin/sh\nexport WRAPPED=$(basename $1)\nexec \"$@\"\n"
		f.env = map[string]string{"AWS_LAMBDA_EXEC_WRAPPER": "/var/task/wrap"}
		equal(t, "answer", start(t, f).invoke("{}"), `"node"`)
	})
}
