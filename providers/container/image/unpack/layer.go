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
	delete(x.implicit, p.path) // what the layers below have there is gone with its metadata
	return x.hide(folder, true)
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
