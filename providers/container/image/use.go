package image

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// Use says that a resource of a stack wants an image to stay.
type Use struct {
	Stack   string    `json:"stack"` // the folder of the configuration and its state
	Lineage string    `json:"lineage"`
	Address string    `json:"address"`
	Image   string    `json:"image"` // its id
	Since   time.Time `json:"since"`
}

// usePath is the same for the same resource, whatever image it uses. A copy of a stack, in
// another folder, has uses of its own.
func (s *Store) usePath(stack, lineage, address string) string {
	return s.path("uses", hexOf(stack+"\x00"+lineage+"\x00"+address)+".json")
}

// Use records a use, in the place of the resource's earlier one. It is meant to be called often.
func (s *Store) Use(u Use) error {
	var old Use
	if readJSON(s.usePath(u.Stack, u.Lineage, u.Address), &old) == nil {
		u.Since = old.Since
		if u == old {
			return nil
		}
	}
	if err := os.MkdirAll(s.path("uses"), 0o700); err != nil {
		return fmt.Errorf("record use of image: %w", err)
	}
	u.Since = time.Now().UTC()
	if err := writeJSON(s.usePath(u.Stack, u.Lineage, u.Address), u); err != nil {
		return fmt.Errorf("record use of image: %w", err)
	}
	return nil
}

// Drop takes a resource's use away. The image stays until a prune.
func (s *Store) Drop(stack, lineage, address string) error {
	err := os.Remove(s.usePath(stack, lineage, address))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("drop use of image: %w", err)
	}
	return nil
}

// Holds tells whether the stack of a use has the resource still, or may have. What a state
// file looks like is not this package's business.
type Holds func(Use) bool

// Uses lists the uses of all images, by their ids.
func (s *Store) Uses(holds Holds) (map[string][]Use, error) {
	files, err := filepath.Glob(s.path("uses", "*.json"))
	if err != nil {
		return nil, err
	}
	uses := map[string][]Use{}
	for _, file := range files {
		var u Use
		err := readJSON(file, &u)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if holds(u) {
			uses[u.Image] = append(uses[u.Image], u)
		}
	}
	return uses, nil
}

// Remember notes what was made of a local source, by the source's digest.
func (s *Store) Remember(source, id string) error {
	if err := os.MkdirAll(s.path("sources"), 0o700); err != nil {
		return fmt.Errorf("remember source of image: %w", err)
	}
	return writeJSON(s.path("sources", hexOf(source)+".json"), id)
}

// Recall gives what was made of a local source before. ErrNotFound says that nothing was, or
// that it was removed.
func (s *Store) Recall(source string) (Image, error) {
	var id string
	err := readJSON(s.path("sources", hexOf(source)+".json"), &id)
	if errors.Is(err, fs.ErrNotExist) {
		return Image{}, ErrNotFound
	}
	if err != nil {
		return Image{}, err
	}
	return s.Load(id)
}

// Pulled gives the latest image that came of a registry's reference before.
func (s *Store) Pulled(src Source) (Image, error) {
	platform, err := parsePlatform(src.Platform)
	if err != nil {
		return Image{}, err
	}
	list, err := s.List()
	if err != nil {
		return Image{}, err
	}
	for _, d := range list {
		file, err := d.file()
		if err != nil {
			return Image{}, err
		}
		if is := file.Platform(); d.Source == src.Name && (is == nil || is.Satisfies(platform)) {
			return s.image(d)
		}
	}
	return Image{}, fmt.Errorf("%s: %w", src.Name, ErrNotFound)
}
