package unpack

import (
	"fmt"
	"path"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/diyform/diyform/internal/linux/inode"
)

// The markers of the OCI image format's layers: image-spec, layer.md, "Whiteouts".
const (
	whiteoutPrefix = ".wh."
	opaqueMarker   = ".wh..wh..opq"
	aufsPrefix     = ".wh..wh." // of the storage driver that the markers come from: no files
)

// opaqueAttr hides what lower layers have in a folder: overlayfs.rst, "userxattr".
const opaqueAttr = "user.overlay.opaque"

// marker makes what a layer's marker says. It hides what lower layers have, never what the
// same layer has, whichever of them comes first.
func (x *extractor) marker(name string) (done bool, err error) {
	dir, base := path.Split(name)
	dir = strings.TrimSuffix(dir, "/")
	for _, parent := range strings.Split(dir, "/") {
		if strings.HasPrefix(parent, aufsPrefix) {
			return true, nil
		}
		if strings.HasPrefix(parent, whiteoutPrefix) {
			return false, fmt.Errorf("%w: it is in a folder whose name is that of a whiteout", ErrDamaged)
		}
	}
	switch {
	case base == opaqueMarker:
		return true, x.opaqueFolder(dir)
	case strings.HasPrefix(base, aufsPrefix):
		return true, nil
	case strings.HasPrefix(base, whiteoutPrefix):
		return true, x.whiteout(dir, strings.TrimPrefix(base, whiteoutPrefix))
	}
	return false, nil
}

func (x *extractor) opaqueFolder(dir string) error {
	folder, at, err := x.tree.folder(path.Join(x.base, dir), x.implied)
	if err != nil {
		return err
	}
	if at == x.base {
		x.stats.Opaque = true
	}
	return x.hide(folder, true)
}

func (x *extractor) whiteout(dir, victim string) error {
	if victim == "" || victim == "." || victim == ".." {
		return fmt.Errorf("%w: whiteout of %q", ErrEscapes, victim)
	}
	p, err := x.tree.place(path.Join(x.base, dir)+"/"+victim, x.implied)
	if err != nil {
		return err
	}
	err = p.folder.Mknod(p.name, unix.S_IFCHR, 0)
	if err != unix.EEXIST {
		return err
	}
	// This layer has something of that name, which hides a lower file by being there, and
	// would show what a lower folder holds.
	folder, err := p.folder.Folder(p.name)
	if err == unix.ENOTDIR {
		return nil
	}
	if err != nil {
		return err
	}
	defer folder.Close()
	return x.hide(folder, true)
}

// inherit gives a folder that this layer has no entry for, though something in it, what the
// layers below have it with, as overlayfs shows the uppermost's alone.
func (x *extractor) inherit(folder inode.Folder, at string) (bool, error) {
	for _, layer := range x.lower {
		from, err := layer.Below(at)
		switch err {
		case nil:
			defer from.Close()
			return true, x.copyMetadata(folder, from, at)
		case unix.ENOENT:
		case unix.ENOTDIR, unix.ELOOP:
			return false, nil // below a file or a whiteout nothing shows
		default:
			return false, fmt.Errorf("look at lower layer: %w", err)
		}
	}
	return false, nil
}

func (x *extractor) copyMetadata(to, from inode.Folder, at string) error {
	st, err := from.Node.Stat()
	if err != nil {
		return fmt.Errorf("look at lower layer: %w", err)
	}
	if !x.SingleOwner {
		if err := to.Chown(int(st.Uid), int(st.Gid)); err != nil {
			return fmt.Errorf("set owner: %w", err)
		}
	}
	if err := to.SetMode(st.Mode & 0o7777); err != nil {
		return fmt.Errorf("set mode: %w", err)
	}
	values, err := from.Xattrs(func(name string) bool { return taken(name) || name == defaultACL })
	if err != nil {
		return fmt.Errorf("look at lower layer: %w", err)
	}
	l := late{times: times{st.Atim, st.Mtim}, mode: st.Mode & 0o7777, acl: values[defaultACL]}
	delete(values, defaultACL)
	for name, value := range values {
		if err := to.SetXattr(name, value); err != nil {
			return fmt.Errorf("set attribute %s: %w", name, err)
		}
	}
	return x.later(at, l)
}

// isWhiteout recognises what overlayfs takes for a whiteout.
func isWhiteout(st unix.Stat_t) bool { return st.Mode&unix.S_IFMT == unix.S_IFCHR && st.Rdev == 0 }

// hide keeps what lower layers have in a folder from showing, if that is to be.
func (x *extractor) hide(folder inode.Folder, hide bool) error {
	if !x.Layer || !hide {
		return nil
	}
	err := folder.SetXattr(opaqueAttr, []byte("y"))
	if err == unix.EOPNOTSUPP {
		return ErrNoAttrs
	}
	return err
}
