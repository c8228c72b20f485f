package image

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/diyform/diyform/providers/container/userns"
)

// Pruned is what a prune took away.
type Pruned struct {
	Images []Document
	Layers int
	Size   int64 // of the layers' files, in bytes
}

// Keep says what a prune leaves.
type Keep struct {
	Image func(Document) bool
	Use   Holds
	// Layers, by their paths, are what containers are started from. They stay whatever became
	// of the resources, and so do images that have no others.
	Layers map[string]bool
}

// Prune removes the images that nobody wants to keep, layers that no image has, and what
// killed commands left. The images go first: a layer that is still missing after that is
// fetched by whoever wants it.
func (s *Store) Prune(ctx context.Context, keep Keep) (Pruned, error) {
	var p Pruned
	if err := s.sweep(ctx); err != nil {
		return p, fmt.Errorf("clean image store: %w", err)
	}
	list, err := s.List()
	if err != nil {
		return p, err
	}
	wanted := map[string]bool{}
	for _, d := range list {
		if !keep.Image(d) && !s.runs(d, keep) {
			if err := os.Remove(s.documentPath(d.ID)); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return p, fmt.Errorf("remove image: %w", err)
			}
			p.Images = append(p.Images, d)
			continue
		}
		file, err := d.file()
		if err != nil {
			return p, err
		}
		for _, diffID := range file.RootFS.DiffIDs {
			wanted[diffID.Hex] = true
		}
		wanted[foldersID(file.RootFS.DiffIDs).Hex] = true
	}
	if err := s.pruneUses(keep.Use); err != nil {
		return p, err
	}
	if err := s.pruneLayers(ctx, wanted, keep, &p); err != nil {
		return p, err
	}
	return p, s.pruneNotes(len(list) == len(p.Images))
}

// runs reports whether containers have all layers of an image.
func (s *Store) runs(d Document, keep Keep) bool {
	i, err := s.image(d)
	return err == nil && !slices.ContainsFunc(i.Layers, func(path string) bool { return !keep.Layers[path] })
}

// pruneNotes removes what was remembered of sources whose image is gone, and of an empty
// store all else.
func (s *Store) pruneNotes(isEmpty bool) error {
	notes, err := filepath.Glob(s.path("sources", "*.json"))
	if err != nil {
		return err
	}
	for _, note := range notes {
		var id string
		if err := readJSON(note, &id); err != nil {
			continue // another command is at it
		}
		if _, err := s.Document(id); errors.Is(err, ErrNotFound) {
			if err := os.Remove(note); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return fmt.Errorf("remove note: %w", err)
			}
		}
	}
	if !isEmpty {
		return nil
	}
	if err := os.RemoveAll(s.path("fingerprints")); err != nil {
		return fmt.Errorf("remove fingerprints: %w", err)
	}
	for _, folder := range []string{"layers", "documents", "sources", "uses", ""} {
		_ = os.Remove(s.path(folder)) // it stays if another command has begun to fill it
	}
	return nil
}

// pruneUses removes the records of uses that are none any more.
func (s *Store) pruneUses(holds Holds) error {
	files, err := filepath.Glob(s.path("uses", "*.json"))
	if err != nil {
		return err
	}
	for _, file := range files {
		var u Use
		if err := readJSON(file, &u); err != nil {
			continue // another command is at it
		}
		if !holds(u) {
			if err := os.Remove(file); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return fmt.Errorf("remove use: %w", err)
			}
		}
	}
	return nil
}

func (s *Store) pruneLayers(ctx context.Context, wanted map[string]bool, keep Keep, p *Pruned) error {
	entries, err := os.ReadDir(s.path("layers"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, e := range entries {
		hex, _, _ := strings.Cut(e.Name(), ".")
		path := s.path("layers", e.Name())
		if !e.IsDir() || hex == "" || wanted[hex] || keep.Layers[path] {
			continue
		}
		var f facts
		if err := readJSON(path+".json", &f); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if err := s.discard(ctx, path); err != nil {
			return fmt.Errorf("remove layer: %w", err)
		}
		if !f.Folders {
			p.Layers, p.Size = p.Layers+1, p.Size+f.Size
		}
	}
	return nil
}

// discard renames a layer away before it is removed: half a layer has no layer's name.
func (s *Store) discard(ctx context.Context, path string) error {
	dir, done, err := s.workplace()
	if err != nil {
		return err
	}
	defer done()
	// The name is free, and known to a sweep by the lock.
	if err := os.Remove(dir); err != nil {
		return err
	}
	if err := os.Rename(path, dir); err != nil {
		return err
	}
	return errors.Join(userns.RemoveAll(ctx, dir), os.Remove(path+".json"))
}

// Layers gives how many layers an image has, for those who list images.
func (d Document) Layers() int {
	file, err := d.file()
	if err != nil {
		return 0
	}
	return len(slices.Compact(file.RootFS.DiffIDs))
}
