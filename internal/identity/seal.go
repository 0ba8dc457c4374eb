package identity

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/base64"
	"errors"
	"fmt"
)

var errSealed = errors.New("identity: not sealed by this server")

// A keyring is what is derived from the server key: one key for each use, so
// that a value made for one can never be taken for another.
//
// The server key is a row in the same database. A file beside it would not be
// a safer place, for who reads the data folder reads both; and it would break
// two promises: that a backup is one file, and that nodes which share a
// database accept each other's sessions. Sealing still keeps secrets out of
// query logs, table dumps and the eyes of who only browses.
type keyring struct {
	aead   cipher.AEAD // secrets at rest and session tokens
	secret []byte      // temporary keys' secrets
	ids    []byte      // ids of roles that exist in name only
}

func newKeyring(server []byte) keyring {
	block, err := aes.NewCipher(derive(server, "seal"))
	if err != nil {
		panic(err) // derive makes 32 bytes
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		panic(err) // AES has the block size that GCM wants
	}
	return keyring{aead: aead, secret: derive(server, "session secret"), ids: derive(server, "role id")}
}

func derive(server []byte, use string) []byte {
	k, err := hkdf.Key(sha256.New, server, nil, "mayfly identity: "+use, 32)
	if err != nil {
		panic(err) // 32 bytes are within what HKDF can make
	}
	return k
}

// seal encrypts plain so that it opens only under the same name.
func (k keyring) seal(name string, plain []byte) []byte {
	return k.aead.Seal(nil, nil, plain, []byte(name))
}

func (k keyring) open(name string, sealed []byte) ([]byte, error) {
	plain, err := k.aead.Open(nil, nil, sealed, []byte(name))
	if err != nil {
		return nil, fmt.Errorf("%w: %s", errSealed, name)
	}
	return plain, nil
}

// secretOf is a temporary key's secret. It is derived, not stored: that is what
// lets a sandbox start without a write.
func (k keyring) secretOf(accessKeyID string) string {
	return base64.StdEncoding.EncodeToString(mac(k.secret, accessKeyID)[:30])
}

// roleID is the unique id of a role that nobody created, always the same.
func (k keyring) roleID(roleARN string) string {
	return "AROA" + base32.StdEncoding.EncodeToString(mac(k.ids, roleARN))[:17]
}

func mac(key []byte, s string) []byte {
	m := hmac.New(sha256.New, key)
	m.Write([]byte(s))
	return m.Sum(nil)
}

func random(n int) []byte {
	b := make([]byte, n)
	rand.Read(b) // never fails, says its documentation
	return b
}

// newID makes a unique id as IAM does: a prefix that tells the kind, and 17
// upper-case letters and digits.
func newID(prefix string) string {
	return prefix + base32.StdEncoding.EncodeToString(random(11))[:17]
}

// newKeyID makes an access key id: 20 characters.
func newKeyID(prefix string) string {
	return prefix + base32.StdEncoding.EncodeToString(random(10))
}

// newSecret makes a secret access key: 40 characters of base64.
func newSecret() string { return base64.StdEncoding.EncodeToString(random(30)) }
