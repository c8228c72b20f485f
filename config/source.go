package config

import (
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
)

// maxSource is the most that a file of the configuration may hold: far more than anybody
// writes, and less than would make the machine swap.
const maxSource = 64 << 20

// readSource reads a file that was found by its name. It does not wait for the other end of a
// FIFO, nor does it read devices; symbolic links are followed.
func readSource(path string) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s is no regular file", path)
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
		err = fmt.Errorf("%s holds more than %d MiB", f.Name(), maxSource>>20)
	}
	return src, errors.Join(err, f.Close())
}
