package netns

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// Dir is where namespaces have their names, as ip-netns(8) has it.
const Dir = "/run/netns"

// maxMark bounds what is read of a file that may not be ours; an alias has at most 255.
const maxMark = 256

// Path gives the file that is the name of a namespace.
func Path(name string) (string, error) {
	if name == "" || name == "." || name == ".." || strings.ContainsAny(name, "/\x00") || len(name) > unix.NAME_MAX {
		return "", fmt.Errorf("network namespace name %q cannot be a file name", name)
	}
	return filepath.Join(Dir, name), nil
}

// Pin is what a name under Dir stands for.
type Pin struct {
	Name    string
	Mounted bool   // a network namespace is mounted on it
	ID      ID     // of that namespace
	Mark    string // of a name without namespace: what the file says, "" where it is not ours
}

// Lookup tells what has a name. fs.ErrNotExist says that the name is free.
func Lookup(name string) (Pin, error) {
	path, err := Path(name)
	if err != nil {
		return Pin{}, err
	}
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK|unix.O_NOFOLLOW, 0)
	if err != nil {
		return Pin{}, fmt.Errorf("look up network namespace %q: %w", name, err)
	}
	defer f.Close()
	id, err := identify(int(f.Fd()))
	if err == nil {
		return Pin{Name: name, Mounted: true, ID: id}, nil
	}
	if !errors.Is(err, ErrNotNamespace) {
		return Pin{}, fmt.Errorf("look up network namespace %q: %w", name, err)
	}
	buf := make([]byte, maxMark)
	n, err := f.Read(buf)
	if err != nil {
		n = 0 // empty, a directory, a FIFO: nothing of ours
	}
	return Pin{Name: name, Mark: strings.TrimSuffix(string(buf[:n]), "\n")}, nil
}

// List gives the names under Dir in alphabetical order, those without a namespace too.
func List() ([]string, error) {
	entries, err := os.ReadDir(Dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list network namespaces: %w", err)
	}
	names := make([]string, len(entries))
	for i, e := range entries {
		names[i] = e.Name()
	}
	return names, nil
}

// linkMarked gives the name to a new file that holds the mark already.
func linkMarked(path, mark string) error {
	f, err := os.OpenFile(Dir, unix.O_TMPFILE|os.O_WRONLY, 0o444)
	if errors.Is(err, unix.EOPNOTSUPP) {
		return writeMarked(path, mark)
	}
	if err != nil {
		return fmt.Errorf("make file in %s: %w", Dir, err)
	}
	defer f.Close()
	if _, err := f.WriteString(mark + "\n"); err != nil {
		return fmt.Errorf("write mark: %w", err)
	}
	// AT_EMPTY_PATH would need CAP_DAC_READ_SEARCH in the first user namespace.
	self := fmt.Sprintf("/proc/self/fd/%d", f.Fd())
	if err := unix.Linkat(unix.AT_FDCWD, self, unix.AT_FDCWD, path, unix.AT_SYMLINK_FOLLOW); err != nil {
		return fmt.Errorf("link %s: %w", path, err)
	}
	return nil
}

// writeMarked is for file systems without O_TMPFILE, such as overlayfs before Linux 6.2.
// There a crash between its two steps leaves an empty file, which nobody takes for ours.
func writeMarked(path, mark string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o444)
	if err != nil {
		return fmt.Errorf("make %s: %w", path, err)
	}
	_, err = f.WriteString(mark + "\n")
	return errors.Join(err, f.Close())
}

// prepareDir makes Dir a mount point of its own with shared propagation, as ip-netns(8)
// does, so that a name made or removed in one mount namespace is so in the others that
// have Dir.
func prepareDir() error {
	if err := os.MkdirAll(Dir, 0o755); err != nil {
		if errors.Is(err, fs.ErrPermission) {
			return fmt.Errorf("make %s, where network namespaces have their names: %w; that is root's: run as root", Dir, unix.EACCES)
		}
		return fmt.Errorf("make %s: %w", Dir, err)
	}
	dir, err := os.Open(Dir)
	if err != nil {
		return fmt.Errorf("open %s: %w", Dir, err)
	}
	defer dir.Close()
	// Two that find it not mounted would mount it twice; ip takes the same lock.
	if err := retry(func() error { return unix.Flock(int(dir.Fd()), unix.LOCK_EX) }); err != nil {
		return fmt.Errorf("lock %s: %w", Dir, err)
	}
	err = unix.Mount("", Dir, "none", unix.MS_SHARED|unix.MS_REC, "")
	if !errors.Is(err, unix.EINVAL) { // EINVAL: not a mount point
		return mountError("share "+Dir, err)
	}
	if err := unix.Mount(Dir, Dir, "none", unix.MS_BIND|unix.MS_REC, ""); err != nil {
		return mountError("mount "+Dir, err)
	}
	return mountError("share "+Dir, unix.Mount("", Dir, "none", unix.MS_SHARED|unix.MS_REC, ""))
}

func mountError(what string, err error) error {
	if errors.Is(err, unix.EPERM) {
		return fmt.Errorf("%s: %w; %s", what, err, missingSysAdmin)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

func retry(f func() error) error {
	for {
		if err := f(); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}
