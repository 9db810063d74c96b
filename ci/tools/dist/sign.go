package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/ProtonMail/go-crypto/openpgp"
	"helm.sh/helm/v4/pkg/provenance"
)

// signer signs with a key of a keyring, as helm package does.
type signer struct{ key, keyring, passphrase string }

// sign signs the checksums in a folder, and each archive that Helm can install as a plugin.
func (s signer) sign(folder, version string) error {
	sums, err := readChecksums(folder, version)
	if err != nil {
		return err
	}
	signatory, err := s.open()
	if err != nil {
		return fmt.Errorf("key %q: %w", s.key, err)
	}
	plugin, err := expand("plugin.yaml", struct{ Version string }{version})
	if err != nil {
		return err
	}
	for _, sum := range sums {
		if !strings.HasSuffix(sum.Name, ".tar.gz") {
			continue
		}
		path := filepath.Join(folder, sum.Name)
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		provenance, err := signatory.ClearSign(content, sum.Name, plugin)
		if err != nil {
			return fmt.Errorf("sign %s: %w", sum.Name, err)
		}
		if err := os.WriteFile(path+".prov", []byte(provenance), 0o644); err != nil {
			return err
		}
	}
	path := filepath.Join(folder, checksumsName(version))
	checksums, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var signature bytes.Buffer
	if err := openpgp.ArmoredDetachSign(&signature, signatory.Entity, bytes.NewReader(checksums), nil); err != nil {
		return fmt.Errorf("sign %s: %w", checksumsName(version), err)
	}
	return os.WriteFile(path+".asc", signature.Bytes(), 0o644)
}

// open finds the key and decrypts it.
func (s signer) open() (*provenance.Signatory, error) {
	signatory, err := provenance.NewFromKeyring(s.keyring, s.key)
	if err != nil {
		return nil, err
	}
	return signatory, signatory.DecryptKey(func(string) ([]byte, error) {
		if s.passphrase == "" {
			return nil, errors.New("it has a passphrase: write its file, -passphrase-file FILE")
		}
		text, err := os.ReadFile(s.passphrase)
		return bytes.TrimRight(text, "\r\n"), err
	})
}
