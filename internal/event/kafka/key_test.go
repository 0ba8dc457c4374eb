package kafka

import (
	"crypto/ed25519"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"os"
	"testing"
)

// keys were made by OpenSSL: pkcs8 -topk8 -v2 aes-256-cbc -v2prf hmacWithSHA256
// and others. Their password is lantern.
func keys(t testing.TB) (all [][]byte) {
	t.Helper()
	rest, err := os.ReadFile("testdata/keys.pem")
	if err != nil {
		t.Fatal(err)
	}
	for {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			return all
		}
		all = append(all, pem.EncodeToMemory(block))
	}
}

func TestOpenKey(t *testing.T) {
	all := keys(t)
	if len(all) != 6 {
		t.Fatalf("there are %d keys", len(all))
	}
	for i, key := range all {
		plain, err := openKey(key, "lantern")
		if err != nil {
			t.Fatalf("key %d: %v", i, err)
		}
		block, _ := pem.Decode(plain)
		private, err := x509.ParsePKCS8PrivateKey(block.Bytes)
		if _, ok := private.(ed25519.PrivateKey); !ok || err != nil {
			t.Errorf("key %d is %T, %v", i, private, err)
		}
		if again, err := openKey(plain, ""); err != nil || string(again) != string(plain) {
			t.Errorf("key %d does not stay as it is: %v", i, err)
		}
	}
	// A wrong password has good padding once in 256 times, and then no key.
	if got, err := openKey(all[0], "wrong"); err != nil && !errors.Is(err, errPassword) || err == nil && string(got) == string(all[0]) {
		t.Errorf("with a wrong password: %v", err)
	}
	if _, err := openKey([]byte("text"), ""); err == nil {
		t.Error("text is a key")
	}
}

func FuzzDecrypt(f *testing.F) {
	for _, key := range keys(f) {
		block, _ := pem.Decode(key)
		f.Add(block.Bytes, "lantern")
	}
	f.Fuzz(func(t *testing.T, der []byte, password string) {
		out, err := decrypt(der, password)
		if err == nil && len(out) >= len(der) {
			t.Errorf("%d bytes hold %d", len(der), len(out))
		}
	})
}
