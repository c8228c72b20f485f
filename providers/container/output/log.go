package output

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"

	"github.com/diyform/diyform/internal/failpoint"
)

// Limits say how much of a log is kept.
type Limits struct {
	MaxSize  int64 // bytes of one file; 0 stands for DefaultMaxSize
	MaxFiles int   // with the one that is written; 0 stands for DefaultMaxFiles
}

// What is kept of a log where nothing else is said.
const (
	DefaultMaxSize  = 10 << 20
	DefaultMaxFiles = 3
)

func (l Limits) orDefaults() Limits {
	if l.MaxSize <= 0 {
		l.MaxSize = DefaultMaxSize
	}
	if l.MaxFiles <= 0 {
		l.MaxFiles = DefaultMaxFiles
	}
	return l
}

// rotated is the name of what a log was, so many rotations ago.
func rotated(path string, ago int) string {
	if ago == 0 {
		return path
	}
	return path + "." + strconv.Itoa(ago)
}

// log is a log that is written.
type log struct {
	path   string
	limits Limits
	file   *os.File
	size   int64
}

func openLog(path string, limits Limits) (*log, error) {
	l := &log{path: path, limits: limits.orDefaults()}
	return l, l.open()
}

func (l *log) open() error {
	f, err := os.OpenFile(l.path, os.O_WRONLY|os.O_CREATE, 0o600)
	if err != nil {
		return fmt.Errorf("open log: %w", err)
	}
	info, err := f.Stat()
	if err != nil {
		f.Close()
		return fmt.Errorf("open log: %w", err)
	}
	l.file, l.size = f, info.Size()
	return nil
}

// write appends to the log, all or nothing.
func (l *log) write(b []byte) error {
	if _, err := l.file.WriteAt(b, l.size); err != nil {
		return errors.Join(fmt.Errorf("write log: %w", err), l.cut(l.size))
	}
	l.size += int64(len(b))
	return nil
}

// cut takes away what is behind size.
func (l *log) cut(size int64) error {
	if err := l.file.Truncate(size); err != nil {
		return fmt.Errorf("cut log: %w", err)
	}
	l.size = size
	return nil
}

// makeRoom begins a new file where so many bytes more would be too much for this one.
func (l *log) makeRoom(n int) error {
	if l.size == 0 || l.size+int64(n) <= l.limits.MaxSize {
		return nil
	}
	return l.rotate()
}

// rotate renames each file to the next number. After a crash in the middle a number is
// missing: then those above it stay, for there is room.
func (l *log) rotate() error {
	last := 0
	for last < l.limits.MaxFiles-1 && exists(rotated(l.path, last)) {
		last++
	}
	if last == 0 { // only one file is kept, or a crash left none
		if err := os.Remove(l.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("rotate log: %w", err)
		}
	}
	for i := last; i > 0; i-- {
		failpoint.Hit("output.rotate.before")
		if err := os.Rename(rotated(l.path, i-1), rotated(l.path, i)); err != nil {
			return fmt.Errorf("rotate log: %w", err)
		}
	}
	failpoint.Hit("output.rotate.after")
	old := l.file
	if err := l.open(); err != nil {
		return err
	}
	return errors.Join(old.Close(), l.removeOld())
}

// removeOld removes the files that are too many.
func (l *log) removeOld() error {
	for i := max(1, l.limits.MaxFiles); ; i++ {
		err := os.Remove(rotated(l.path, i))
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("remove old log: %w", err)
		}
	}
}

func (l *log) setLimits(limits Limits) error {
	l.limits = limits.orDefaults()
	return l.removeOld()
}

func (l *log) close() error { return l.file.Close() }

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}
