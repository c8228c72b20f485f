package unpack

import (
	"os"
	"path"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/diyform/diyform/internal/linux/inode"
)

// tree finds folders below a root. It goes down one component at a time from the root's
// descriptor, follows symbolic links by their text, and goes up by what it remembers. So no
// text in an archive or a container, and nobody who exchanges folders for links meanwhile,
// can lead it out of the root.
//
// Entries mostly come folder by folder: what was opened stays open, by its path without
// symbolic links, so that an entry costs one look-up in a map.
type tree struct {
	root inode.Folder
	open map[string]inode.Folder
}

// place is where a file is or will be.
type place struct {
	folder inode.Folder
	name   string // "" for the root itself
	path   string // from the root, without symbolic links
}

const (
	openFolders = 128
	// maxLinks is how many symbolic links may be followed: path_resolution(7).
	maxLinks = 40
)

func newTree(root inode.Folder) *tree {
	return &tree{root: root, open: map[string]inode.Folder{}}
}

// maker makes a folder that is missing on the way to an entry, or is no folder.
type maker func(p place) error

// folder opens the folder of a path, following symbolic links. missing may be nil.
func (t *tree) folder(name string, missing maker) (inode.Folder, string, error) {
	if f, ok := t.open[name]; ok {
		return f, name, nil
	}
	w := walk{tree: t, folder: t.root, missing: missing}
	w.push(name)
	for len(w.rest) > 0 {
		next := w.rest[len(w.rest)-1]
		w.rest = w.rest[:len(w.rest)-1]
		if err := w.step(next); err != nil {
			return inode.Folder{}, "", err
		}
	}
	return w.folder, w.at, nil
}

// place gives where a path leads, following symbolic links in all components but the last.
func (t *tree) place(name string, missing maker) (place, error) {
	dir, base := path.Split(name)
	folder, at, err := t.folder(strings.TrimSuffix(dir, "/"), missing)
	return place{folder, base, path.Join(at, base)}, err
}

// walk is one search on its way.
type walk struct {
	tree    *tree
	missing maker
	folder  inode.Folder
	at      string   // the path of folder
	rest    []string // components still to go, the next one last
	links   int
}

func (w *walk) push(name string) {
	parts := strings.Split(name, "/")
	slices.Reverse(parts)
	w.rest = append(w.rest, parts...)
}

func (w *walk) step(name string) error {
	switch name {
	case "", ".":
		return nil
	case "..":
		return w.up()
	}
	p := place{w.folder, name, path.Join(w.at, name)}
	if f, ok := w.tree.open[p.path]; ok {
		w.folder, w.at = f, p.path
		return nil
	}
	if len(p.path) >= unix.PathMax {
		return unix.ENAMETOOLONG
	}
	f, err := p.folder.Folder(name)
	if err == unix.ENOTDIR || err == unix.ELOOP {
		if done, linkErr := w.follow(p); done || linkErr != nil {
			return linkErr
		}
	}
	if (err == unix.ENOENT || err == unix.ENOTDIR) && w.missing != nil {
		if err := w.missing(p); err != nil {
			return err
		}
		f, err = p.folder.Folder(name)
	}
	if err == unix.ENOTDIR {
		return ErrNotFolder
	}
	if err != nil {
		return err
	}
	w.tree.open[p.path] = f
	w.folder, w.at = f, p.path
	return nil
}

// follow goes on where a symbolic link points to, if that is what the name is.
func (w *walk) follow(p place) (bool, error) {
	target, err := p.folder.Readlink(p.name)
	if err == unix.EINVAL {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if w.links++; w.links > maxLinks {
		return false, unix.ELOOP
	}
	if strings.HasPrefix(target, "/") {
		w.folder, w.at = w.tree.root, ""
	}
	w.push(target)
	return true, nil
}

// up goes to the parent as it was when this went down, which is never above the root.
func (w *walk) up() error {
	dir, _ := path.Split(w.at)
	w.at = strings.TrimSuffix(dir, "/")
	w.folder = w.tree.root
	if w.at != "" {
		w.folder = w.tree.open[w.at] // with a folder, all on the way to it are open
	}
	return nil
}

// trim closes folders when there are many: entries tend not to come back to them.
func (t *tree) trim() {
	if len(t.open) > openFolders {
		t.close()
	}
}

// forget closes what is open at and below a path, which is something else from now on.
func (t *tree) forget(name string) {
	for at, f := range t.open {
		if at == name || strings.HasPrefix(at, name+"/") {
			f.Close()
			delete(t.open, at)
		}
	}
}

func (t *tree) close() {
	for _, f := range t.open {
		f.Close()
	}
	clear(t.open)
}

// Found is where a path leads.
type Found struct {
	Path   string // from the root, without symbolic links; "" is the root
	Exists bool
	Folder bool
}

// Locate finds out where a path below root leads, following all symbolic links, without
// leaving root. What is at its end may be missing, not so the folder for it.
func Locate(root *os.File, name string) (Found, error) {
	folder, err := inode.FolderOf(root)
	if err != nil {
		return Found{}, err
	}
	defer folder.Close()
	t := newTree(folder)
	defer t.close()
	p, err := t.find(name, true)
	if err == unix.ENOENT && strings.HasSuffix(name, "/") {
		p, err = t.find(strings.TrimRight(name, "/"), true)
	}
	if err != nil || p.path == "" {
		return Found{Exists: true, Folder: true}, err
	}
	st, err := p.folder.Stat(p.name)
	if err == unix.ENOENT {
		return Found{Path: p.path}, nil
	}
	return Found{p.path, true, st.Mode&unix.S_IFMT == unix.S_IFDIR}, err
}
