package state

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"
)

// UnsafeError says that something of the working folder is not what diyform makes there, so
// that it is neither read nor written.
type UnsafeError struct {
	Path   string
	Detail string // what is wrong with it, and what to do
}

func (e *UnsafeError) Error() string { return e.Path + " " + e.Detail }

// openRegular opens a file that diyform reads or writes itself. It follows no symbolic link,
// which would have it write to a file of somebody's choice, and it does not wait for the other
// end of a FIFO: both may come with a folder that was unpacked or checked out. O_TRUNC is not
// for it: the file is looked at first.
func openRegular(path string, flags int) (*os.File, error) {
	f, err := os.OpenFile(path, flags|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0o600)
	switch {
	case errors.Is(err, syscall.ELOOP):
		return nil, &UnsafeError{path, "is a symbolic link, which diyform does not follow. Put the file itself there, or remove the link."}
	case errors.Is(err, syscall.ENXIO) || errors.Is(err, syscall.EISDIR):
		return nil, notRegular(path)
	case err != nil:
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = notRegular(path)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

func notRegular(path string) error {
	return &UnsafeError{path, "is no regular file, so diyform has not made it. Remove it, or put the right file there."}
}

func readRegular(path string) ([]byte, error) {
	f, err := openRegular(path, os.O_RDONLY)
	if err != nil {
		return nil, err
	}
	data, err := io.ReadAll(f)
	return data, errors.Join(err, f.Close())
}

// makePrivate makes the folder for lock and journal. One that is there already must be a
// folder, and belong to this user, to root or to the owner of the working folder, who could
// put another one in its place anyway. If it is not this user's, nobody else may be able to
// exchange the files in it. How open the user's own folders are is the user's business: who
// may write to them can at most spoil the records, as with the document beside it.
func (s *Store) makePrivate() error {
	path := s.path(privateDir)
	if err := os.Mkdir(path, 0o700); err == nil || !errors.Is(err, fs.ErrExist) {
		return err
	}
	info, err := os.Lstat(path)
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return &UnsafeError{path, "is no folder, so diyform has not made it. Remove it: diyform makes one."}
	}
	above, err := os.Stat(s.dir)
	if err != nil {
		return err
	}
	return trusted(path, info, owner(info), owner(above), os.Geteuid())
}

func trusted(path string, info fs.FileInfo, owner, above, user int) error {
	if owner == user {
		return nil
	}
	if owner != 0 && owner != above {
		return &UnsafeError{path, fmt.Sprintf("belongs to another user (id %d), neither to this one nor to root nor to the owner of "+
			"the folder that it is in. Remove it: diyform makes one.", owner)}
	}
	if info.Mode().Perm()&0o022 != 0 && info.Mode()&fs.ModeSticky == 0 {
		return &UnsafeError{path, fmt.Sprintf("belongs to another user (id %d), and others may write to it (mode %04o), so what is in "+
			"it cannot be trusted. Take that right away with chmod go-w, or remove it.", owner, info.Mode().Perm())}
	}
	return nil
}

func owner(info fs.FileInfo) int {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return int(st.Uid)
	}
	return -1
}
