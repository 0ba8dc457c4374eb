//go:build linux && (amd64 || arm64)

package namespace

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"sync"

	"github.com/mayfly-faas/mayfly/internal/engine/sandbox"
	"golang.org/x/sys/unix"
)

// Config says where the tier keeps its state.
type Config struct {
	StateDir string       // a folder of its own, made when missing; one server at a time
	Log      *slog.Logger // nil: the default
	Reserve  int          // how many sandboxes to prepare ahead at least: 0 is 4, negative none. Demand makes it up to 8 times that
}

// A Tier makes sandboxes out of namespaces, control groups and seccomp.
type Tier struct {
	dir          string
	name         string // of what the tier makes outside its folder
	rootless     bool   // whether an ordinary user runs us
	uids         int    // the first of our users
	log          *slog.Logger
	image        *os.File // the machine, as an executable
	forker       *os.File // what zygotes fork by
	null         *os.File
	filter       []unix.SockFilter
	zygoteFilter []unix.SockFilter
	groups       groups
	unlimited    []any  // why there are no groups, for the log
	disks        *disks // nil: /tmp is a tmpfs
	names        resolver

	reserve   *reserve
	furnisher *furnisher

	natOnce sync.Once // makes nat, when the first sandbox wants out
	nat     *nat      // nil when there is no way

	mu    sync.Mutex // guards what is below
	slots map[int]bool
}

// Slots number the sandboxes that live at a time; each has a user of its own,
// and each server on a machine a range of users of its own, among those that
// nobody gives to people.
const (
	firstUID = 0x20000000
	maxSlots = 0x8000
	ranges   = 0x1000
)

var validID = regexp.MustCompile(`^[a-z0-9-]{1,40}$`)

// errClosed is the error of a sandbox that is used after Close.
var errClosed = errors.New("namespace: the sandbox is closed")

// New returns a tier, or an error when this machine does not let us make
// sandboxes: it makes one to find out.
//
// Where there is no mkfs.ext4, or no loop device, /tmp is a tmpfs, and what is in it
// counts as the function's memory. Where no control group may be made, nothing limits
// memory and CPU, nor processes. Where there is no nftables, there is no way out
// of the host. Each of these is logged once. An ordinary user has no disks and no way
// out, and needs to be allowed user namespaces; see rootless.go.
func New(c Config) (*Tier, error) {
	t, err := newTier(c)
	if err != nil {
		return nil, fmt.Errorf("namespace: %w", err)
	}
	// What a dead server left may bear the names that the probe needs.
	if err := errors.Join(t.Sweep(context.Background()), t.probe()); err != nil {
		_ = t.Close()
		if t.rootless {
			err = forbidden(err)
		}
		return nil, fmt.Errorf("namespace: this machine does not allow it: %w", err)
	}
	t.tell()
	least := c.Reserve
	if least == 0 {
		least = 4
	}
	t.reserve.resize(max(least, 0))
	if t.disks != nil {
		t.disks.keep(t.reserve.most)
	}
	return t, nil
}

func newTier(c Config) (*Tier, error) {
	dir, err := filepath.Abs(c.StateDir)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Join(dir, "root"), 0o711); err != nil {
		return nil, err
	}
	if err := errors.Join(os.RemoveAll(filepath.Join(dir, "accounts")), os.Mkdir(filepath.Join(dir, "accounts"), 0o755)); err != nil {
		return nil, err
	}
	names := hostResolver()
	if err := makeEtc(filepath.Join(dir, "etc"), names.conf); err != nil {
		return nil, fmt.Errorf("make /etc: %w", err)
	}
	image, err := newImage(elf(machine()))
	if err != nil {
		return nil, fmt.Errorf("make the machine: %w", err)
	}
	fork, err1 := newImage(forker())
	null, err2 := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err := errors.Join(err1, err2); err != nil {
		image.Close()
		fork.Close()
		null.Close()
		return nil, err
	}
	h := fnv.New32a()
	h.Write([]byte(dir))
	t := &Tier{
		dir: dir, name: fmt.Sprintf("mayfly-%08x", h.Sum32()), log: c.Log,
		image: image, forker: fork, null: null, filter: filterProgram(denied()), zygoteFilter: filterProgram(deniedZygotes()), uids: firstUID + int(h.Sum32()%ranges)*maxSlots,
		slots: map[int]bool{}, names: names, rootless: os.Geteuid() != 0,
	}
	if t.log == nil {
		t.log = slog.Default()
	}
	t.reserve, t.furnisher = newReserve(t), &furnisher{tier: t}
	t.findGroups()
	if !t.rootless {
		t.findDisks()
	}
	return t, nil
}

// findGroups uses the control groups that the machine has: version 2 when it
// has the controllers, else version 1.
func (t *Tier) findGroups() {
	mountinfo, _ := os.ReadFile("/proc/self/mountinfo")
	self, _ := os.ReadFile("/proc/self/cgroup")
	own := ownGroups(string(mountinfo), string(self))
	g2, err2 := newGroups2(own[""], t.name)
	if own[""] != "" && err2 == nil {
		t.groups = g2
		return
	}
	g1, err1 := newGroups1(own, t.name)
	if err1 == nil {
		t.groups = g1
		return
	}
	t.groups, t.unlimited = noGroups{}, []any{"version2", err2, "version1", err1}
}

// tell says what the sandboxes lack, once it is known that there are any.
func (t *Tier) tell() {
	_, none := t.groups.(noGroups)
	switch {
	case none && t.countsByUser():
		t.log.Warn("MEMORY AND CPU OF FUNCTIONS ARE NOT LIMITED: no control groups are delegated to this user "+
			"(systemd-run --user --scope -p Delegate=yes does it)", t.unlimited...)
	case none:
		t.log.Warn("MEMORY, CPU AND PROCESSES OF FUNCTIONS ARE NOT LIMITED: no control groups that we may use", t.unlimited...)
	}
	if t.rootless {
		t.log.Warn("sandboxes without root: functions cannot reach the internet, and what they write to /tmp counts as memory")
	}
}

// countsByUser tells whether a limit on a user's processes is one on a sandbox's:
// without root each has a user namespace, and the kernel counts there from 5.14 on.
func (t *Tier) countsByUser() bool {
	_, none := t.groups.(noGroups)
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil || !none || !t.rootless {
		return false
	}
	var major, minor int
	_, _ = fmt.Sscanf(unix.ByteSliceToString(u.Release[:]), "%d.%d", &major, &minor)
	return major > 5 || (major == 5 && minor >= 14)
}

func (t *Tier) findDisks() {
	d, err := newDisks(t.dir)
	if err != nil {
		t.noDisks(err)
		return
	}
	t.disks = d
}

func (t *Tier) noDisks(err error) {
	t.log.Warn("what functions write to /tmp counts as their memory: no disks for it", "error", err)
}

// defaultTmpMB is the size of /tmp that most functions have. The disk for it is
// tried, and its template made, before anybody waits.
const defaultTmpMB = 512

// probe makes a sandbox and runs nothing in it. Having disks may turn out to be
// not enough to mount them.
func (t *Tier) probe() error {
	err := t.try()
	if err == nil || t.disks == nil {
		return err
	}
	withDisks := err
	t.disks.close()
	t.disks = nil
	if err := t.try(); err != nil {
		return err
	}
	t.noDisks(withDisks)
	return nil
}

func (t *Tier) try() error {
	s, err := t.Open(context.Background(), sandbox.Spec{ID: "probe", TmpMB: defaultTmpMB})
	if err != nil {
		return err
	}
	return s.Close()
}

// out returns what leads sandboxes out, or nil.
func (t *Tier) out() *nat {
	t.natOnce.Do(func() {
		var err error
		if t.nat, err = newNAT(t.name); err != nil {
			t.log.Warn("functions cannot reach the internet: no NAT on this machine", "error", err)
		}
	})
	return t.nat
}

// Name is "namespace".
func (t *Tier) Name() string { return "namespace" }

// Sweep removes what a dead server left. Its sandboxes have died with it; what
// is left are names.
func (t *Tier) Sweep(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := t.groups.sweep(); err != nil {
		return fmt.Errorf("namespace: sweep control groups: %w", err)
	}
	if t.rootless {
		return nil
	}
	if err := removeTable(t.name); err != nil {
		t.log.Warn("nftables cannot be read", "error", err)
	}
	left, _ := filepath.Glob(filepath.Join(t.dir, "disk-*"))
	for _, name := range left {
		if err := os.Remove(name); err != nil {
			return fmt.Errorf("namespace: sweep: %w", err)
		}
	}
	return nil
}

// Close frees what the tier holds.
func (t *Tier) Close() error {
	err := errors.Join(t.reserve.close(), t.furnisher.close(), t.groups.close())
	if t.nat != nil {
		err = errors.Join(err, t.nat.close())
	}
	if t.disks != nil {
		t.disks.close()
	}
	t.image.Close()
	t.forker.Close()
	t.null.Close()
	if err != nil {
		return fmt.Errorf("namespace: close: %w", err)
	}
	return nil
}

// slot takes a free number.
func (t *Tier) slot() (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for i := range maxSlots {
		if !t.slots[i] {
			t.slots[i] = true
			return i, nil
		}
	}
	return 0, errors.New("too many sandboxes")
}

func (t *Tier) release(slot int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.slots, slot)
}
