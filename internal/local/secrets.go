package local

import (
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/openintegrationhub/leat/internal/flow"
	"github.com/openintegrationhub/leat/internal/plan"
)

// keyring derives all secrets of a data folder from one key, kept in its file "key". So they stay the same over restarts: a message that
// was encrypted before can be read after.
type keyring struct{ key []byte }

const keyBytes = 32

// openKeyring reads the key, or makes one in a new data folder.
func openKeyring(folder string) (keyring, error) {
	path := filepath.Join(folder, "key")
	key, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		key = make([]byte, keyBytes)
		rand.Read(key) // never fails
		if err := writeFile(path, key); err != nil {
			return keyring{}, fmt.Errorf("make key of the data folder: %w", err)
		}
	case err != nil:
		return keyring{}, fmt.Errorf("read key of the data folder: %w", err)
	case len(key) != keyBytes:
		return keyring{}, fmt.Errorf("key of the data folder, %s: expected %d bytes, found %d; without the right one the messages in the folder can't be read", path, keyBytes, len(key))
	}
	return keyring{key: key}, nil
}

// writeFile writes a file that only its owner may read, whole or not at all, and durably.
func writeFile(path string, data []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(data)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

// secret derives n bytes for a purpose.
func (k keyring) secret(purpose string, n int) []byte {
	b, err := hkdf.Key(sha256.New, k.key, nil, "leat/"+purpose, n)
	if err != nil {
		panic(err) // only for absurd lengths
	}
	return b
}

// text is a secret as letters and digits, fit for a URI.
func (k keyring) text(purpose string) string {
	return base64.RawURLEncoding.EncodeToString(k.secret(purpose, 24))
}

// flow returns the secrets of f.
func (k keyring) flow(f *flow.Flow) plan.Secrets {
	name := f.Namespace + "/" + f.Name
	s := plan.Secrets{
		CryptoPassword: k.text("crypto/" + name),
		CryptoIV:       k.text("iv/" + name)[:16],
		Steps:          map[string]plan.StepSecrets{},
	}
	for _, n := range f.Nodes {
		step := name + "/" + n.ID
		s.Steps[n.ID] = plan.StepSecrets{BrokerPassword: k.text("broker/" + step), APIKey: k.text("api/" + step)}
	}
	return s
}
