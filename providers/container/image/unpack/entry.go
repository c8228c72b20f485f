package unpack

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"path"

	"golang.org/x/sys/unix"

	"github.com/diyform/diyform/internal/linux/inode"
)

// entry makes what an entry says.
func (x *extractor) entry(h *tar.Header, content io.Reader) error {
	x.header = h
	if h.Typeflag == tar.TypeXGlobalHeader || h.Typeflag == typeVolume {
		return nil // not about a file
	}
	name, err := clean(h.Name)
	if err != nil {
		return err
	}
	if x.Layer {
		if done, err := x.marker(name); done || err != nil {
			return err
		}
	}
	full := path.Join(x.base, name)
	if name == "" && h.Typeflag == tar.TypeDir {
		return x.rootFolder(full)
	}
	if full == "" {
		return fmt.Errorf("%w: the root is one", ErrIsFolder)
	}
	p, err := x.tree.place(full, x.implied)
	if err != nil {
		return err
	}
	return x.produce(p, content)
}

// typeVolume is the label of a GNU archive.
const typeVolume = 'V'

func (x *extractor) produce(p place, content io.Reader) error {
	switch h := x.header; h.Typeflag {
	case tar.TypeReg, tar.TypeCont, tar.TypeGNUSparse:
		return x.file(p, content)
	case tar.TypeDir:
		return x.folder(p)
	case tar.TypeSymlink:
		return x.symlink(p)
	case tar.TypeLink:
		return x.hardLink(p)
	case tar.TypeChar:
		return x.device(p, unix.S_IFCHR)
	case tar.TypeBlock:
		return x.device(p, unix.S_IFBLK)
	case tar.TypeFifo:
		return x.node(p, unix.S_IFIFO, 0)
	default:
		return fmt.Errorf("it is of type %q, which is not known", h.Typeflag)
	}
}

// rootFolder is the entry for the archive's own root, "./".
func (x *extractor) rootFolder(full string) error {
	if full != "" {
		p, err := x.tree.place(full, x.implied)
		if err != nil {
			return err
		}
		if _, err := p.folder.Stat(p.name); err == unix.ENOENT {
			return x.folder(p)
		}
	}
	folder, at, err := x.tree.folder(full, x.implied)
	if err != nil || x.Over {
		return err
	}
	return x.settleFolder(folder, at)
}

// implied makes a folder that the archive has no entry for, or not yet.
func (x *extractor) implied(p place) error {
	st, err := p.folder.Stat(p.name)
	if err == nil && !(x.Layer && isWhiteout(st)) {
		return ErrNotFolder
	}
	replaced, err := x.create(p, true, func() error { return p.folder.Mkdir(p.name, 0o755) })
	if err != nil {
		return err
	}
	folder, err := p.folder.Folder(p.name)
	if err != nil {
		return err
	}
	defer folder.Close()
	if err := x.hide(folder, replaced); err != nil {
		return err
	}
	if replaced {
		delete(x.implicit, p.path)
	} else {
		x.implicit[p.path] = true
	}
	if uid, gid, ok := x.fixedOwner(); ok {
		if err := folder.Chown(uid, gid); err != nil {
			return err
		}
	}
	if err := folder.SetMode(0o755); err != nil { // whatever the umask is
		return err
	}
	return x.later(p.path, late{times: x.times(), mode: 0o755})
}

func (x *extractor) folder(p place) error {
	replaced, err := x.create(p, true, func() error { return p.folder.Mkdir(p.name, 0o700) })
	if err != nil {
		return err
	}
	folder, at, err := x.tree.folder(p.path, nil)
	if err != nil {
		return err
	}
	if err := x.hide(folder, replaced); err != nil {
		return err
	}
	return x.settleFolder(folder, at)
}

func (x *extractor) file(p place, content io.Reader) error {
	var f inode.File
	_, err := x.create(p, false, func() (err error) { f, err = p.folder.Create(p.name); return err })
	if x.Over && err == unix.EBUSY { // something is mounted there, as on /etc/hosts of a container
		f, err = p.folder.Truncate(p.name)
	}
	if err != nil {
		return err
	}
	defer f.Close()
	copyContent := x.copyAll
	if isSparse(x.header) {
		copyContent = x.copySparse
	}
	if err := copyContent(f, content); err != nil {
		return err
	}
	x.stats.Size += x.header.Size
	return x.settle(f)
}

// copyAll writes a file's content.
func (x *extractor) copyAll(f inode.File, content io.Reader) error {
	for left := x.header.Size; left > 0; {
		n, err := content.Read(x.buffer[:min(left, int64(len(x.buffer)))])
		if n > 0 {
			if err := f.Write(x.buffer[:n]); err != nil {
				return fmt.Errorf("write: %w", err)
			}
			left -= int64(n)
		}
		if err != nil && (left > 0 || !errors.Is(err, io.EOF)) {
			return x.unreadable(short(err))
		}
		if err := x.pause(); err != nil {
			return err
		}
	}
	return nil
}

// short is what an early end of a content means.
func short(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// pause is called while a long file is copied.
func (x *extractor) pause() error {
	if x.due() {
		x.report()
	}
	return context.Cause(x.ctx)
}

func (x *extractor) symlink(p place) error {
	_, err := x.create(p, false, func() error { return p.folder.Symlink(x.header.Linkname, p.name) })
	if err != nil {
		return err
	}
	return x.settleLink(p)
}

// hardLink links to what an earlier entry made, and nothing else.
func (x *extractor) hardLink(p place) error {
	target, err := clean(x.header.Linkname)
	if err != nil {
		return err
	}
	from, err := x.tree.place(path.Join(x.base, target), nil)
	if err == nil && from.path == p.path {
		_, err = p.folder.Stat(p.name)
		return err
	}
	if err == nil {
		_, err = x.create(p, false, func() error { return p.folder.Link(from.folder, from.name, p.name) })
	}
	if x.Layer && err == unix.ENOENT {
		err = fmt.Errorf("no earlier entry of the layer is called so, and what other layers have cannot be linked to: %w", err)
	}
	if err != nil {
		return fmt.Errorf("link to %q: %w", x.header.Linkname, err)
	}
	return nil
}

func (x *extractor) device(p place, kind uint32) error {
	h := x.header
	if x.NoDevices {
		x.stats.Devices++
		return nil
	}
	if h.Devmajor < 0 || h.Devmajor > 0xfff || h.Devminor < 0 || h.Devminor > 0xfffff {
		return fmt.Errorf("there is no device %d:%d", h.Devmajor, h.Devminor)
	}
	err := x.node(p, kind, inode.Device(uint32(h.Devmajor), uint32(h.Devminor)))
	if errors.Is(err, unix.EPERM) {
		x.stats.Devices++
		return nil
	}
	return err
}

func (x *extractor) node(p place, kind uint32, device uint64) error {
	_, err := x.create(p, false, func() error { return p.folder.Mknod(p.name, kind|0o600, device) })
	if err != nil {
		return err
	}
	n, err := p.folder.Open(p.name)
	if err != nil {
		return err
	}
	defer n.Close()
	// In a container's tree it may have been exchanged for something else meanwhile.
	if st, err := n.Stat(); err != nil || st.Mode&unix.S_IFMT != kind || st.Rdev != device {
		return errors.Join(err, errors.New("somebody exchanged it meanwhile"))
	}
	return x.settle(n)
}

// create makes a file, once what has its name is out of the way. A folder that is to be a
// folder stays. replaced says that something else was there.
func (x *extractor) create(p place, folder bool, create func() error) (replaced bool, err error) {
	err = create()
	if err != unix.EEXIST {
		return false, err
	}
	st, err := p.folder.Stat(p.name)
	if err != nil {
		return false, err
	}
	wasFolder := st.Mode&unix.S_IFMT == unix.S_IFDIR
	switch {
	case wasFolder && folder:
		return false, nil
	case wasFolder && x.Over:
		return false, ErrIsFolder
	case folder && x.Over:
		return false, ErrNotFolder
	case wasFolder:
		x.tree.forget(p.path)
		err = p.folder.RemoveAll(p.name)
	default:
		err = p.folder.Unlink(p.name)
	}
	if err != nil {
		return false, err
	}
	return true, create()
}
