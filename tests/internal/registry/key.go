package registry

import (
	"bytes"
	"path/filepath"
	"testing"

	"github.com/ProtonMail/go-crypto/openpgp"
)

// Key is a key that signs charts and is thrown away.
type Key struct {
	// Name is what helm finds it by.
	Name string

	// Secret and Public are the files of two keyrings, Passphrase is that of its passphrase.
	Secret, Public, Passphrase string
}

// NewKey makes a key for a test, with a passphrase unless that is empty.
func NewKey(t *testing.T, passphrase string) Key {
	t.Helper()
	folder := t.TempDir()
	key := Key{"release@external-services.example", filepath.Join(folder, "secret.gpg"), filepath.Join(folder, "public.gpg"), filepath.Join(folder, "passphrase")}
	entity, err := openpgp.NewEntity("A test", "", key.Name, nil)
	if err != nil {
		t.Fatal(err)
	}
	if passphrase != "" {
		if err := entity.EncryptPrivateKeys([]byte(passphrase), nil); err != nil {
			t.Fatal(err)
		}
	}
	var secret, public bytes.Buffer
	if err := entity.SerializePrivateWithoutSigning(&secret, nil); err != nil { // it is signed already
		t.Fatal(err)
	}
	if err := entity.Serialize(&public); err != nil {
		t.Fatal(err)
	}
	write(t, key.Passphrase, []byte(passphrase))
	write(t, key.Secret, secret.Bytes())
	write(t, key.Public, public.Bytes())
	return key
}
