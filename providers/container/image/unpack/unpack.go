// Package unpack turns tar archives into folders and folders into tar archives.
//
// An archive is somebody else's: it may be made to write outside its folder, to fill the
// memory, or to look to overlayfs like something that it is not. None of that may work,
// whoever runs this. The package fetches nothing, verifies no digest, and stacks no layers.
//
// Start with Extract and Options. stream.go finds out how an archive is compressed; tree.go
// finds folders without ever leaving the root; entry.go makes what an entry says, layer.go
// what a layer's markers say, implied.go what it says nothing of, metadata.go sets owner, mode, times and attributes; write.go
// is the other way.
package unpack

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/diyform/diyform/internal/linux/inode"
)

// What callers may want to tell apart.
var (
	ErrDamaged   = errors.New("the archive is cut off or damaged")
	ErrNotTar    = errors.New("this is no tar archive, nor one that gzip, bzip2, xz or zstd compressed")
	ErrEscapes   = errors.New("the archive names a place outside of itself")
	ErrUnmapped  = errors.New("the owner has no id here")
	ErrNoAttrs   = errors.New("the file system has no user attributes (user.*), which layers need")
	ErrTooLarge  = errors.New("the archive is larger than anything sensible")
	ErrNotFolder = errors.New("a file is where a folder should be")
	ErrIsFolder  = errors.New("a folder is where a file should be")
)

// EntryError is an error with the archive's entry that it is about.
type EntryError struct {
	Entry string // its name in the archive; of an archive that cannot be read on, the last one that could be
	After bool   // it happened behind that entry; "" means at the very start
	Err   error
}

func (e *EntryError) Error() string {
	switch {
	case e.After && e.Entry == "":
		return fmt.Sprintf("read archive: %v", e.Err)
	case e.After:
		return fmt.Sprintf("read archive behind entry %q: %v", e.Entry, e.Err)
	}
	return fmt.Sprintf("unpack %q: %v", e.Entry, e.Err)
}

func (e *EntryError) Unwrap() error { return e.Err }

// Owner is a user and a group.
type Owner struct{ UID, GID int }

// Options say what an archive is, and what becomes of it. The zero Options unpack one as its
// entries say, with their owners.
type Options struct {
	// Layer takes the archive for a layer of an OCI image: its whiteouts become what
	// overlayfs, mounted with userxattr, takes for such.
	Layer bool
	// SingleOwner leaves everything to who runs this, who need not be root: owners are not
	// set. Modes are, but the owner may always read, and search and change folders.
	SingleOwner bool
	// Owner is whom everything belongs to, instead of whom the entries name.
	Owner *Owner
	// Over puts the entries over what is there already, and others may change meanwhile. No
	// folder gives way to a file or the other way round, and the folder that the archive's
	// own root would be keeps its metadata.
	Over bool
	// Left out on purpose: device nodes, set-user-ID and set-group-ID bits, extended
	// attributes.
	NoDevices, NoSetID, NoXattrs bool

	// Plain gets the tar stream as it is without compression, to its end, padding included:
	// an image knows its layers by that stream's digest.
	Plain io.Writer
	// Progress is called now and then, and at the end: how much was read of the archive as
	// it comes, compressed, and how many of its entries are done.
	Progress func(bytesRead int64, entries int)
}

// Stats tell what there was, and what of it could not be kept.
type Stats struct {
	Compression string // "", "gzip", "bzip2", "xz" or "zstd"
	Entries     int
	Size        int64 // of the regular files' content, in bytes
	// Implied are the folders that a layer has no entry for, though something in them, by
	// their paths; "." is the root, which is as the caller made it. The others are root's,
	// with mode 0755, until Complete finds out what they shall be.
	Implied []string
	// Opaque says that a layer's root hides all layers below. Overlayfs does not know that of
	// a whole layer: the caller must leave out those below.
	Opaque bool
	// What was left out: device nodes, which need CAP_MKNOD in the first user namespace, and
	// extended attributes that the file system or the kernel refused to this user. Attributes
	// that are never taken from an archive are not counted.
	Devices, Xattrs int
}

// Extract unpacks a tar archive, compressed or not, into the empty folder dest, which nobody
// else changes meanwhile. Nothing outside of dest is made, changed or read, whatever the
// archive says: a symbolic link on the way to an entry leads to where it would with dest as
// the root folder. Later entries of the same name win.
//
// r is read to its end. When ctx ends, Extract returns as soon as r does. An error may leave
// dest in any state. Errors about an entry are *EntryError.
func Extract(ctx context.Context, r io.Reader, dest string, o Options) (Stats, error) {
	root, err := inode.OpenFolder(dest)
	if err != nil {
		return Stats{}, fmt.Errorf("open %s: %w", dest, err)
	}
	defer root.Close()
	return extract(ctx, r, root, "", o)
}

// ExtractAt is Extract with what the archive's root stands for at path, below root, which
// it never leaves. What is at path may be missing; it may be a file if the archive has that
// alone, by the name ".".
func ExtractAt(ctx context.Context, r io.Reader, root *os.File, path string, o Options) (Stats, error) {
	folder, err := inode.FolderOf(root)
	if err != nil {
		return Stats{}, fmt.Errorf("open %s: %w", root.Name(), err)
	}
	defer folder.Close()
	return extract(ctx, r, folder, path, o)
}

func extract(ctx context.Context, r io.Reader, root inode.Folder, base string, o Options) (Stats, error) {
	s, err := openStream(ctx, r, o.Plain)
	if err != nil {
		return Stats{}, &EntryError{After: true, Err: err}
	}
	defer s.close()
	x := &extractor{
		Options: o, ctx: ctx, stream: s, base: strings.Trim(base, "/"), tree: newTree(root),
		late: map[string]late{}, implicit: map[string]bool{topFolder: true}, buffer: make([]byte, bufferSize),
	}
	x.stats.Compression = s.compression
	defer x.tree.close()
	if err := x.all(); err != nil {
		return x.stats, err
	}
	if err := x.finish(); err != nil {
		return x.stats, err
	}
	if x.Layer {
		x.stats.Implied = slices.Sorted(maps.Keys(x.implicit))
	}
	x.report()
	return x.stats, nil
}

// bufferSize is how much is read and written at once.
const bufferSize = 256 << 10

// extractor is one archive under way.
type extractor struct {
	Options
	ctx      context.Context
	stream   *stream
	base     string // where the archive's root is in the tree
	tree     *tree
	late     map[string]late // of folders, by their path
	lateSize int
	implicit map[string]bool // Stats.Implied
	header   *tar.Header     // of the entry under way
	buffer   []byte
	stats    Stats
	reported time.Time
}

// all goes through the entries, and reads what is behind the last one.
func (x *extractor) all() error {
	archive := tar.NewReader(x.stream)
	last := ""
	for {
		h, err := archive.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if errors.Is(err, tar.ErrInsecurePath) {
			err = nil // clean refuses some, and names them
		}
		if err == nil {
			err = context.Cause(x.ctx)
		}
		if err != nil {
			return &EntryError{Entry: last, After: true, Err: x.unreadable(err)}
		}
		if err := x.entry(h, archive); err != nil {
			return &EntryError{Entry: h.Name, Err: err}
		}
		last = h.Name
		x.stats.Entries++
		x.tree.trim()
		if x.due() {
			x.report()
		}
	}
	if err := x.stream.drain(); err != nil {
		return &EntryError{Entry: last, After: true, Err: x.unreadable(err)}
	}
	return nil
}

// unreadable tells what an error of the archive's reader means.
func (x *extractor) unreadable(err error) error {
	first := x.header == nil && x.stream.compression == ""
	switch {
	case first && (errors.Is(err, tar.ErrHeader) || errors.Is(err, io.ErrUnexpectedEOF)):
		return ErrNotTar
	case errors.Is(err, tar.ErrHeader), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, tar.ErrFieldTooLong):
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return err
}

const progressInterval = 100 * time.Millisecond

func (x *extractor) report() {
	x.reported = time.Now()
	if x.Progress != nil {
		x.Progress(x.stream.read.Load(), x.stats.Entries)
	}
}

// clean gives the path below the root that an entry's name means. Absolute names are meant
// that way too, as by tar. An archive that climbs by ".." was made to deceive.
func clean(name string) (string, error) {
	if len(name) >= unix.PathMax {
		return "", unix.ENAMETOOLONG
	}
	parts := strings.Split(name, "/")
	kept := parts[:0]
	for _, part := range parts {
		switch part {
		case "", ".":
		case "..":
			return "", fmt.Errorf("%w: %q", ErrEscapes, name)
		default:
			kept = append(kept, part)
		}
	}
	return strings.Join(kept, "/"), nil
}
