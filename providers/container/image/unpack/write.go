package unpack

import (
	"archive/tar"
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/diyform/diyform/internal/linux/inode"
)

// WriteOptions say what an archive is made of.
type WriteOptions struct {
	// Name is what the archive calls the file or folder at its root; left out, it is ".".
	Name string
	// Follow takes what a symbolic link at the path points to, not the link.
	Follow bool
	// Xattrs takes along file capabilities, ACLs and user attributes.
	Xattrs bool
}

// Write writes a tar archive of what is at path below root, which it never leaves: neither by
// symbolic links, nor if somebody exchanges what is there meanwhile. Left out are sockets and
// what is in file systems that only show the kernel's state (proc, sysfs and the like), if
// path is not in one. Owners are those that this process sees.
//
// before, if given, is called with what is there before anything is written.
func Write(ctx context.Context, w io.Writer, root *os.File, path string, o WriteOptions, before func(Found) error) error {
	folder, err := inode.FolderOf(root)
	if err != nil {
		return fmt.Errorf("open %s: %w", root.Name(), err)
	}
	defer folder.Close()
	t := newTree(folder)
	defer t.close()
	p, err := t.find(path, o.Follow)
	if err != nil {
		return fmt.Errorf("find %s: %w", path, err)
	}
	if before != nil {
		st, err := p.stat()
		if err == nil {
			err = before(Found{p.path, true, st.Mode&unix.S_IFMT == unix.S_IFDIR})
		}
		if err != nil {
			return err
		}
	}
	a := &writer{
		WriteOptions: o, ctx: ctx, tar: tar.NewWriter(w), links: map[inodeID]string{}, buffer: make([]byte, bufferSize),
	}
	if err := a.add(p, cmp.Or(o.Name, ".")); err != nil {
		return err
	}
	return a.tar.Close()
}

// find is place that with follow goes on to where a symbolic link at the end points. A path
// that ends in a slash is a folder's.
func (t *tree) find(name string, follow bool) (place, error) {
	isFolder := strings.HasSuffix(name, "/") || path.Base(name) == "." || path.Base(name) == ".."
	if isFolder {
		return t.resolved(name)
	}
	for range maxLinks {
		p, err := t.place(name, nil)
		if err != nil || !follow || p.name == "" {
			return p, err
		}
		target, err := p.folder.Readlink(p.name)
		if err == unix.EINVAL || err == unix.ENOENT {
			return p, nil
		}
		if err != nil {
			return place{}, err
		}
		if path.Base(target) == ".." || path.Base(target) == "." || strings.HasSuffix(target, "/") {
			return t.resolved(beside(p.path, target))
		}
		name = beside(p.path, target)
	}
	return place{}, unix.ELOOP
}

// beside gives the path that a link's target means. It is not cleaned: ".." behind another
// link is not the folder that is written before it.
func beside(link, target string) string {
	if strings.HasPrefix(target, "/") {
		return target
	}
	dir, _ := path.Split(link)
	return dir + target
}

// resolved gives the place of a folder by a path of folders and links to such.
func (t *tree) resolved(name string) (place, error) {
	_, at, err := t.folder(strings.Trim(name, "/"), nil)
	if err != nil {
		return place{}, err
	}
	return t.place(at, nil)
}

// inodeID tells a file with several names.
type inodeID struct{ device, inode uint64 }

// writer is an archive being written.
type writer struct {
	WriteOptions
	ctx    context.Context
	tar    *tar.Writer
	links  map[inodeID]string // by their first name in the archive
	buffer []byte
}

// add writes what is at a place, and below.
func (a *writer) add(p place, name string) error {
	if err := context.Cause(a.ctx); err != nil {
		return err
	}
	n, err := p.open()
	if err != nil {
		return fmt.Errorf("open %s: %w", name, err)
	}
	defer n.Close()
	st, err := n.Stat()
	if err != nil {
		return fmt.Errorf("look at %s: %w", name, err)
	}
	h := header(st, name)
	if h == nil {
		return nil
	}
	switch h.Typeflag {
	case tar.TypeSymlink:
		if h.Linkname, err = p.folder.Readlink(p.name); err != nil {
			return fmt.Errorf("read link %s: %w", name, err)
		}
	case tar.TypeReg:
		return a.file(n, st, h)
	case tar.TypeDir:
		return a.folder(n, h)
	}
	return a.write(h)
}

func (p place) stat() (unix.Stat_t, error) {
	n, err := p.open()
	if err != nil {
		return unix.Stat_t{}, err
	}
	defer n.Close()
	return n.Stat()
}

// open opens what is at the place, which for the root is the root.
func (p place) open() (inode.Node, error) {
	if p.name == "" {
		return p.folder.Open(".")
	}
	return p.folder.Open(p.name)
}

// header gives what an archive says of a file, but for its content. nil: it has no place in
// an archive.
func header(st unix.Stat_t, name string) *tar.Header {
	h := &tar.Header{
		Name: name, Mode: int64(st.Mode & 0o7777), Uid: int(st.Uid), Gid: int(st.Gid),
		ModTime: time.Unix(st.Mtim.Unix()), Format: tar.FormatPAX,
	}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFREG:
		h.Typeflag, h.Size = tar.TypeReg, st.Size
	case unix.S_IFDIR:
		h.Typeflag, h.Name = tar.TypeDir, name+"/"
	case unix.S_IFLNK:
		h.Typeflag = tar.TypeSymlink
	case unix.S_IFIFO:
		h.Typeflag = tar.TypeFifo
	case unix.S_IFCHR:
		h.Typeflag = tar.TypeChar
	case unix.S_IFBLK:
		h.Typeflag = tar.TypeBlock
	default:
		return nil
	}
	if h.Typeflag == tar.TypeChar || h.Typeflag == tar.TypeBlock {
		major, minor := inode.DeviceNumbers(st.Rdev)
		h.Devmajor, h.Devminor = int64(major), int64(minor)
	}
	return h
}

func (a *writer) write(h *tar.Header) error {
	if err := a.tar.WriteHeader(h); err != nil {
		return fmt.Errorf("write %s: %w", h.Name, err)
	}
	return nil
}

func (a *writer) file(n inode.Node, st unix.Stat_t, h *tar.Header) error {
	id := inodeID{st.Dev, st.Ino}
	if first, ok := a.links[id]; ok {
		h.Typeflag, h.Linkname, h.Size = tar.TypeLink, first, 0
		return a.write(h)
	}
	if st.Nlink > 1 {
		a.links[id] = h.Name
	}
	f, err := n.Read()
	if err != nil {
		return fmt.Errorf("open %s: %w", h.Name, err)
	}
	defer f.Close()
	if err := a.xattrs(n, h); err != nil {
		return err
	}
	content, err := a.content(f, h)
	if err != nil {
		return fmt.Errorf("read %s: %w", h.Name, err)
	}
	if err := a.write(h); err != nil {
		return err
	}
	if _, err := io.CopyBuffer(struct{ io.Writer }{a.tar}, content, a.buffer); err != nil {
		return fmt.Errorf("copy %s: %w", h.Name, err)
	}
	return a.flush(h.Name)
}

// flush fails where a file had less content than its size: it became shorter meanwhile.
func (a *writer) flush(name string) error {
	if err := a.tar.Flush(); err != nil {
		return fmt.Errorf("copy %s: it became shorter meanwhile: %w", name, err)
	}
	return nil
}

const (
	// kernelSize is up to what size a file may be one of the kernel's, whose size is none: 0 in
	// proc, a page in sysfs.
	kernelSize = 4 << 10
	// kernelContent is the most that such a file may have.
	kernelContent = 4 << 20
)

// content gives what a file has, which may grow meanwhile.
func (a *writer) content(f *os.File, h *tar.Header) (io.Reader, error) {
	if h.Size > kernelSize {
		return io.LimitReader(f, h.Size), nil
	}
	text, err := io.ReadAll(io.LimitReader(f, kernelContent+1))
	if err != nil {
		return nil, err
	}
	if len(text) > kernelContent {
		return nil, errors.New("it has no size, and does not end")
	}
	h.Size = int64(len(text))
	return bytes.NewReader(text), nil
}

func (a *writer) xattrs(n inode.Node, h *tar.Header) error {
	if !a.Xattrs {
		return nil
	}
	values, err := n.Xattrs(func(name string) bool { return taken(name) || name == defaultACL })
	if err != nil {
		return fmt.Errorf("read attributes of %s: %w", h.Name, err)
	}
	for name, value := range values {
		if h.PAXRecords == nil {
			h.PAXRecords = map[string]string{}
		}
		h.PAXRecords[xattrRecord+name] = string(value)
	}
	return nil
}

func (a *writer) folder(n inode.Node, h *tar.Header) error {
	if err := a.xattrs(n, h); err != nil {
		return err
	}
	if err := a.write(h); err != nil {
		return err
	}
	folder := inode.Folder{Node: n}
	names, err := folder.Names()
	if err != nil {
		return fmt.Errorf("open %s: %w", h.Name, err)
	}
	defer names.Close()
	outside, err := isKernels(n)
	if err != nil {
		return fmt.Errorf("look at %s: %w", h.Name, err)
	}
	for {
		// A folder may have any number of names: they are never in memory together.
		list, err := names.Readdirnames(1024)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("list %s: %w", h.Name, err)
		}
		slices.Sort(list)
		for _, name := range list {
			if err := a.child(folder, h.Name, name, outside); err != nil {
				return err
			}
		}
	}
}

// child adds what is in a folder, unless it leads into a file system of the kernel's.
func (a *writer) child(folder inode.Folder, parent, name string, inKernels bool) error {
	if !inKernels {
		sub, err := folder.Folder(name)
		if err == nil {
			kernels, err := isKernels(sub.Node)
			sub.Close()
			if err != nil || kernels {
				return err
			}
		}
	}
	err := a.add(place{folder: folder, name: name}, parent+name)
	if errors.Is(err, unix.ENOENT) {
		return nil // gone since it was listed
	}
	return err
}

// isKernels tells whether a file system has no files, but shows the kernel's state.
func isKernels(n inode.Node) (bool, error) {
	kind, err := n.FileSystem()
	return slices.Contains([]int64{
		unix.PROC_SUPER_MAGIC, unix.SYSFS_MAGIC, unix.CGROUP_SUPER_MAGIC, unix.CGROUP2_SUPER_MAGIC, unix.DEVPTS_SUPER_MAGIC,
		unix.DEBUGFS_MAGIC, unix.TRACEFS_MAGIC, unix.SECURITYFS_MAGIC, mqueueMagic,
	}, kind), err
}

const mqueueMagic = 0x19800202 // ipc/mqueue.c
