//go:build linux && (amd64 || arm64)

package namespace

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// userName is the user that code runs as, on AWS and here.
const userName = "sbx_user1051"

// hostName is a sandbox's.
const hostName = "sandbox.localdomain"

// fromHost are patterns of what /etc takes from the host: what makes programs
// work, and nothing that tells about the host's people. Private parts are
// left out because others than root cannot read them.
func fromHost() []string {
	return []string{"ld.so.cache", "ld.so.conf", "ld.so.conf.d", "ssl", "pki", "ca-certificates", "localtime", "timezone",
		"os-release", "mime.types", "alternatives", "java-*", "fonts", "protocols", "services", "nsswitch.conf", "gai.conf", "terminfo"}
}

// makeEtc fills dir with a small /etc, of copies because the host's may change
// while code reads it. What is there from an earlier start is kept when it is still
// true: beside it is written what it was made of. conf is its resolv.conf.
func makeEtc(dir, conf string) error {
	texts := map[string]string{
		"hosts":       "127.0.0.1 localhost " + hostName + " sandbox\n::1 localhost\n",
		"hostname":    hostName + "\n",
		"resolv.conf": conf,
		"passwd":      "", // a sandbox's own is mounted on it
		"group":       "",
	}
	var sources []string
	for _, pattern := range fromHost() {
		found, _ := filepath.Glob("/etc/" + pattern)
		sources = append(sources, found...)
	}
	made, err := describe(sources, texts)
	if err != nil {
		return err
	}
	stamp := dir + ".made-of"
	if old, err := os.ReadFile(stamp); err == nil && string(old) == made {
		return nil
	}
	if err := os.Remove(stamp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := fillEtc(dir, sources, texts); err != nil {
		return err
	}
	return os.WriteFile(stamp, []byte(made), 0o600)
}

// describe tells what an /etc is made of, as far as it shows from outside.
func describe(sources []string, texts map[string]string) (string, error) {
	h := sha256.New()
	fmt.Fprintf(h, "%q\n", texts) // in the order of names
	for _, from := range sources {
		err := readable(from, func(name string, info fs.FileInfo) error {
			link, _ := os.Readlink(name) // fails for what is no link
			_, err := fmt.Fprintf(h, "%q %v %d %d %q\n", name, info.Mode(), info.Size(), info.ModTime().UnixNano(), link)
			return err
		})
		if err != nil {
			return "", fmt.Errorf("look at %s: %w", from, err)
		}
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// fillEtc makes dir anew.
func fillEtc(dir string, sources []string, texts map[string]string) error {
	if err := errors.Join(os.RemoveAll(dir), os.Mkdir(dir, 0o755), os.Chmod(dir, 0o755)); err != nil {
		return err
	}
	for _, f := range sources {
		if err := copyTree(f, filepath.Join(dir, strings.TrimPrefix(f, "/etc/"))); err != nil {
			return fmt.Errorf("copy %s: %w", f, err)
		}
	}
	for name, text := range texts {
		if err := writePlain(filepath.Join(dir, name), text); err != nil {
			return err
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "nsswitch.conf")); err != nil {
		return writePlain(filepath.Join(dir, "nsswitch.conf"), "passwd: files\ngroup: files\nhosts: files dns\n")
	}
	return nil
}

// writePlain writes a file that all may read, whatever the umask.
func writePlain(name, text string) error {
	return errors.Join(os.WriteFile(name, []byte(text), 0o644), os.Chmod(name, 0o644))
}

// readable calls f for what all may read in a tree: files, folders, and links as
// they are.
func readable(from string, f func(name string, info fs.FileInfo) error) error {
	return filepath.WalkDir(from, func(name string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		mode := info.Mode()
		switch {
		case mode.IsDir() && mode.Perm()&0o005 != 0o005:
			return fs.SkipDir
		case mode&fs.ModeSymlink != 0, mode.IsDir(), mode.IsRegular() && mode.Perm()&0o004 != 0:
			return f(name, info)
		}
		return nil
	})
}

// copyTree copies what is readable.
func copyTree(from, to string) error {
	return readable(from, func(name string, info fs.FileInfo) error {
		target := to + strings.TrimPrefix(name, from)
		switch {
		case info.Mode()&fs.ModeSymlink != 0:
			link, err := os.Readlink(name)
			if err != nil {
				return err
			}
			return os.Symlink(link, target)
		case info.IsDir():
			return errors.Join(os.Mkdir(target, 0o755), os.Chmod(target, 0o755))
		}
		return copyFile(name, target)
	})
}

func copyFile(from, to string) error {
	r, err := os.Open(from)
	if err != nil {
		return err
	}
	defer r.Close()
	w, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	_, err = io.Copy(w, r)
	return errors.Join(err, w.Chmod(0o644), w.Close())
}

// accounts writes the passwd and group files of the user uid, and returns
// their names.
func accounts(dir string, uid int) (passwd, group string, err error) {
	passwd, group = filepath.Join(dir, fmt.Sprintf("passwd-%d", uid)), filepath.Join(dir, fmt.Sprintf("group-%d", uid))
	if _, err := os.Stat(group); err == nil {
		return passwd, group, nil
	}
	return passwd, group, errors.Join(
		writePlain(passwd, fmt.Sprintf("root:x:0:0:root:/:/sbin/nologin\n%s:x:%d:%d::/tmp:/sbin/nologin\n", userName, uid, uid)),
		writePlain(group, fmt.Sprintf("root:x:0:\n%s:x:%d:\n", userName, uid)))
}
