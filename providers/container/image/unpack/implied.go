package unpack

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/diyform/diyform/internal/linux/inode"
)

// Layer is an unpacked layer of an image.
type Layer struct {
	Dir     string   `json:"dir"`
	Implied []string `json:"implied"` // Stats.Implied
}

// Complete makes, in the empty folder dest, one more layer to be put above those of an image,
// the uppermost first. A layer may have files in a folder that it has no entry for: then the
// layers below say whose the folder is, and what its mode, times and attributes are, but
// overlayfs shows only what the uppermost one has. The layer on top has such folders as the
// image means them, and nothing else. A layer itself can thus be shared by images in which
// others are below it.
//
// The result is how many folders there are; if none, the layer is not needed.
func Complete(dest string, layers []Layer, o Options) (int, error) {
	root, err := inode.OpenFolder(dest)
	if err != nil {
		return 0, fmt.Errorf("open %s: %w", dest, err)
	}
	defer root.Close()
	c := completer{dest: root, single: o.SingleOwner, made: map[string]bool{}}
	for _, l := range layers {
		folder, err := inode.OpenFolder(l.Dir)
		if err != nil {
			return 0, fmt.Errorf("open layer %s: %w", l.Dir, err)
		}
		defer folder.Close()
		implied := map[string]bool{}
		for _, at := range l.Implied {
			implied[at] = true
		}
		c.layers = append(c.layers, stacked{folder, implied})
	}
	if err := c.all(); err != nil {
		return 0, err
	}
	return len(c.made), nil
}

// topFolder is the name of the root among the implied folders.
const topFolder = "."

type completer struct {
	dest   inode.Folder
	single bool
	layers []stacked       // the uppermost first
	made   map[string]bool // folders of dest
}

type stacked struct {
	folder  inode.Folder
	implied map[string]bool
}

func (c *completer) all() error {
	for _, l := range c.layers {
		for _, at := range slices.Sorted(maps.Keys(l.implied)) {
			if err := c.consider(at); err != nil {
				return &EntryError{Entry: at, Err: err}
			}
		}
	}
	// Only when all are made: a new folder changes the time of the one that it is in, and
	// inherits its default ACL.
	for _, at := range slices.Sorted(maps.Keys(c.made)) {
		if err := c.settle(at); err != nil {
			return &EntryError{Entry: at, Err: err}
		}
	}
	return nil
}

// consider makes a folder if the image shows it otherwise than it means it.
func (c *completer) consider(at string) error {
	if c.made[at] {
		return nil
	}
	meant, covered, err := c.meant(at)
	if err != nil || meant == nil {
		return err
	}
	meant.Close()
	if !covered {
		return nil
	}
	return c.make(at)
}

func (c *completer) make(at string) error {
	if c.made[at] {
		return nil
	}
	if at != topFolder {
		if err := c.make(path.Dir(at)); err != nil {
			return err
		}
		parent, err := c.dest.Below(path.Dir(at))
		if err != nil {
			return err
		}
		defer parent.Close()
		if err := parent.Mkdir(path.Base(at), 0o700); err != nil {
			return err
		}
	}
	c.made[at] = true
	return nil
}

// meant finds the folder that says what the one at a path is like: the uppermost for which
// its layer had an entry, or else the uppermost. covered says that another one shows instead.
// It is nil where the image shows no folder.
func (c *completer) meant(at string) (folder *inode.Folder, covered bool, err error) {
	var top *inode.Folder
	for _, l := range c.layers {
		f, hides, err := l.look(at)
		if err != nil {
			return nil, false, fmt.Errorf("look at layer: %w", err)
		}
		switch {
		case f == nil:
		case !l.implied[at]:
			if top != nil {
				top.Close()
			}
			return f, top != nil, nil
		case top == nil:
			top = f
		default:
			f.Close()
		}
		if hides {
			break
		}
	}
	return top, false, nil
}

// look gives the folder that a layer has at a path, or nil. hides says that what lower layers
// have there does not show.
func (l stacked) look(at string) (folder *inode.Folder, hides bool, err error) {
	f, err := l.folder.Below(topFolder)
	if err != nil || at == topFolder {
		return &f, false, err
	}
	for name := range strings.SplitSeq(at, "/") {
		// What a folder hides is in it: of itself the layers below have a say.
		marks, err := f.Xattrs(func(name string) bool { return name == opaqueAttr })
		hides = hides || len(marks) > 0
		var next inode.Folder
		if err == nil {
			next, err = f.Folder(name)
		}
		f.Close()
		switch err {
		case nil:
			f = next
		case unix.ENOENT:
			return nil, hides, nil
		case unix.ENOTDIR, unix.ELOOP: // a file, or a whiteout
			return nil, true, nil
		default:
			return nil, false, err
		}
	}
	return &f, hides, nil
}

// settle gives a folder the metadata of the one that says what it is like.
func (c *completer) settle(at string) error {
	from, _, err := c.meant(at)
	if err != nil || from == nil {
		return err
	}
	defer from.Close()
	to, err := c.dest.Below(at)
	if err != nil {
		return err
	}
	defer to.Close()
	st, err := from.Node.Stat()
	if err != nil {
		return err
	}
	if !c.single {
		if err := to.Chown(int(st.Uid), int(st.Gid)); err != nil {
			return fmt.Errorf("set owner: %w", err)
		}
	}
	if err := to.SetMode(st.Mode & 0o7777); err != nil {
		return fmt.Errorf("set mode: %w", err)
	}
	values, err := from.Xattrs(func(name string) bool { return taken(name) || name == defaultACL })
	if err != nil {
		return fmt.Errorf("read attributes: %w", err)
	}
	for name, value := range values {
		if err := to.SetXattr(name, value); err != nil {
			return fmt.Errorf("set attribute %s: %w", name, err)
		}
	}
	if err := to.SetTimes(st.Atim, st.Mtim); err != nil {
		return fmt.Errorf("set times: %w", err)
	}
	return nil
}
