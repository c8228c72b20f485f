package config

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"syscall"
)

// maxSource is the most that a file of the configuration may hold: far more than anybody
// writes, and less than would make the machine swap.
const maxSource = 64 << 20

var (
	errNotRegular = errors.New("this is no regular file")
	errTooLong    = errors.New("it holds more than 64 MiB")
)

// readSource reads a file that was found by its name. It does not wait for the other end of a
// FIFO, nor does it read devices; symbolic links are followed.
func readSource(path string) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = &fs.PathError{Op: "read", Path: path, Err: errNotRegular}
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return readBounded(f)
}

// readNamed reads a file that the user named. That may be a pipe, as the shell makes of
// -var-file=<(decrypt values).
func readNamed(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	return readBounded(f)
}

// readBounded reads and closes f.
func readBounded(f *os.File) ([]byte, error) {
	src, err := io.ReadAll(io.LimitReader(f, maxSource+1))
	if err == nil && len(src) > maxSource {
		err = &fs.PathError{Op: "read", Path: f.Name(), Err: errTooLong}
	}
	return src, errors.Join(err, f.Close())
}
