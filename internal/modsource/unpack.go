package modsource

import (
	"archive/tar"
	"archive/zip"
	"bufio"
	"cmp"
	"compress/bzip2"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/therootcompany/xz"

	"github.com/diyform/diyform/internal/diag"
)

// maxWindow is the largest dictionary that an archive may ask for. It is allocated on the
// archive's word; `zstd --ultra -22` and xz -9 need no more.
const maxWindow = 128 << 20

// unpack makes the folder dir of an archive. All that it makes is below dir, whatever the names
// and links in the archive are: they go through an os.Root.
func (s *Store) unpack(ctx context.Context, src Source, file *os.File, dir string) error {
	if err := os.Mkdir(dir, 0o755); err != nil {
		return fmt.Errorf("unpack archive: %w", err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return fmt.Errorf("unpack archive: %w", err)
	}
	defer root.Close()
	u := &unpacking{ctx: ctx, root: root, limits: s.limits, folders: map[string]bool{".": true}}
	if src.Format == "zip" {
		err = u.zip(file)
	} else {
		err = u.tar(src.Format, file)
	}
	if err == nil && u.names == 0 {
		err = errors.New("it is empty")
	}
	if err == nil || ctx.Err() != nil {
		return err
	}
	return &diag.Problem{
		Summary: "Cannot unpack module archive",
		Detail:  fmt.Sprintf("%s cannot be unpacked as %s: %s%s", src.pkgName(), src.Format, diag.Sentence(err.Error()), looksLike(file)),
		Err:     err,
	}
}

func looksLike(file *os.File) string {
	b := make([]byte, 512)
	n, _ := file.ReadAt(b, 0) // without it, no hint
	return beginning(b[:n])
}

// unpacking is one archive on its way into one folder.
type unpacking struct {
	ctx     context.Context
	root    *os.Root
	limits  limits
	size    int64           // what was written
	names   int             // what was made
	folders map[string]bool // those that are there
}

func (u *unpacking) tar(format string, file io.Reader) error {
	r, release, err := decompress(format, bufio.NewReaderSize(file, 64<<10))
	if err != nil {
		return err
	}
	defer release()
	// What does not belong to any file counts too: an archive can be nothing else.
	archive := tar.NewReader(&capped{r: r, left: u.limits.unpacked + u.limits.unpacked/4 + 1<<20})
	for {
		h, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := u.tarEntry(h, archive); err != nil {
			return fmt.Errorf("%q: %w", printable(h.Name), err)
		}
	}
}

func decompress(format string, r io.Reader) (io.Reader, func(), error) {
	none := func() {}
	switch format {
	case "tar.gz":
		d, err := gzip.NewReader(r)
		return d, none, err
	case "tar.bz2":
		return bzip2.NewReader(r), none, nil
	case "tar.xz":
		d, err := xz.NewReader(r, maxWindow)
		return d, none, err
	case "tar.zst":
		d, err := zstd.NewReader(r, zstd.WithDecoderMaxWindow(maxWindow), zstd.WithDecoderConcurrency(1))
		if err != nil {
			return nil, none, err
		}
		return d, d.Close, nil
	}
	return r, none, nil
}

// capped ends a stream that is too long with an error.
type capped struct {
	r    io.Reader
	left int64
}

func (c *capped) Read(b []byte) (int, error) {
	if c.left <= 0 {
		return 0, errTooMuch
	}
	n, err := c.r.Read(b[:min(int64(len(b)), c.left)])
	c.left -= int64(n)
	return n, err
}

func (u *unpacking) tarEntry(h *tar.Header, content io.Reader) error {
	if h.Typeflag == tar.TypeXGlobalHeader {
		return nil // about no file: the commit of `git archive`
	}
	name, err := cleanName(h.Name)
	if err != nil {
		return err
	}
	switch h.Typeflag {
	case tar.TypeDir:
		return u.folder(name)
	case tar.TypeReg, tar.TypeGNUSparse:
		return u.file(name, h.FileInfo().Mode(), content)
	case tar.TypeSymlink:
		return u.symlink(name, h.Linkname)
	case tar.TypeLink:
		target, err := cleanName(h.Linkname)
		if err != nil {
			return fmt.Errorf("link to %q: %w", printable(h.Linkname), err)
		}
		return u.create(name, func() error { return u.root.Link(target, name) })
	}
	return errors.New("it is neither a file nor a folder nor a link, and a module has nothing else")
}

func (u *unpacking) zip(file *os.File) error {
	info, err := file.Stat()
	if err != nil {
		return err
	}
	archive, err := zip.NewReader(file, info.Size())
	if err != nil && !errors.Is(err, zip.ErrInsecurePath) { // cleanName decides about paths
		return err
	}
	for _, f := range archive.File {
		if err := u.zipEntry(f); err != nil {
			return fmt.Errorf("%q: %w", printable(f.Name), err)
		}
	}
	return nil
}

func (u *unpacking) zipEntry(f *zip.File) error {
	name, err := cleanName(f.Name)
	if err != nil {
		return err
	}
	if strings.Contains(f.Name, `\`) {
		return errors.New("its name has a backslash, which other programs take for a slash")
	}
	mode := f.Mode()
	if mode.IsDir() {
		return u.folder(name)
	}
	if !mode.IsRegular() && mode.Type() != fs.ModeSymlink {
		return errors.New("it is neither a file nor a folder nor a link, and a module has nothing else")
	}
	content, err := f.Open()
	if err != nil {
		return err
	}
	defer content.Close() // an error of it is one of reading, too
	if mode.IsRegular() {
		return u.file(name, mode, content)
	}
	target, err := io.ReadAll(io.LimitReader(content, maxName+1))
	if err != nil {
		return err
	}
	return u.symlink(name, string(target))
}

// maxName is how long the kernel takes a path to be (PATH_MAX).
const maxName = 4096

// cleanName is a name in the archive, which never leads out of it.
func cleanName(name string) (string, error) {
	clean := path.Clean(name)
	switch {
	case name == "" || strings.ContainsRune(name, 0):
		return "", errors.New("it has no name that a file can have")
	case len(name) > maxName:
		return "", errors.New("its name is too long")
	case !filepath.IsLocal(clean):
		return "", errors.New("its name leads out of the archive. Do not use this archive: it was made to do harm, or by mistake")
	}
	return clean, nil
}

var errTooMuch = errors.New("what is in it is larger than any module is")

// count keeps an archive from filling the disk.
func (u *unpacking) count() error {
	if u.names++; u.names > u.limits.names {
		return fmt.Errorf("it has more than %d files", u.limits.names)
	}
	return context.Cause(u.ctx)
}

// folder makes a folder and those above it. Their modes are not the archive's: whoever downloads
// a module has to be able to remove it.
func (u *unpacking) folder(name string) error {
	if u.folders[name] {
		return nil
	}
	if err := u.folder(path.Dir(name)); err != nil {
		return err
	}
	if err := u.count(); err != nil {
		return err
	}
	if err := u.root.Mkdir(name, 0o755); err != nil {
		info, statErr := u.root.Stat(name)
		if !errors.Is(err, fs.ErrExist) || statErr != nil {
			return cmp.Or(statErr, err)
		}
		if !info.IsDir() {
			return fmt.Errorf("%q is a file already", printable(name))
		}
	}
	u.folders[name] = true
	return nil
}

// create makes what is no folder. Of two entries with one name, the latter counts.
func (u *unpacking) create(name string, create func() error) error {
	if err := u.count(); err != nil {
		return err
	}
	if err := u.folder(path.Dir(name)); err != nil {
		return err
	}
	err := create()
	if !errors.Is(err, fs.ErrExist) {
		return err
	}
	info, err := u.root.Lstat(name)
	if err != nil {
		return err
	}
	if info.IsDir() {
		return errors.New("a folder has that name already")
	}
	clear(u.folders) // it may have been a link that led to a folder
	u.folders["."] = true
	if err := u.root.Remove(name); err != nil {
		return err
	}
	return create()
}

func (u *unpacking) file(name string, mode fs.FileMode, content io.Reader) error {
	permissions := fs.FileMode(0o644)
	if mode&0o111 != 0 {
		permissions = 0o755
	}
	var f *os.File
	err := u.create(name, func() (err error) {
		f, err = u.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, permissions)
		return err
	})
	if err != nil {
		return err
	}
	return errors.Join(u.copy(f, content), f.Close())
}

// copy never believes what an archive says of a file's size.
func (u *unpacking) copy(to io.Writer, content io.Reader) error {
	b := make([]byte, 64<<10)
	for {
		n, err := content.Read(b)
		if u.size += int64(n); u.size > u.limits.unpacked {
			return errTooMuch
		}
		if _, err := to.Write(b[:n]); err != nil {
			return err
		}
		if errors.Is(err, io.EOF) {
			return context.Cause(u.ctx)
		}
		if err := errors.Join(err, context.Cause(u.ctx)); err != nil {
			return err
		}
	}
}

// symlink makes a link wherever it leads; checkLinks judges when all is there.
func (u *unpacking) symlink(name, target string) error {
	if target == "" || len(target) > maxName {
		return errors.New("it leads to no name that a file can have")
	}
	return u.create(name, func() error { return u.root.Symlink(target, name) })
}

// checkLinks refuses a package with a link that leads out of it: it would show the module files
// that are not its own.
func checkLinks(dir string) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return fmt.Errorf("look into module's package: %w", err)
	}
	defer root.Close()
	return fs.WalkDir(root.FS(), ".", func(name string, e fs.DirEntry, err error) error {
		if err != nil || e.Type() != fs.ModeSymlink {
			return err
		}
		_, err = root.Stat(name)
		// Nothing at its end, or a circle: it leads nowhere, and so not out.
		if err == nil || errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ELOOP) || errors.Is(err, syscall.ENOTDIR) {
			return nil
		}
		target, _ := root.Readlink(name) // for the message only
		return &diag.Problem{
			Summary: "Module has a link that leads out of it",
			Detail:  fmt.Sprintf("%q in the module's package is a link to %q, which is not in the package. Whoever maintains the module has to remove the link.", printable(name), printable(target)),
		}
	})
}
