package function

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strconv"
	"time"
)

// The states of a version, and of its last update.
const (
	Pending    = "Pending"
	Active     = "Active"
	Failed     = "Failed"
	InProgress = "InProgress"
	Successful = "Successful"
)

// A Settings is what a caller configures: all of it is part of a version, and
// a change of any of it makes a new one.
type Settings struct {
	Description string
	Role        string
	Runtime     string
	Handler     string
	Package     string            // "Zip"
	Arch        string            // "x86_64", "arm64"
	Timeout     int32             // seconds
	Memory      int32             // MB
	Tmp         int32             // MB
	Env         map[string]string // nil when never given, else shown even if empty
	DeadLetter  string
	KMSKey      string
	Tracing     string // "PassThrough", "Active"
	SnapStart   string // "None", "PublishedVersions"
	Log         Log
	Layers      []LayerRef
	VPC         *VPC
	Code        Code
}

// A Log is where the code's output goes.
type Log struct {
	Format      string // "Text", "JSON"
	AppLevel    string // with JSON
	SystemLevel string // with JSON
	Group       string
}

// A VPC is stored and shown; there is none.
type VPC struct {
	Subnets, Groups []string
	IPv6            bool
}

// A Code is an uploaded archive, kept as a blob.
type Code struct {
	SHA256   string // hex
	Size     int64  // of the archive
	Unzipped int64
}

// Digest is the code's hash as the API shows it.
func (c Code) Digest() string {
	b, _ := hex.DecodeString(c.SHA256) // it was made by hex
	return base64.StdEncoding.EncodeToString(b)
}

// A LayerRef is a layer version that a function uses.
type LayerRef struct {
	ARN      string
	CodeSize int64
	Unzipped int64
	SHA256   string // of its archive
}

// A Version is one version of a function: $LATEST, or an immutable one.
type Version struct {
	Function string
	Number   int64 // 0 is $LATEST
	Settings

	Modified time.Time
	Revision string // the caller's handle for optimistic changes

	State, StateReason, StateCode    string
	Update, UpdateReason, UpdateCode string

	// Change names this state of code and settings: a new one for every
	// change, so that what runs can be told from what ran.
	Change string

	// Source is, of a published version, the fingerprint of what it was made from.
	Source string

	// Running is what invocations use while an update has not settled, or
	// after it failed; nil means the version's own.
	Running *Runnable
}

// A Runnable is a state of code and settings that ran before.
type Runnable struct {
	Settings
	Change string
}

// Qualifier is the version's name: "$LATEST" or a number.
func (v *Version) Qualifier() string {
	if v.Number == 0 {
		return Latest
	}
	return strconv.FormatInt(v.Number, 10)
}

// running is what an invocation of v runs now.
func (v *Version) running() Runnable {
	if v.Running != nil {
		return *v.Running
	}
	return Runnable{v.Settings, v.Change}
}

// key names what runs for the engine: other code or settings, other key.
func (v *Version) key() string { return v.Function + ":" + v.Qualifier() + ":" + v.running().Change }

// archives are the hashes of all archives that v needs, each once.
func (v *Version) archives() []string {
	var all []string
	for _, s := range []Settings{v.Settings, v.running().Settings} {
		all = append(all, s.Code.SHA256)
		for _, l := range s.Layers {
			all = append(all, l.SHA256)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// fingerprint tells whether code or settings differ.
func (s Settings) fingerprint() string {
	b, err := json.Marshal(s)
	if err != nil {
		panic("function: settings do not encode: " + err.Error()) // they are strings and numbers
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// numberOf is the number that a qualifier that names a version stands for.
func numberOf(qualifier string) (int64, bool) {
	if qualifier == "" || qualifier == Latest {
		return 0, true
	}
	n, err := strconv.ParseInt(qualifier, 10, 64)
	return n, err == nil && n > 0 && strconv.FormatInt(n, 10) == qualifier
}
