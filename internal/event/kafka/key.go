package kafka

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/des"
	"crypto/pbkdf2"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"fmt"
	"hash"
)

// openKey is a private key without its password. One that is not encrypted stays
// as it is. Encrypted ones are PKCS #8 with PBES2, as OpenSSL writes them.
func openKey(text []byte, password string) ([]byte, error) {
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, errors.New("the private key is not PEM")
	}
	if block.Type != "ENCRYPTED PRIVATE KEY" {
		return text, nil
	}
	plain, err := decrypt(block.Bytes, password)
	if err != nil {
		return nil, fmt.Errorf("open the private key: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: plain}), nil
}

// The forms of RFC 5958 and RFC 8018.
type (
	sealed struct {
		Algorithm pkix.AlgorithmIdentifier
		Data      []byte
	}
	pbes2 struct {
		Derivation pkix.AlgorithmIdentifier
		Cipher     pkix.AlgorithmIdentifier
	}
	derivation struct {
		Salt   []byte
		Rounds int
		Length int                      `asn1:"optional"`
		Hash   pkix.AlgorithmIdentifier `asn1:"optional"`
	}
)

// maxRounds bounds the work that a secret can make.
const maxRounds = 2_000_000

var (
	errForm     = errors.New("its encryption is not PBES2 with PBKDF2 and AES or triple DES")
	errPassword = errors.New("the password is wrong")
)

func decrypt(der []byte, password string) ([]byte, error) {
	var s sealed
	var p pbes2
	var d derivation
	if rest, err := asn1.Unmarshal(der, &s); err != nil || len(rest) > 0 || s.Algorithm.Algorithm.String() != "1.2.840.113549.1.5.13" {
		return nil, errForm
	}
	if _, err := asn1.Unmarshal(s.Algorithm.Parameters.FullBytes, &p); err != nil || p.Derivation.Algorithm.String() != "1.2.840.113549.1.5.12" {
		return nil, errForm
	}
	if _, err := asn1.Unmarshal(p.Derivation.Parameters.FullBytes, &d); err != nil || d.Rounds < 1 || d.Rounds > maxRounds {
		return nil, errForm
	}
	var iv []byte
	if _, err := asn1.Unmarshal(p.Cipher.Parameters.FullBytes, &iv); err != nil {
		return nil, errForm
	}
	size, open := cipherOf(p.Cipher.Algorithm.String())
	mix := hashOf(d.Hash.Algorithm.String())
	if open == nil || mix == nil {
		return nil, errForm
	}
	key, err := pbkdf2.Key(mix, password, d.Salt, d.Rounds, size)
	if err != nil {
		return nil, err
	}
	b, err := open(key)
	if err != nil {
		return nil, err
	}
	return unchain(b, iv, s.Data)
}

// unchain decrypts blocks that are chained, and takes their padding away.
func unchain(b cipher.Block, iv, data []byte) ([]byte, error) {
	if len(iv) != b.BlockSize() || len(data) == 0 || len(data)%b.BlockSize() != 0 {
		return nil, errForm
	}
	out := make([]byte, len(data))
	cipher.NewCBCDecrypter(b, iv).CryptBlocks(out, data)
	n := int(out[len(out)-1])
	if n == 0 || n > b.BlockSize() {
		return nil, errPassword
	}
	for _, c := range out[len(out)-n:] {
		if int(c) != n {
			return nil, errPassword
		}
	}
	return out[:len(out)-n], nil
}

func cipherOf(oid string) (size int, open func([]byte) (cipher.Block, error)) {
	switch oid {
	case "2.16.840.1.101.3.4.1.2":
		return 16, aes.NewCipher
	case "2.16.840.1.101.3.4.1.22":
		return 24, aes.NewCipher
	case "2.16.840.1.101.3.4.1.42":
		return 32, aes.NewCipher
	case "1.2.840.113549.3.7":
		return 24, des.NewTripleDESCipher
	}
	return 0, nil
}

// hashOf is the hash of a derivation; SHA-1 when it names none.
func hashOf(oid string) func() hash.Hash {
	switch oid {
	case "", "1.2.840.113549.2.7":
		return sha1.New
	case "1.2.840.113549.2.9":
		return sha256.New
	case "1.2.840.113549.2.11":
		return sha512.New
	}
	return nil
}
