package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// serverlessPackages are the last releases that need no account.
const serverlessPackages = `{"name": "mayfly-bench-rivals", "private": true,
  "dependencies": {"serverless": "3.40.0", "serverless-offline": "13.9.0"}}
`

// serverlessOffline starts serverless-offline with the same Python and Node.js
// functions, if npm can install it; it serves them on Lambda's own path.
func (l *lab) serverlessOffline(ctx context.Context) (byLanguage map[string]*endpoint, stop func()) {
	up, err := l.startServerless(ctx)
	if err != nil {
		l.report.skip(l.out, "serverless-offline: %v", err)
		return nil, func() {}
	}
	byLanguage = map[string]*endpoint{}
	for _, lang := range l.langs {
		if lang.name == "go" {
			continue // it serves none
		}
		e := up.endpoint("bench-dev-" + lang.name)
		if err := l.tryOut(e); err != nil {
			l.report.skip(l.out, "serverless-offline with %s: %v", lang.runtime, err)
			continue
		}
		byLanguage[lang.name] = &e
	}
	return byLanguage, up.stop
}

// tryOut calls an endpoint until it answers well.
func (l *lab) tryOut(e endpoint) (err error) {
	for range 20 {
		workers, done, e1 := l.echoes(e.host, e.call, 1, 40)
		if err = e1; err == nil {
			err = workers[0](1)
			done()
		}
		if err == nil {
			return nil
		}
		time.Sleep(250 * time.Millisecond)
	}
	return err
}

// installServerless installs it once.
func installServerless(ctx context.Context) (dir string, err error) {
	if dir, err = filepath.Abs(".cache/serverless"); err != nil {
		return "", err
	}
	if isFile(filepath.Join(dir, "node_modules", "serverless-offline")) {
		return dir, nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	if err := os.WriteFile(filepath.Join(dir, "package.json"), []byte(serverlessPackages), 0o644); err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	c := exec.CommandContext(ctx, "npm", "install", "--silent", "--no-audit", "--no-fund")
	c.Dir = dir
	if out, err := c.CombinedOutput(); err != nil {
		return "", fmt.Errorf("npm install: %w: %.300s", err, out)
	}
	return dir, nil
}

func (l *lab) startServerless(ctx context.Context) (*running, error) {
	installed, err := installServerless(ctx)
	if err != nil {
		return nil, err
	}
	dir := filepath.Join(l.tmp, "serverless")
	if err := l.writeProject(dir); err != nil {
		return nil, err
	}
	if err := os.Symlink(filepath.Join(installed, "node_modules"), filepath.Join(dir, "node_modules")); err != nil {
		return nil, err
	}
	ports := make([]string, 3)
	for i := range ports {
		host, err := freeAddr()
		if err != nil {
			return nil, err
		}
		ports[i] = host[strings.LastIndexByte(host, ':')+1:]
	}
	c := exec.Command("env", "node", filepath.Join(installed, "node_modules", "serverless", "bin", "serverless.js"), "offline", "start",
		"--host", "127.0.0.1", "--lambdaPort", ports[0], "--httpPort", ports[1], "--albPort", ports[2])
	c.Dir = dir
	c.Env = append(os.Environ(), "PATH="+filepath.Join(dir, "bin")+":"+os.Getenv("PATH"), "SLS_TELEMETRY_DISABLED=1", "SLS_NOTIFICATIONS_MODE=off",
		"AWS_ACCESS_KEY_ID=bench", "AWS_SECRET_ACCESS_KEY=bench", "AWS_REGION=us-east-1")
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := c.Start(); err != nil {
		return nil, err
	}
	up := &running{"serverless-offline", "127.0.0.1:" + ports[0], c}
	if err := awaitPort(up.host, 30*time.Second); err != nil {
		up.stop()
		return nil, err
	}
	return up, nil
}

// writeProject writes the functions as a Serverless project. It finds the
// interpreters that Mayfly uses under the runtimes' names.
func (l *lab) writeProject(dir string) error {
	yml := "service: bench\nframeworkVersion: '3'\nprovider:\n  name: aws\n  stage: dev\nplugins: [serverless-offline]\nfunctions:\n"
	files := map[string]string{}
	if err := os.MkdirAll(filepath.Join(dir, "bin"), 0o755); err != nil {
		return err
	}
	runtimes := map[string]string{"python": "python3.11", "node": "nodejs20.x"} // names that it knows
	for _, lang := range l.langs {
		runtime, ok := runtimes[lang.name]
		if !ok {
			continue
		}
		yml += fmt.Sprintf("  %s:\n    runtime: %s\n    handler: %s\n    timeout: 60\n    events: [{http: {path: %s, method: post}}]\n", lang.name, runtime, lang.handler, lang.name)
		for name, text := range lang.files {
			files[name] = text
		}
		for _, name := range []string{runtime, lang.name, lang.name + "3"} {
			if err := os.Symlink(lang.interpreter, filepath.Join(dir, "bin", name)); err != nil {
				return err
			}
		}
	}
	files["serverless.yml"] = yml
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}
