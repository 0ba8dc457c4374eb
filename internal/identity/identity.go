// Package identity knows who may sign: the root key, users' access keys, and
// temporary credentials of roles.
package identity

import "time"

// Credentials are a key that signs requests.
type Credentials struct {
	AccessKeyID     string
	SecretAccessKey string
	SessionToken    string    // "" for a long-term key
	Expires         time.Time // zero for a long-term key
}

// A Principal is who a key belongs to.
type Principal struct {
	AccessKeyID string
	Account     string
	ARN         string // "arn:aws:iam::000000000000:root"
	UserID      string
	Root        bool
}
