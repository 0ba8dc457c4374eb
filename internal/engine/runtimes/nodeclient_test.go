package runtimes

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// nativeStub stands in for the native half of AWS's client, which takes a C++
// compiler and autotools to build: it posts and waits, as that does.
const nativeStub = `
const { spawnSync } = require('node:child_process');
const http = require('node:http');
const base = 'http://' + process.env.AWS_LAMBDA_RUNTIME_API + '/2018-06-01/runtime/invocation/';
const script = 'let b="";process.stdin.on("data",(d)=>b+=d).on("end",()=>fetch(process.argv[1],{method:"POST",body:b}).then((r)=>process.exit(r.ok?0:1)))';
function post(path, body) {
  const { NODE_OPTIONS, ...env } = process.env;
  if (spawnSync(process.execPath, ['-e', script, base + path], { input: body, env }).status !== 0) throw new Error('Failed to post');
}
exports.done = (id, body) => post(id + '/response', body);
exports.error = (id, body) => post(id + '/error', body);
exports.next = () => new Promise((resolve, reject) => http.get(base + 'next', (r) => {
  let bodyJson = '';
  r.setEncoding('utf8').on('data', (d) => { bodyJson += d; }).on('end', () => resolve({ bodyJson, headers: r.headers }));
}).on('error', reject));
`

const loadStub = `require('node:module')._extensions['.node'] = (m, file) => m._compile(require('node:fs').readFileSync(file, 'utf8'), file);`

// lambdaRIC makes f a function on a custom runtime: AWS's client for Node.js.
func lambdaRIC(version string) func(*testing.T, function) function {
	return func(t *testing.T, f function) function {
		t.Helper()
		npm, err := exec.LookPath("npm")
		if err != nil {
			t.Skip(err)
		}
		dir := installed(t, "aws-lambda-ric-"+version, func(dir string) *exec.Cmd {
			cmd := exec.Command(npm, "install", "--ignore-scripts", "--no-audit", "--no-fund", "--silent", "aws-lambda-ric@"+version)
			cmd.Dir = dir
			return cmd
		})
		pkg := filepath.Join(dir, "node_modules", "aws-lambda-ric")
		main := filepath.Join(pkg, "bin", "index.mjs")
		if _, err := os.Stat(main); err != nil {
			main = filepath.Join(pkg, "index.mjs")
		}
		for _, d := range []string{pkg, filepath.Join(pkg, "dist")} {
			writeTree(t, d, map[string]string{"rapid-client.node": nativeStub})
		}
		writeTree(t, dir, map[string]string{"stub.cjs": loadStub})
		files := map[string]string{"bootstrap": fmt.Sprintf("#!/bin/sh\nexec %s --require %s/stub.cjs %s \"$_HANDLER\"\n",
			discovered(t).found[f.runtime].Exe, dir, main)}
		for name, text := range f.files {
			files[name] = text
		}
		env := map[string]string{"AWS_EXECUTION_ENV": "AWS_Lambda_" + f.runtime}
		if f.as != nil {
			env = f.as
		}
		return function{runtime: "provided.al2023", handler: f.handler, files: files, env: f.env, as: env}
	}
}

// nodeScenes are functions of all sorts.
func nodeScenes(runtime string) map[string]scene {
	scenes := map[string]scene{}
	add := func(name, file, code string, events ...string) {
		scenes[name] = scene{function{runtime: runtime, handler: "app.h", files: map[string]string{file: code}}, events}
	}
	add("async", "app.js", `exports.h = async (e) => eval(e)`, `"1"`, `"undefined"`, `"null"`, `"'ü\u2028'"`, `"({a: undefined, b: () => 1, c: new Date(0), d: NaN})"`,
		`"[undefined]"`, `"1n"`, `"({toJSON() { return 5 }})"`, `"Buffer.from('x')"`, `"new Map([[1, 2]])"`, `"Promise.resolve(1)"`)
	add("thrown", "app.js", `
class Mine extends Error { constructor() { super('mine'); this.extra = { a: 1 }; this.code = 'E_MINE'; } }
exports.h = async (e) => {
  if (e === 1) throw new TypeError('one\ntwo');
  if (e === 2) throw new Mine();
  if (e === 3) throw 'text';
  if (e === 4) throw { name: 'N', message: 'M', stack: 'S' };
  if (e === 5) throw { a: 1 };
  if (e === 6) throw new Error('outer', { cause: new Error('inner') });
  if (e === 7) throw Object.assign(new Error('named'), { name: 'Odd Name' });
  if (e === 8) throw new AggregateError([new Error('a')], 'many');
  if (e === 9) throw new Error('');
  if (e === 10) throw null;
  if (e === 11) JSON.parse('{');
  if (e === 12) nothing.here;
};`, "1", "2", "3", "4", "6", "7", "8", "9", "11", "12")
	add("console", "app.js", `
console.log('at init');
exports.h = async (e, c) => {
  console.log(); console.log('%s and %d', 'a', 1, { b: [1, { c: { d: {} } }] }); console.info(null, undefined); console.warn('two\nlines');
  console.error(new RangeError('bad')); console.error('text', new RangeError('worse')); console.debug([1, 2]); console.trace({ a: 1 });
  console.log({ message: 'object', n: 1 }); console.log(Symbol('s')); console.log(12n); console.fatal('dead'); console.table?.([1]);
  const loop = {}; loop.loop = loop; console.log(loop); console.log('%j', { a: 1 }); console.log(Object.assign(new Error('with'), { code: 7 }));
};`, "{}")
	add("context", "app.js", `exports.h = async (e, c) => [Object.keys(c).filter((k) => k !== 'xRayTraceId').sort(), typeof c.getRemainingTimeInMillis, c.memoryLimitInMB]`, "{}")
	add("module", "app.mjs", `export const h = async (e) => import.meta.url.slice(-8)`, "{}")
	add("init throw", "app.js", `throw new RangeError('at init')`)
	add("init missing", "app.js", `require('./nothing')`)
	add("init handler", "app.js", `exports.other = 1`)
	add("init syntax", "app.mjs", `export const h = (`)
	add("stream", "app.js", `exports.h = awslambda.streamifyResponse(async (e, out) => { if (e === 2) throw new Error('early'); out.write('a'); out.write({ b: 1 });
  if (e === 3) { await new Promise((r) => setTimeout(r, 5)); throw new Error('late'); }
  if (e === 4) { setTimeout(() => out.end(), 5); return; }
  if (e === 5) { require('node:stream').Readable.from(['x', 'y']).pipe(out); return; }
  if (e === 6) throw new Error('at once');
  out.write('c'); out.end(); })`, "1", "2", "3", "4", "5", "6")
	return scenes
}

// TestNodeIsAsAWS compares our bootstrap with AWS's own, as it is up to Node.js 22.
func TestNodeIsAsAWS(t *testing.T) {
	each(t, nodejs, func(t *testing.T, runtime string) {
		if runtime == "nodejs24.x" {
			t.Skip("see TestNode24IsAsAWS")
		}
		scenes := nodeScenes(runtime)
		scenes["callback"] = scene{js(runtime, `exports.h = (e, c, cb) => {
  if (e === 1) cb(null, 1);
  if (e === 2) cb(new Error('two'));
  if (e === 3) cb('three');
  if (e === 4) setTimeout(() => cb(undefined, { four: 4 }), 5);
  if (e === 5) { const v = []; setTimeout(() => v.push(1), 5); cb(null, v); }
  if (e === 6) { c.callbackWaitsForEmptyEventLoop = false; cb(null, 6); }
  if (e === 7) c.succeed(7);
  if (e === 8) c.fail('eight');
  if (e === 9) c.done(null, 9);
  if (e === 10) return 10;
  if (e === 11) throw new Error('eleven');
  if (e === 12) { cb(null, 'first'); cb(null, 'second'); c.done(null, 'third'); }
  if (e === 13) c.fail();
  if (e === 14) cb(null);
};`), []string{"1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12", "13", "14"}}
		compareNode(t, lambdaRIC("3.3.0"), scenes)
	})
}

// TestNode24IsAsAWS does so as it is from Node.js 24 on. What is new there is
// AWS's client, not Node.js: any will do.
func TestNode24IsAsAWS(t *testing.T) {
	each(t, nodejs, func(t *testing.T, runtime string) {
		scenes := nodeScenes(runtime)
		scenes["callback"] = scene{js(runtime, `exports.h = (e, c, cb) => cb(null, 1)`), nil}
		// AWS's client asks for the next invocation while it still fails a stream.
		stream := scenes["stream"]
		stream.events = stream.events[:1]
		scenes["stream"] = stream
		for name, s := range scenes {
			s.f.as = map[string]string{"AWS_EXECUTION_ENV": "AWS_Lambda_nodejs24.x"}
			scenes[name] = s
		}
		compareNode(t, lambdaRIC("4.0.2"), scenes)
	})
}

func compareNode(t *testing.T, other func(*testing.T, function) function, scenes map[string]scene) {
	for name, s := range scenes {
		envs := []map[string]string{nil}
		if name == "console" || name == "thrown" || name == "init throw" {
			envs = append(envs, map[string]string{"AWS_LAMBDA_LOG_FORMAT": "JSON", "AWS_LAMBDA_LOG_LEVEL": "DEBUG"})
		}
		for _, env := range envs {
			t.Run(fmt.Sprintf("%s,%d", name, len(env)), func(t *testing.T) {
				s := s
				s.f.env = env
				sameAs(t, other, s, cleanNode)
			})
		}
	}
}

// cleanNode takes away what is meant to differ: the stack's frames below the
// function's own, and what AWS's command line prints.
func cleanNode(s string) string {
	for _, r := range []struct{ pattern, with string }{
		{`(?m)^Executing '.*\n`, ""},
		{`(,"|\r) +at [^"\r\n]*(mayfly-runtimes|mayfly-test|node:)[^"\r\n]*"?`, ""},
		{`(\\n +at [^"\\]*(mayfly-runtimes|mayfly-test|node:)[^"\\]*)+`, ""},
		{`(?s)\nnode:internal/process/promises.*`, "\n"},                                                                                                    // Node.js's own words for what AWS's client lets fall
		{`"(\w+)Error","errorMessage":"([^"]*)","stackTrace":([^}]*)"name":"Runtime.(\w+)"`, `"$4","errorMessage":"$2","stackTrace":$3"name":"Runtime.$4"`}, // classes have other names
		{`- \S*(mayfly-runtimes|mayfly-test)[^\\"\r\n]*`, "- RUNTIME"},
	} {
		s = regexp.MustCompile(r.pattern).ReplaceAllString(s, r.with)
	}
	return strings.ReplaceAll(s, "\r", "\n")
}
