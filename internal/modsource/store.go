package modsource

import (
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/diyform/diyform/internal/diag"
)

// Store is what a root module's folder has of other modules: one folder for each call of one,
// in .diyform/modules.
type Store struct {
	root      string // the root module's folder, as the command calls it
	limits    limits
	transport *http.Transport

	mu      sync.Mutex
	record  *manifest         // what was last read or written; nil before
	fetched map[string]string // what this process has downloaded: the key of the call, by package
}

// limits are what a download may be, far above what one of a module is.
type limits struct {
	stall    time.Duration // how long nothing may come from a server
	download int64         // bytes of an archive
	unpacked int64         // bytes of all files in it
	names    int           // files and folders in it
}

var defaultLimits = limits{stall: time.Minute, download: 1 << 30, unpacked: 4 << 30, names: 500_000}

// New is the store of the root module in the folder root.
func New(root string) *Store {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.DisableCompression = true // a checksum is that of the archive as it is kept
	transport.DisableKeepAlives = true
	return &Store{root: root, limits: defaultLimits, transport: transport, fetched: map[string]string{}}
}

// dir is the store's own folder.
func (s *Store) dir() string { return filepath.Join(s.root, ".diyform", "modules") }

// folder is the name of a call's folder in the store. It is the key, so that path.module stays
// the same over updates, except where that is the manifest's name or too long for a file name.
func folder(key string) string {
	if key == manifestFile || len(key) > 200 {
		return shortened(key)
	}
	return key
}

// checkKey refuses what is not a path of calls: names, joined by dots. The folder is made of it.
func checkKey(key string) error {
	for part := range strings.SplitSeq(key, ".") {
		if part == "" || strings.ContainsAny(part, "/\\\x00") {
			return fmt.Errorf("%q is no path of module calls, which is a bug", key)
		}
	}
	return nil
}

// Installed gives the folder of the module that was downloaded for the call key, if it came from
// this source.
func (s *Store) Installed(key, source string) (dir string, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.record == nil {
		s.record, _ = s.readManifest() // what cannot be read says that nothing is installed
	}
	return s.installed(key, source)
}

func (s *Store) installed(key, source string) (dir string, ok bool) {
	i := s.record.find(key)
	if i < 0 || s.record.Modules[i].Source != source {
		return "", false
	}
	dir = filepath.Join(s.root, s.record.Modules[i].Dir)
	info, err := os.Stat(dir)
	return dir, err == nil && info.IsDir()
}

// Modules are all that is installed, in the order of their keys.
func (s *Store) Modules() ([]Module, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	m, err := s.readManifest()
	if err != nil {
		return nil, err
	}
	s.record = m
	return slices.Clone(m.Modules), nil
}

// Resolve gives the folder that a Local source means to a module in the folder from. A module
// that was downloaded may call others of its package, and none outside: those would not be
// there, or be others, on the next machine.
func (s *Store) Resolve(from string, local Source) (dir string, err error) {
	dir = local.Path
	if !filepath.IsAbs(dir) {
		dir = filepath.Join(from, dir)
	}
	if pkg, ok := s.packageOf(from); ok && !within(pkg, dir) {
		return "", &diag.Problem{
			Summary: "Module source leads out of its package",
			Detail: fmt.Sprintf("%q is outside of what was downloaded with the module that calls it (%s). A downloaded module can call modules of its own package by their path, and others by where they are downloaded from.",
				local.Path, pkg),
		}
	}
	info, err := os.Stat(dir)
	if err == nil && !info.IsDir() {
		err = errors.New("it is a file, and a module is a folder")
	}
	if err != nil {
		return "", noFolder(local.Path, dir, err)
	}
	return dir, nil
}

// packageOf gives the package that a folder is in, if it was downloaded.
func (s *Store) packageOf(dir string) (pkg string, ok bool) {
	rel, err := filepath.Rel(s.dir(), dir)
	if err != nil || rel == "." || !filepath.IsLocal(rel) {
		return "", false
	}
	name, _, _ := strings.Cut(rel, string(filepath.Separator))
	return filepath.Join(s.dir(), name), true
}

func within(folder, name string) bool {
	rel, err := filepath.Rel(folder, name)
	return err == nil && filepath.IsLocal(rel)
}

// noFolder says that a module's folder is not there, and which one nearby may be meant.
func noFolder(source, dir string, err error) error {
	p := &diag.Problem{Summary: "Module folder not found", Err: err}
	if !errors.Is(err, fs.ErrNotExist) {
		p.Detail = fmt.Sprintf("The module's folder is %q, which cannot be read: %s", source, diag.Sentence(withoutPath(err)))
		return p
	}
	var known []string
	entries, _ := os.ReadDir(filepath.Dir(dir)) // without them there is nothing to suggest
	for _, e := range entries {
		if e.IsDir() {
			known = append(known, strings.TrimSuffix(source, filepath.Base(dir))+e.Name())
		}
	}
	p.Detail = fmt.Sprintf("There is no folder %q.%s A path is taken from the folder of the file that has it.", source, diag.Suggest(source, known))
	return p
}

// withoutPath is an error of a file without the file's name.
func withoutPath(err error) string {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err.Error()
	}
	return err.Error()
}
