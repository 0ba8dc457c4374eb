package runtimes

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

// rb is a function whose code is one file, called by its method h.
func rb(runtime, code string) function {
	return function{runtime: runtime, handler: "app.h", files: map[string]string{"app.rb": code}}
}

func TestRuby(t *testing.T) {
	each(t, ruby, func(t *testing.T, runtime string) {
		l := start(t, rb(runtime, `
$n = 0
def h(event:, context:)
  $n += 1
  puts "call #{$n}"
  {n: $n, event: event, id: context.aws_request_id, trace: ENV["_X_AMZN_TRACE_ID"], here: Dir.pwd,
   arn: context.invoked_function_arn, name: context.function_name, version: context.function_version,
   memory: context.memory_limit_in_mb, group: context.log_group_name, stream: context.log_stream_name,
   left: context.get_remaining_time_in_millis.between?(1, 1_000_000_000), global: $_global_aws_request_id}
end
`))
		for n := 1; n <= 3; n++ {
			var v map[string]any
			got := l.invoke(`{"x": "ü…"}`)
			if err := json.Unmarshal([]byte(got), &v); err != nil {
				t.Fatal(got, err)
			}
			want := map[string]any{"n": n, "event": map[string]any{"x": "ü…"}, "id": fmt.Sprint("id-", n), "global": fmt.Sprint("id-", n), "trace": "Root=1-2-3",
				"here": l.path(taskRoot), "arn": v["arn"], "name": "fn", "version": "$LATEST", "memory": "128",
				"group": "/aws/lambda/fn", "stream": "2026/01/02/[$LATEST]abc", "left": true}
			equal(t, "answer", fmt.Sprint(v), fmt.Sprint(want))
			if v["arn"] == nil || v["arn"] == "" {
				t.Error("no ARN")
			}
		}
		equal(t, "output", l.out.String(), "call 1\ncall 2\ncall 3\n")
	})
}

func TestRubyHandlerForms(t *testing.T) {
	each(t, ruby, func(t *testing.T, runtime string) {
		files := map[string]string{
			"app.rb":     "module Outer; class Inner; def self.go(event:, context:); 'class'; end; end; end\ndef plain(event:, context:) = 'main'",
			"sub/mod.rb": "def deep(event:, context:) = 'deep'",
		}
		for handler, want := range map[string]string{"app.plain": `"main"`, "app.Outer::Inner.go": `"class"`, "sub/mod.deep": `"deep"`} {
			l := start(t, function{runtime: runtime, handler: handler, files: files})
			equal(t, handler, l.invoke("{}"), want)
		}
	})
}

func TestRubyErrors(t *testing.T) {
	each(t, ruby, func(t *testing.T, runtime string) {
		l := start(t, rb(runtime, `
class Odd < StandardError; end
def inner(e) = e == "odd" ? raise(Odd) : raise(ArgumentError, "bad: #{e}")
def h(event:, context:)
  return {x: Float::NAN} if event == "nan"
  inner(event)
end
`))
		got := l.fail(`1`)
		equal(t, "type", got.Type, "Function<ArgumentError>")
		equal(t, "message", got.Message, "bad: 1")
		if stack := strings.Join(got.Stack, "|"); !like("*/app.rb:3:in *inner'|*/app.rb:6:in *h'", stack) {
			t.Errorf("stack %q", stack)
		}
		l.wants(`Error raised from handler method {"errorMessage":"bad: 1","errorType":"Function<ArgumentError>","stackTrace":*`)
		equal(t, "type without message", l.fail(`"odd"`).Type, "Function<Odd>")
		equal(t, "what is no JSON", l.fail(`"nan"`).Type, "Function<JSON::GeneratorError>")
		equal(t, "bad event", l.fail(`{`).Type, "Function<JSON::ParserError>")
	})
}

// TestRubyCriticalErrors end the process, so that the next invocation has another one.
func TestRubyCriticalErrors(t *testing.T) {
	each(t, ruby, func(t *testing.T, runtime string) {
		for code, want := range map[string]string{
			"nothing_like_that":               "Function<NameError>",
			"nil.nothing":                     "Function<NoMethodError>",
			"exit 3":                          "Function<SystemExit>",
			"def self.r = r\n  r":             "Function<SystemStackError>",
			"raise Exception, 'of all kinds'": "Function<Exception>",
		} {
			l := start(t, rb(runtime, "def h(event:, context:)\n  "+code+"\nend"))
			equal(t, code, l.fail("{}").Type, want)
			equal(t, "exit status", l.exit(), 255)
		}
	})
}

func TestRubyInitErrors(t *testing.T) {
	each(t, ruby, func(t *testing.T, runtime string) {
		for _, c := range []struct{ handler, code, kind, message string }{
			{"nope.h", "", "Init<LoadError>", "cannot load such file -- nope"},
			{"app", "", "Init<ArgumentError>", `Invalid handler ["app"], must be of form FILENAME.METHOD or FILENAME.CLASS.METHOD where *`},
			{"app.h", "def h(", "Init<SyntaxError>", "*app.rb*"},
			{"app.h", "raise 'at once'", "Init<RuntimeError>", "at once"},
		} {
			f := rb(runtime, c.code)
			f.handler = c.handler
			l := launch(t, f)
			got := l.initFailure()
			equal(t, c.handler+" "+c.code, got.Type, c.kind)
			if !like(c.message, got.Message) {
				t.Errorf("message %q", got.Message)
			}
			equal(t, "exit status", l.exit(), 252)
		}
	})
}

func TestRubyResults(t *testing.T) {
	each(t, ruby, func(t *testing.T, runtime string) {
		l := start(t, rb(runtime, `
require "stringio"
def h(event:, context:) = eval(event)
`))
		for code, want := range map[string]string{
			`nil`: `null`, `"text"`: `"text"`, `{a: [1, 2.5, true]}`: `{"a":[1,2.5,true]}`, `:sym`: `"sym"`,
			`StringIO.new("raw \u0001")`: "raw \x01", `"é" * 3`: `"ééé"`,
		} {
			event, _ := json.Marshal(code)
			equal(t, code, l.invoke(string(event)), want)
		}
		big, _ := json.Marshal(`"x" * 5_000_000`)
		if got := l.invoke(string(big)); len(got) != 5_000_002 {
			t.Errorf("%d bytes of a long answer", len(got))
		}
		long := strings.Repeat("y", 3_000_000)
		event, _ := json.Marshal(`"` + long + `".size`)
		equal(t, "a long event", l.invoke(string(event)), "3000000")
	})
}

func TestRubyLoggers(t *testing.T) {
	each(t, ruby, func(t *testing.T, runtime string) {
		f := rb(runtime, `
require "logger"
LOG = Logger.new($stdout, progname: "shop")
def h(event:, context:)
  LOG.info("sold")
  LOG.debug("seen")
  LOG.error(ArgumentError.new("bad")) if event["bad"]
end
`)
		l := start(t, f)
		l.invoke("{}")
		l.wants("I, [*]  INFO id-1 -- shop: sold")
		l.wants("D, [*] DEBUG id-1 -- shop: seen")
		f.as = map[string]string{"AWS_LAMBDA_LOG_FORMAT": "JSON", "AWS_LAMBDA_LOG_LEVEL": "INFO"}
		l = start(t, f)
		l.invoke(`{"bad": true}`)
		l.wants(`{"timestamp":"*Z","level":"INFO","message":"sold","requestId":"id-1","logger":"shop"}`)
		l.wants(`{"timestamp":"*Z","level":"ERROR","message":"bad","requestId":"id-1","logger":"shop","errorType":"ArgumentError","errorMessage":"bad","stackTrace":[]}`)
		if strings.Contains(l.out.String(), "seen") {
			t.Error("less than the level was logged")
		}
	})
}

// TestRubyPaths finds what a layer, a bundle and the code itself bring.
func TestRubyPaths(t *testing.T) {
	each(t, ruby, func(t *testing.T, runtime string) {
		abi := strings.TrimPrefix(runtime, "ruby") + ".0"
		gem := func(root, name, text string) map[string]string {
			return map[string]string{
				root + "/specifications/" + name + "-1.0.gemspec":   fmt.Sprintf("Gem::Specification.new { |s| s.name = %q; s.version = '1.0'; s.summary = 'x'; s.authors = ['x']; s.files = ['lib/%s.rb'] }", name, name),
				root + "/gems/" + name + "-1.0/lib/" + name + ".rb": text,
			}
		}
		f := rb(runtime, "require 'near'\nrequire 'layered'\nrequire 'vendored'\nrequire 'layergem'\ndef h(event:, context:) = [NEAR, LAYERED, VENDORED, LAYERGEM]")
		f.files["near.rb"] = "NEAR = 'task'"
		for name, text := range gem("vendor/bundle/ruby/"+abi, "vendored", "VENDORED = 'bundle'") {
			f.files[name] = text
		}
		f.layer = gem("ruby/gems/"+abi, "layergem", "LAYERGEM = 'layer'")
		f.layer["ruby/lib/layered.rb"] = "LAYERED = 'opt'"
		l := start(t, f)
		equal(t, "answer", l.invoke("{}"), `["task","opt","bundle","layer"]`)
	})
}

func TestRubyWrapper(t *testing.T) {
	each(t, ruby, func(t *testing.T, runtime string) {
		f := rb(runtime, "def h(event:, context:) = ENV['WRAPPED']")
		f.layer = map[string]string{"wrap": "#!/bin/sh\nexport WRAPPED=\"$(basename \"$1\") $(basename \"$2\")\"\nexec \"$@\""}
		f.env = map[string]string{"AWS_LAMBDA_EXEC_WRAPPER": "/opt/wrap"}
		l := start(t, f)
		equal(t, "answer", l.invoke("{}"), `"ruby runtime.rb"`)
	})
}
