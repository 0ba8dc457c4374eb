package runtimes

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
)

// wantsSDK tells whether a Python function is better started where the machine's
// boto3 has been imported. A wrong guess costs time or memory and no more: the
// bootstrap looks again at what an import would find (mayfly_runtime/sdk.py).
func (s *Set) wantsSDK(l Launch, version string) bool {
	if s.sdk == "" || l.Code == "" {
		return false
	}
	key := scanned{l.Code, l.Opt, version}
	wants, known := s.scans.get(key)
	if !known {
		wants = !bringsSDK(key.folders()) && importsSDK(l.Code)
		s.scans.put(key, wants)
	}
	return wants
}

// scanned are the folders of a function. What is in them never changes.
type scanned struct{ code, opt, version string }

// folders are those that Python looks into before it does into the SDK's.
func (k scanned) folders() []string {
	list := []string{k.code}
	if k.opt != "" {
		p := filepath.Join(k.opt, "python")
		list = append(list, p, filepath.Join(p, "lib", "python"+k.version, "site-packages"))
	}
	return list
}

// scans remembers what was found.
type scans struct {
	mu    sync.Mutex
	found map[scanned]bool
}

// maxScans bounds what is remembered: some 300 KB.
const maxScans = 1000

func (s *scans) get(k scanned) (wants, known bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	wants, known = s.found[k]
	return wants, known
}

func (s *scans) put(k scanned, wants bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.found == nil || len(s.found) >= maxScans {
		s.found = map[scanned]bool{}
	}
	s.found[k] = wants
}

// bringsSDK tells whether a folder has a part of boto3 of its own, a module that
// changes what boto3 is, or a .pth file, which may do anything.
func bringsSDK(folders []string) bool {
	for _, dir := range folders {
		entries, _ := os.ReadDir(dir) // what is not there brings nothing
		for _, e := range entries {
			if strings.HasSuffix(e.Name(), ".pth") {
				return true
			}
			switch stem, _, _ := strings.Cut(e.Name(), "."); stem {
			case "boto3", "botocore", "s3transfer", "jmespath", "dateutil", "six", "urllib3",
				"awscrt", "certifi", "OpenSSL", "brotli", "brotlicffi", "backports", // which those use where they are
				"gevent", "eventlet": // which want to change modules before others use them
				return true
			}
		}
	}
	return false
}

// What a scan reads at most.
const (
	maxScannedFiles = 200
	maxScannedBytes = 2 << 20
	maxScannedDirs  = 200
)

// importsSDK looks for an import of boto3 in the Python files below root, those
// nearest to it first.
func importsSDK(root string) bool {
	files, left := 0, maxScannedBytes
	dirs := []string{root}
	for i := 0; i < len(dirs) && i < maxScannedDirs; i++ {
		entries, _ := os.ReadDir(dirs[i]) // as far as it can be read
		for _, e := range entries {
			path := filepath.Join(dirs[i], e.Name())
			switch {
			case e.IsDir():
				dirs = append(dirs, path)
			case e.Type().IsRegular() && strings.HasSuffix(path, ".py"):
				if files++; files > maxScannedFiles {
					return false
				}
				n, found := importsIn(path, left)
				if left -= n; found || left <= 0 {
					return found
				}
			}
		}
	}
	return false
}

// importsIn reads a file unless it is larger than limit, and returns its size.
func importsIn(path string, limit int) (size int, found bool) {
	info, err := os.Lstat(path)
	if err != nil || info.Size() > int64(limit) {
		return 0, false
	}
	text, err := os.ReadFile(path)
	return len(text), err == nil && importOfSDK().Match(text)
}

var importOfSDK = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`(?m)^\s*(?:from\s+|import\s+(?:[\w.]+(?:\s+as\s+\w+)?\s*,\s*)*)(?:boto3|botocore)\b`)
})
