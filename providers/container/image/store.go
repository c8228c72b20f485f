package image

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/renameio/v2"

	"github.com/diyform/diyform/internal/linux/flock"
	"github.com/diyform/diyform/providers/container/image/unpack"
	"github.com/diyform/diyform/providers/container/userns"
)

// Store is a folder of images. Any number of processes may work on it at once.
type Store struct {
	dir string
	ids string // what distinguishes folders whose files belong to other ids
}

// Open gives the store in a folder, which is made when something comes into it. A user whose
// subordinate ids change, or are taken away, has other layers from then on: whom the files of
// a layer belong to is part of its name.
func Open(dir string) *Store {
	s := &Store{dir: dir}
	if userns.Needed() {
		s.ids = ".single"
		if m := userns.Best(); m.Ranged() {
			s.ids = fmt.Sprintf(".%d", m.UIDs[1].Outside)
		}
	}
	return s
}

// Below gives the store of a data folder.
func Below(dataDir string) *Store { return Open(filepath.Join(dataDir, "images")) }

var idForm = regexp.MustCompile(`^image:sha256:[0-9a-f]{64}$`)

func (s *Store) path(parts ...string) string {
	return filepath.Join(append([]string{s.dir}, parts...)...)
}

func (s *Store) documentPath(id string) string {
	return s.path("documents", strings.TrimPrefix(id, Prefix+"sha256:")+".json")
}

// layerPath is where the layer of a digest is.
func (s *Store) layerPath(diffID v1.Hash) string { return s.path("layers", diffID.Hex+s.ids) }

// Load gives an image by its id. ErrNotFound says that it, or a layer of it, is not there.
func (s *Store) Load(id string) (Image, error) {
	d, err := s.Document(id)
	if err != nil {
		return Image{}, err
	}
	return s.image(d)
}

// Document gives what is on record of an image.
func (s *Store) Document(id string) (Document, error) {
	if !idForm.MatchString(id) {
		return Document{}, fmt.Errorf("%q: %w", id, ErrNotFound)
	}
	var d Document
	err := readJSON(s.documentPath(id), &d)
	if errors.Is(err, fs.ErrNotExist) {
		return Document{}, fmt.Errorf("%s: %w", id, ErrNotFound)
	}
	return d, err
}

// image finds the layers of a document.
func (s *Store) image(d Document) (Image, error) {
	file, err := d.file()
	if err != nil {
		return Image{}, err
	}
	i := Image{
		ID: d.ID, Digest: d.Digest, Size: d.Size, Source: d.Source, Created: d.Created, Config: configOf(file.Config),
	}
	layers, err := s.layers(file.RootFS.DiffIDs)
	if errors.Is(err, fs.ErrNotExist) {
		return Image{}, fmt.Errorf("%s: %w: a layer is missing: %w", d.ID, ErrNotFound, err)
	}
	if err != nil {
		return Image{}, err
	}
	for _, l := range layers {
		i.Layers = append(i.Layers, l.Dir)
	}
	top, err := s.folders(file.RootFS.DiffIDs, layers)
	if errors.Is(err, fs.ErrNotExist) {
		return Image{}, fmt.Errorf("%s: %w: the layer over its layers is missing", d.ID, ErrNotFound)
	}
	if top != "" {
		i.Layers = slices.Insert(i.Layers, 0, top)
	}
	return i, err
}

// layers finds unpacked layers, and gives those that show, the uppermost first.
func (s *Store) layers(diffIDs []v1.Hash) ([]unpack.Layer, error) {
	var list []unpack.Layer
	seen := map[v1.Hash]bool{}
	for _, diffID := range slices.Backward(diffIDs) {
		facts, err := s.facts(diffID)
		if err != nil {
			return nil, err
		}
		if !seen[diffID] {
			list = append(list, unpack.Layer{Dir: s.layerPath(diffID), Implied: facts.Implied})
		}
		seen[diffID] = true
		if facts.Opaque {
			break // overlayfs knows opaque folders, but no opaque layer
		}
	}
	return list, nil
}

// List gives all images, the latest first.
func (s *Store) List() ([]Document, error) {
	files, err := filepath.Glob(s.path("documents", "*.json"))
	if err != nil {
		return nil, err
	}
	var list []Document
	for _, file := range files {
		var d Document
		err := readJSON(file, &d)
		if errors.Is(err, fs.ErrNotExist) {
			continue // pruned meanwhile
		}
		if err != nil {
			return nil, err
		}
		list = append(list, d)
	}
	slices.SortFunc(list, func(a, b Document) int { return b.Created.Compare(a.Created) })
	return list, nil
}

// record makes an image known whose layers are there.
func (s *Store) record(d Document) error {
	if err := os.MkdirAll(s.path("documents"), 0o700); err != nil {
		return err
	}
	return writeJSON(s.documentPath(d.ID), d)
}

// workplace makes a folder beside the layers for one that is under way. Who holds its lock
// is alive.
func (s *Store) workplace() (dir string, done func(), err error) {
	lock, err := s.newLock()
	if err != nil {
		return "", nil, err
	}
	dir = strings.TrimSuffix(lock.Name(), lockSuffix)
	done = func() {
		os.Remove(lock.Name())
		lock.Close()
	}
	if err := os.Mkdir(dir, 0o755); err != nil {
		done()
		return "", nil, err
	}
	// Whatever the umask is: it is the image's root, if the image does not say otherwise.
	return dir, done, os.Chmod(dir, 0o755)
}

// newLock makes a lock file and locks it. In between, a sweep may take it for left behind, and
// a prune the folder for empty.
func (s *Store) newLock() (*os.File, error) {
	for {
		if err := os.MkdirAll(s.path("layers"), 0o755); err != nil {
			return nil, err
		}
		lock, err := os.CreateTemp(s.path("layers"), workplacePrefix+"*"+lockSuffix)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if err = flock.TryExclusive(lock); err == nil {
			return lock, nil
		}
		lock.Close()
		if !errors.Is(err, flock.ErrHeld) {
			return nil, err
		}
	}
}

const (
	workplacePrefix = ".unpack-"
	lockSuffix      = ".lock"
)

// sweep removes what killed processes left.
func (s *Store) sweep(ctx context.Context) error {
	locks, err := filepath.Glob(s.path("layers", workplacePrefix+"*"+lockSuffix))
	if err != nil {
		return err
	}
	var errs []error
	for _, path := range locks {
		errs = append(errs, s.sweepOne(ctx, path))
	}
	return errors.Join(errs...)
}

func (s *Store) sweepOne(ctx context.Context, path string) error {
	lock, err := os.OpenFile(path, os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer lock.Close()
	err = flock.TryExclusive(lock)
	if errors.Is(err, flock.ErrHeld) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := userns.RemoveAll(ctx, strings.TrimSuffix(path, lockSuffix)); err != nil {
		return err
	}
	return os.Remove(path)
}

func readJSON(path string, into any) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(text, into); err != nil {
		return fmt.Errorf("read %s: %w", path, err)
	}
	return nil
}

func writeJSON(path string, v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return renameio.WriteFile(path, text, 0o600)
}
