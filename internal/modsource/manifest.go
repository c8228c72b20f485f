package modsource

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/google/renameio/v2"
)

// manifestFile is in the store's folder. It has one Module for each call.
const manifestFile = "modules.json"

type manifest struct {
	Modules []Module `json:"modules"` // in the order of their keys, each of which is there once
}

// Module is what is installed for one call.
type Module struct {
	Key    string `json:"key"`              // the path of calls: "lab.net" is module.lab.module.net
	Source string `json:"source"`           // as the configuration has it
	Dir    string `json:"dir"`              // from the root module's folder
	Commit string `json:"commit,omitempty"` // of a git repository
	Digest string `json:"digest,omitempty"` // of an archive: "sha256:..."
}

// version is what was downloaded, in few letters.
func (m Module) version() string {
	if m.Commit != "" {
		return "commit " + m.Commit[:min(12, len(m.Commit))]
	}
	return m.Digest[:min(len("sha256:")+12, len(m.Digest))]
}

// shortened is a folder's name for a key that cannot be one.
func shortened(key string) string {
	sum := sha256.Sum256([]byte(key))
	return strings.ToValidUTF8(key[:min(len(key), 150)], "") + "-" + hex.EncodeToString(sum[:8])
}

// find gives the place of a call's module, or -1.
func (m *manifest) find(key string) int {
	return slices.IndexFunc(m.Modules, func(x Module) bool { return x.Key == key })
}

// with is the manifest with a module in it, in place of the call's former one.
func (m *manifest) with(x Module) *manifest {
	all := append(m.without(x.Key).Modules, x)
	slices.SortFunc(all, func(a, b Module) int { return strings.Compare(a.Key, b.Key) })
	return &manifest{all}
}

func (m *manifest) without(keys ...string) *manifest {
	return &manifest{slices.DeleteFunc(slices.Clone(m.Modules), func(x Module) bool { return slices.Contains(keys, x.Key) })}
}

// readManifest always gives a manifest; with an error, or where there is no file, an empty one.
func (s *Store) readManifest() (*manifest, error) {
	name := filepath.Join(s.dir(), manifestFile)
	data, err := os.ReadFile(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return &manifest{}, nil
	case err != nil:
		return &manifest{}, fmt.Errorf("read record of modules: %w", err)
	}
	m, err := decodeManifest(data)
	if err != nil {
		return &manifest{}, fmt.Errorf("read record of modules: %s: %w", name, err)
	}
	return m, nil
}

func decodeManifest(data []byte) (*manifest, error) {
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	var m manifest
	if err := d.Decode(&m); err != nil {
		return nil, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("something follows its end")
	}
	seen := map[string]bool{}
	for _, x := range m.Modules {
		if err := x.check(); err != nil {
			return nil, err
		}
		if seen[x.Key] {
			return nil, fmt.Errorf("module %q is there twice", x.Key)
		}
		seen[x.Key] = true
	}
	return &m, nil
}

// check refuses what was never written: a folder outside the store, above all.
func (m Module) check() error {
	if err := checkKey(m.Key); err != nil {
		return err
	}
	home := path.Join(".diyform", "modules", folder(m.Key))
	if m.Dir != path.Clean(m.Dir) || m.Dir != home && !strings.HasPrefix(m.Dir, home+"/") {
		return fmt.Errorf("the folder %q of module %q is not in %s", m.Dir, m.Key, home)
	}
	return nil
}

// write replaces the manifest as a whole.
func (s *Store) write(m *manifest) error {
	text, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return fmt.Errorf("write record of modules: %w", err)
	}
	// A source may have a password in it.
	if err := renameio.WriteFile(filepath.Join(s.dir(), manifestFile), append(text, '\n'), 0o600); err != nil {
		return fmt.Errorf("write record of modules: %w", err)
	}
	s.record = m
	return nil
}
