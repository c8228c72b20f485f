package output

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/diyform/diyform/internal/failpoint"
	"github.com/diyform/diyform/internal/linux/fifo"
)

// A supervisor may be killed between any two system calls. If it read the FIFO into its
// memory, what it has read and not yet written to the log would be lost with it; if it only
// looked (tee(2)), wrote the log and then emptied the FIFO, nobody could say afterwards which
// of the two it has done last. So the kernel moves output from the FIFO into a spool, a file
// in memory that outlives the process, and it is in one of them at any time:
//
//	move   FIFO -> spool, behind an empty header   the spool's size says how much there is
//	mark   header: the log's size                  from here on the log may have some of it
//	write  the lines to the log
//	empty  the spool
//
// Whoever finds a spool that is not empty cuts the log to the size in the header, if there is
// one, and goes on with mark.
type spool struct {
	path string
	file *os.File // nil as long as there was no output
}

// headerSize is that of a uint64: the log's size and one.
const headerSize = 8

func newSpool(folder string, stream Stream) *spool {
	return &spool{path: filepath.Join(folder, string(stream)+".spool")}
}

func (s *spool) open(flags int) error {
	if s.file != nil {
		return nil
	}
	f, err := os.OpenFile(s.path, os.O_RDWR|flags, 0o600)
	if err != nil {
		return fmt.Errorf("open spool: %w", err)
	}
	s.file = f
	return nil
}

// move moves at most so many bytes out of a FIFO. fifo.ErrEmpty says that there are none.
func (s *spool) move(from *fifo.Source, most int) (int, error) {
	if err := s.open(os.O_CREATE); err != nil {
		return 0, err
	}
	n, err := from.Move(s.file, headerSize, most)
	failpoint.Hit("output.move.after")
	return n, err
}

// content reads what is in the spool, with the log's size before any of it was written there,
// or -1: then none of it was.
func (s *spool) content(into []byte) (output []byte, logSize int64, err error) {
	err = s.open(0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, -1, nil
	}
	if err != nil {
		return nil, -1, err
	}
	n, err := s.file.ReadAt(into, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, -1, fmt.Errorf("read spool: %w", err)
	}
	if n <= headerSize {
		return nil, -1, nil
	}
	return into[headerSize:n], int64(binary.LittleEndian.Uint64(into)) - 1, nil
}

// mark says that the log, which has that size, is about to be written.
func (s *spool) mark(logSize int64) error {
	var header [headerSize]byte
	binary.LittleEndian.PutUint64(header[:], uint64(logSize+1))
	if _, err := s.file.WriteAt(header[:], 0); err != nil {
		return fmt.Errorf("mark spool: %w", err)
	}
	failpoint.Hit("output.mark.after")
	return nil
}

// empty says that all of it is in the log.
func (s *spool) empty() error {
	if s.file == nil {
		return nil
	}
	if err := s.file.Truncate(0); err != nil {
		return fmt.Errorf("empty spool: %w", err)
	}
	failpoint.Hit("output.empty.after")
	return nil
}

func (s *spool) close() error {
	if s.file == nil {
		return nil
	}
	return s.file.Close()
}
