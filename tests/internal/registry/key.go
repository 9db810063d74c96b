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

	// Secret and Public are the files of two keyrings.
	Secret, Public string
}

// NewKey makes a key for a test.
func NewKey(t *testing.T) Key {
	t.Helper()
	folder := t.TempDir()
	key := Key{"release@external-services.example", filepath.Join(folder, "secret.gpg"), filepath.Join(folder, "public.gpg")}
	entity, err := openpgp.NewEntity("A test", "", key.Name, nil)
	if err != nil {
		t.Fatal(err)
	}
	var secret, public bytes.Buffer
	if err := entity.SerializePrivate(&secret, nil); err != nil {
		t.Fatal(err)
	}
	if err := entity.Serialize(&public); err != nil {
		t.Fatal(err)
	}
	write(t, key.Secret, secret.Bytes())
	write(t, key.Public, public.Bytes())
	return key
}
