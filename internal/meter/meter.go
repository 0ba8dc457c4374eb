// Package meter turns what invocations cost into usage, and usage into a bill
// that a person can read.
package meter

import "time"

// A Use is what one invocation used.
type Use struct {
	At          time.Time
	Function    string // ARN, unqualified
	Version     string
	Arch        string // "x86_64", "arm64"
	BilledMS    int64  // init included
	MemoryMB    int
	TmpMB       int
	Provisioned bool
}
