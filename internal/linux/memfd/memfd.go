// Package memfd makes programs that are files in memory, which nobody can change:
// memfd_create(2). A container that finds such a file behind /proc/PID/exe has found nothing
// of the host's (CVE-2019-5736).
package memfd

import (
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// Program gives an executable file with a copy of the content. The name is for people.
func Program(name string, content io.Reader) (*os.File, error) {
	const flags = unix.MFD_CLOEXEC | unix.MFD_ALLOW_SEALING
	fd, err := unix.MemfdCreate(name, flags|unix.MFD_EXEC)
	if errors.Is(err, unix.EINVAL) { // before Linux 6.3, all are executable
		fd, err = unix.MemfdCreate(name, flags)
	}
	if err != nil {
		return nil, fmt.Errorf("make program %s: %w", name, err)
	}
	f := os.NewFile(uintptr(fd), name)
	if err := fill(f, content); err != nil {
		f.Close()
		return nil, fmt.Errorf("make program %s: %w", name, err)
	}
	return f, nil
}

func fill(f *os.File, content io.Reader) error {
	if _, err := io.Copy(f, content); err != nil {
		return err
	}
	const seals = unix.F_SEAL_SEAL | unix.F_SEAL_SHRINK | unix.F_SEAL_GROW | unix.F_SEAL_WRITE
	_, err := unix.FcntlInt(f.Fd(), unix.F_ADD_SEALS, seals)
	return err
}
