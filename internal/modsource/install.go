package modsource

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/diyform/diyform/internal/diag"
	"github.com/diyform/diyform/internal/failpoint"
)

// Options are how a module is installed.
type Options struct {
	Update  bool              // download it even if it is there
	Offline bool              // of a Finder: download nothing
	Log     func(line string) // gets what goes on, for people; may be nil
	Ask     bool              // git and ssh may ask for a password at the terminal
}

// tempPrefix begins the names of what is not in its place yet.
const tempPrefix = ".tmp-"

// Install downloads the module for the call key, unless it is there already, and gives its
// folder. However it ends, the store has the former module or the new one as a whole, or
// neither: nothing is recorded until it is complete.
func (s *Store) Install(ctx context.Context, key, source string, o Options) (dir string, err error) {
	src, err := Parse(source)
	if err != nil {
		return "", err
	}
	if err := errors.Join(checkKey(key), checkRemote(src)); err != nil {
		return "", err
	}
	if o.Log == nil {
		o.Log = func(string) {}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	locked, err := s.lock(ctx, o.Log)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, locked.Close()) }()
	s.clean()
	// What is on record may have been changed by whoever had the lock.
	if s.record, err = s.readManifest(); err != nil {
		o.Log(fmt.Sprintf("What is recorded of downloaded modules is of no use (%s). They are downloaded again.", err))
	}
	if dir, ok := s.installed(key, source); ok && !o.Update {
		return dir, nil
	}
	return s.install(ctx, Module{Key: key, Source: source}, src, o)
}

func checkRemote(src Source) error {
	if !src.Remote() {
		return fmt.Errorf("install the folder %q, which is to be used where it is: that is a bug", src.Path)
	}
	return nil
}

func (s *Store) install(ctx context.Context, m Module, src Source, o Options) (string, error) {
	temp, err := os.MkdirTemp(s.dir(), tempPrefix)
	if err != nil {
		return "", fmt.Errorf("install module: %w", err)
	}
	defer os.RemoveAll(temp) // what is left is removed by the next one, too
	pkg := filepath.Join(temp, "package")
	got, err := s.obtain(ctx, m, src, pkg, o)
	if err != nil {
		return "", problem(ctx, m.Key, src, err)
	}
	failpoint.Hit("modules.obtained")
	subdir, err := locate(pkg, src)
	if err != nil {
		return "", err
	}
	m.Commit, m.Digest = got.commit, got.digest
	m.Dir = path.Join(".diyform", "modules", folder(m.Key), subdir)
	s.tellChange(m, o.Log)
	if err := s.place(m, pkg, temp); err != nil {
		return "", err
	}
	s.fetched[src.pkg()] = m.Key
	return filepath.Join(s.root, m.Dir), nil
}

// obtained is what was downloaded.
type obtained struct{ commit, digest string }

// obtain downloads the package, or copies it if this process has downloaded it for another call.
func (s *Store) obtain(ctx context.Context, m Module, src Source, pkg string, o Options) (obtained, error) {
	if i := s.record.find(s.fetched[src.pkg()]); i >= 0 && s.record.Modules[i].Key != m.Key {
		other := s.record.Modules[i]
		// Another command may have replaced it meanwhile, which a missing folder tells here.
		from := filepath.Join(s.dir(), folder(other.Key))
		if os.CopyFS(pkg, os.DirFS(from)) == nil {
			return obtained{other.Commit, other.Digest}, nil
		}
		if err := os.RemoveAll(pkg); err != nil {
			return obtained{}, err
		}
	}
	o.Log(fmt.Sprintf("Downloading %s for %s...", Display(m.Source), Called(m.Key)))
	var got obtained
	var err error
	if src.Kind == Git {
		got.commit, err = fetchGit(ctx, src, pkg, o)
	} else {
		got.digest, err = s.fetchArchive(ctx, src, pkg, o)
	}
	if err != nil {
		return obtained{}, err
	}
	return got, checkLinks(pkg)
}

// Called is a key as the language has it: module.lab.module.net.
func Called(key string) string { return "module." + strings.ReplaceAll(key, ".", ".module.") }

// tellChange says what an update has changed.
func (s *Store) tellChange(m Module, log func(string)) {
	i := s.record.find(m.Key)
	if i < 0 || s.record.Modules[i].Source != m.Source {
		return
	}
	was := s.record.Modules[i]
	if was.Commit == m.Commit && was.Digest == m.Digest {
		log(fmt.Sprintf("%s is unchanged, at %s.", Called(m.Key), m.version()))
	} else {
		log(fmt.Sprintf("%s is now at %s, and was at %s.", Called(m.Key), m.version(), was.version()))
	}
}

// place puts the package where it belongs. While it does, the module is not on record, so that a
// command that is killed in between leaves one that is downloaded again.
func (s *Store) place(m Module, pkg, temp string) error {
	home := filepath.Join(s.dir(), folder(m.Key))
	if s.record.find(m.Key) >= 0 {
		if err := s.write(s.record.without(m.Key)); err != nil {
			return err
		}
	}
	failpoint.Hit("modules.forgotten")
	if err := os.Rename(home, filepath.Join(temp, "former")); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("replace module: %w", err)
	}
	failpoint.Hit("modules.removed")
	if err := os.Rename(pkg, home); err != nil {
		return fmt.Errorf("place module: %w", err)
	}
	failpoint.Hit("modules.placed")
	if err := s.write(s.record.with(m)); err != nil {
		return err
	}
	failpoint.Hit("modules.recorded")
	return nil
}

// clean removes what commands that were killed have left. Whoever has the lock is the only one
// that has such files.
func (s *Store) clean() {
	for _, pattern := range []string{tempPrefix + "*", "." + manifestFile + "*"} {
		left, _ := filepath.Glob(filepath.Join(s.dir(), pattern)) // the patterns are right
		for _, name := range left {
			// What cannot be removed is in nobody's way.
			_ = os.RemoveAll(name)
		}
	}
}

// Prune removes the modules of calls that are no more, and gives their keys.
func (s *Store) Prune(ctx context.Context, keep func(key string) bool, o Options) (removed []string, err error) {
	if _, err := os.Stat(s.dir()); errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if o.Log == nil {
		o.Log = func(string) {}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	locked, err := s.lock(ctx, o.Log)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, locked.Close()) }()
	s.clean()
	m, err := s.readManifest()
	if err != nil {
		return nil, err
	}
	for _, x := range m.Modules {
		if !keep(x.Key) {
			removed = append(removed, x.Key)
		}
	}
	if len(removed) == 0 {
		return nil, nil
	}
	if err := s.write(m.without(removed...)); err != nil {
		return nil, err
	}
	for _, key := range removed {
		err = errors.Join(err, os.RemoveAll(filepath.Join(s.dir(), folder(key))))
	}
	return removed, err
}

// locate finds the module's folder in its package. It may be a pattern, as for the one folder
// at the top of many archives.
func locate(pkg string, src Source) (string, error) {
	if src.Subdir == "" {
		return "", nil
	}
	root, err := os.OpenRoot(pkg)
	if err != nil {
		return "", fmt.Errorf("look into module's package: %w", err)
	}
	defer root.Close()
	if info, err := root.Stat(src.Subdir); err == nil && info.IsDir() {
		return src.Subdir, nil
	}
	var found []string
	names, _ := fs.Glob(root.FS(), src.Subdir) // a bad pattern finds nothing
	for _, name := range names {
		if info, err := root.Stat(name); err == nil && info.IsDir() {
			found = append(found, name)
		}
	}
	if len(found) == 1 {
		return found[0], nil
	}
	return "", noSubdir(root, src, found)
}

func noSubdir(root *os.Root, src Source, found []string) error {
	p := &diag.Problem{Summary: "Module folder not found"}
	if len(found) > 1 {
		p.Detail = fmt.Sprintf("Several folders match %q in %s: %s. Write which one it is.", src.Subdir, src.pkgName(), strings.Join(found, ", "))
		return p
	}
	parent := path.Dir(src.Subdir)
	entries, _ := fs.ReadDir(root.FS(), parent) // without them there is nothing to suggest
	var known []string
	for _, e := range entries {
		if e.IsDir() {
			known = append(known, path.Join(parent, e.Name()))
		}
	}
	there := "There are no folders in it."
	if parent != "." {
		there = ""
	}
	if len(known) > 0 {
		there = fmt.Sprintf("Folders there are %s.", strings.Join(known[:min(len(known), 10)], ", "))
	}
	p.Detail = strings.TrimSpace(fmt.Sprintf("There is no folder %q in %s.%s %s", src.Subdir, src.pkgName(), diag.Suggest(src.Subdir, known), there))
	return p
}

// pkgName is the package of a source, for people.
func (s Source) pkgName() string {
	s.Subdir, s.Checksum = "", Checksum{}
	return s.String()
}

// problem is what people read of a download that failed.
func problem(ctx context.Context, key string, src Source, err error) error {
	var p *diag.Problem
	if errors.As(err, &p) {
		return err
	}
	why := err.Error()
	if cause := context.Cause(ctx); cause != nil {
		why, err = "it was interrupted", errors.Join(err, cause)
	}
	return &diag.Problem{
		Summary: "Cannot download module",
		Detail:  fmt.Sprintf("%s comes from %s: %s", Called(key), src.pkgName(), diag.Sentence(why)),
		Err:     err,
	}
}

// progress tells how a long download goes, now and then.
type progress struct {
	log  func(string)
	last time.Time
}

// progressEvery is how often.
const progressEvery = 5 * time.Second

func newProgress(log func(string)) *progress { return &progress{log, time.Now()} }

func (p *progress) tell(line func() string) {
	if now := time.Now(); now.Sub(p.last) >= progressEvery {
		p.last = now
		p.log(line())
	}
}
