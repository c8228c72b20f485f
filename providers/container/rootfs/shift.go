package rootfs

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/diyform/diyform/internal/linux/inode"
	"github.com/diyform/diyform/internal/linux/mount"
)

// shiftable is how many ids a container has at most. Others belong to nobody inside.
const shiftable = 65536

// shift puts a copy of a layer in its place, whose files belong to the container's ids. It
// is kept in the container's data folder: nobody else has these ids, and a restart finds it.
func (r *Root) shift(i int) error {
	if r.options.UID == 0 {
		return mount.ErrNotMappable // the container has root's id alone, which fits
	}
	layer := filepath.Join(r.options.Data, "layers", strconv.Itoa(i))
	if _, err := os.Lstat(layer); errors.Is(err, fs.ErrNotExist) {
		err = copyLayer(r.spec.Layers[i], layer, r.options.UID, r.options.GID)
		if err != nil {
			return fmt.Errorf("copy layer %s for the container's ids: %w", r.spec.Layers[i], err)
		}
	} else if err != nil {
		return fmt.Errorf("copy layer: %w", err)
	}
	m, err := mount.ClonePrivate(layer)
	if err != nil {
		return err
	}
	r.lower[i].Close()
	r.lower[i] = m
	return nil
}

// copyLayer makes a copy that is there when it is whole.
func copyLayer(from, to string, uid, gid int) error {
	part := to + ".part"
	if err := os.RemoveAll(part); err != nil {
		return err
	}
	if err := os.MkdirAll(part, 0o700); err != nil {
		return err
	}
	source, err := inode.OpenFolder(from)
	if err != nil {
		return err
	}
	defer source.Close()
	target, err := inode.OpenFolder(part)
	if err != nil {
		return err
	}
	defer target.Close()
	s := shifter{uid: uid, gid: gid, links: map[uint64]string{}, top: target}
	if err := s.content(source, target, "."); err != nil {
		return err
	}
	st, err := source.Stat(".")
	if err != nil {
		return err
	}
	if err := s.properties(source.Node, target.Node, st); err != nil {
		return err
	}
	return os.Rename(part, to)
}

// shifter copies a tree of files, with owners that are some ids further on. The source is in
// the image store, where nothing changes.
type shifter struct {
	uid, gid int
	top      inode.Folder
	links    map[uint64]string // the first name, from the top, of files that have several
}

func (s *shifter) content(from, to inode.Folder, path string) error {
	dir, err := from.Names()
	if err != nil {
		return fmt.Errorf("read %s: %w", path, err)
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return fmt.Errorf("read %s: %w", path, err)
	}
	for _, name := range names {
		below := filepath.Join(path, name)
		if err := s.entry(from, to, name, below); err != nil {
			return fmt.Errorf("copy %s: %w", below, err)
		}
	}
	return nil
}

func (s *shifter) entry(from, to inode.Folder, name, path string) error {
	st, err := from.Stat(name)
	if err != nil {
		return err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFDIR && st.Nlink > 1 {
		if first, known := s.links[st.Ino]; known {
			return s.link(first, to, name)
		}
		s.links[st.Ino] = path
	}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFLNK:
		return s.symlink(from, to, name, st)
	case unix.S_IFDIR:
		err = to.Mkdir(name, 0o700)
	case unix.S_IFREG:
		err = copyText(from, to, name)
	default:
		err = to.Mknod(name, st.Mode, st.Rdev)
	}
	if err != nil {
		return err
	}
	return s.finish(from, to, name, path, st)
}

// finish copies what a file has besides its text, and last a folder's, as its content changes
// when it was changed.
func (s *shifter) finish(from, to inode.Folder, name, path string, st unix.Stat_t) error {
	source, err := from.Open(name)
	if err != nil {
		return err
	}
	defer source.Close()
	target, err := to.Open(name)
	if err != nil {
		return err
	}
	defer target.Close()
	if st.Mode&unix.S_IFMT == unix.S_IFDIR {
		if err := s.content(inode.Folder{Node: source}, inode.Folder{Node: target}, path); err != nil {
			return err
		}
	}
	return s.properties(source, target, st)
}

func (s *shifter) link(first string, to inode.Folder, name string) error {
	parent, err := s.top.Below(filepath.Dir(first))
	if err != nil {
		return err
	}
	defer parent.Close()
	return to.Link(parent, filepath.Base(first), name)
}

func (s *shifter) symlink(from, to inode.Folder, name string, st unix.Stat_t) error {
	target, err := from.Readlink(name)
	if err != nil {
		return err
	}
	if err := to.Symlink(target, name); err != nil {
		return err
	}
	uid, gid := s.owner(st)
	return errors.Join(to.ChownLink(name, uid, gid), to.SetLinkTimes(name, st.Atim, st.Mtim))
}

func copyText(from, to inode.Folder, name string) error {
	node, err := from.Open(name)
	if err != nil {
		return err
	}
	defer node.Close()
	source, err := node.Read()
	if err != nil {
		return err
	}
	defer source.Close()
	target, err := to.Create(name)
	if err != nil {
		return err
	}
	defer target.Close()
	_, err = io.Copy(writer{target}, source)
	return err
}

// writer is a file as io.Copy wants it.
type writer struct{ inode.File }

func (w writer) Write(b []byte) (int, error) {
	if err := w.File.Write(b); err != nil {
		return 0, err
	}
	return len(b), nil
}

// properties copies owner, mode, attributes and times, in this order: a new owner takes away
// set-user-ID bits and capabilities.
func (s *shifter) properties(from, to inode.Node, st unix.Stat_t) error {
	uid, gid := s.owner(st)
	if err := to.Chown(uid, gid); err != nil {
		return err
	}
	if err := to.SetMode(st.Mode & 0o7777); err != nil {
		return err
	}
	attributes, err := from.Xattrs(func(name string) bool {
		return name == capabilityName || strings.HasPrefix(name, "user.") || strings.HasPrefix(name, aclPrefix)
	})
	if err != nil {
		return err
	}
	for name, value := range attributes {
		switch {
		case name == capabilityName:
			value = shiftCapability(value, s.uid)
		case strings.HasPrefix(name, aclPrefix):
			value = s.shiftACL(value)
		}
		if err := to.SetXattr(name, value); err != nil {
			return fmt.Errorf("set attribute %s: %w", name, err)
		}
	}
	return to.SetTimes(st.Atim, st.Mtim)
}

func (s *shifter) owner(st unix.Stat_t) (uid, gid int) {
	return further(st.Uid, s.uid), further(st.Gid, s.gid)
}

func further(id uint32, first int) int {
	if id >= shiftable {
		return int(id)
	}
	return int(id) + first
}

const (
	capabilityName = "security.capability"
	aclPrefix      = "system.posix_acl_"
)

// shiftCapability makes of a file's capabilities, struct vfs_cap_data in the kernel, those
// that count where the container's root is root: struct vfs_ns_cap_data of version 3.
func shiftCapability(value []byte, rootID int) []byte {
	const withoutRoot, version, version3 = 20, 0xFF000000, 0x03000000
	if len(value) < withoutRoot {
		return value // of version 1: not in use since Linux 2.6.25
	}
	shifted := append([]byte{}, value[:withoutRoot]...)
	flags := binary.LittleEndian.Uint32(shifted) &^ version
	binary.LittleEndian.PutUint32(shifted, flags|version3)
	return binary.LittleEndian.AppendUint32(shifted, uint32(rootID))
}

// shiftACL changes the ids in an access control list: linux/posix_acl_xattr.h.
func (s *shifter) shiftACL(value []byte) []byte {
	const header, entry, user, group = 4, 8, 0x02, 0x08
	shifted := append([]byte{}, value...)
	for at := header; at+entry <= len(shifted); at += entry {
		id := binary.LittleEndian.Uint32(shifted[at+4:])
		switch binary.LittleEndian.Uint16(shifted[at:]) {
		case user:
			binary.LittleEndian.PutUint32(shifted[at+4:], uint32(further(id, s.uid)))
		case group:
			binary.LittleEndian.PutUint32(shifted[at+4:], uint32(further(id, s.gid)))
		}
	}
	return shifted
}
