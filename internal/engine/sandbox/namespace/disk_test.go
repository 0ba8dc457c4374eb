//go:build linux && (amd64 || arm64)

package namespace

import (
	"bytes"
	"io"
	"os"
	"testing"
)

// content is all that is in a file, as far as it is not a hole at the end.
func content(t *testing.T, f *os.File) []byte {
	t.Helper()
	r, err := reopen(f)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestDisksAreReusedAsNew writes to /tmp, and looks at the disk when it was given
// back: by its bytes it has to be a new one.
func TestDisksAreReusedAsNew(t *testing.T) {
	theWorld(t)
	tier := newTestTier(t, t.TempDir())
	if tier.disks == nil {
		t.Skip("no disks on this machine")
	}
	tier.disks.keep(2)
	for i := range 3 {
		b := openBox(t, tier, "used", false)
		d := b.disk
		if got := command(t, b, "/bin/sh", "-c", "ls -A /tmp; for i in 1 2 3; do yes hunter2 | head -c 900000 > /tmp/$i; done; ln -s x /tmp/link; sync -f /tmp/1; ls /tmp | wc -l"); got != "4" {
			t.Fatalf("round %d: %q", i, got)
		}
		if !bytes.Contains(content(t, d.back), []byte("hunter2\nhunter2")) {
			t.Fatal("the test does not see what is on a disk")
		}
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
		if len(tier.disks.idle) != 1 || tier.disks.idle[0] != d {
			t.Fatalf("round %d: idle %v", i, tier.disks.idle)
		}
		loop, err := os.Open(d.device)
		if err != nil {
			t.Fatal(err)
		}
		template := content(t, tier.disks.templates[d.megabytes])
		if !bytes.Equal(content(t, d.back), template) || !bytes.Equal(content(t, loop), template) {
			t.Errorf("round %d: something is left", i)
		}
		loop.Close()
	}
	tier.disks.keep(0)
	nothingLeft(t, tier, left{})
}

// TestMountedDisksAreNotReused gives one back too early.
func TestMountedDisksAreNotReused(t *testing.T) {
	theWorld(t)
	tier := newTestTier(t, t.TempDir())
	if tier.disks == nil {
		t.Skip("no disks on this machine")
	}
	b := openBox(t, tier, "mounted", false)
	if err := b.disk.clean(tier.disks.templates[b.disk.megabytes]); err == nil {
		t.Error("a disk was cleaned under its file system")
	}
	if got := command(t, b, "/bin/sh", "-c", "echo x > /tmp/x && cat /tmp/x"); got != "x" {
		t.Errorf("got %q", got)
	}
}
