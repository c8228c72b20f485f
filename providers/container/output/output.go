// Package output keeps what containers write: from the FIFOs that are their standard output
// and error to log files, and from there to whoever reads.
//
// It does not start containers and does not know when they end: package supervisor tells it.
//
// Start with Collector, which writes, and Reader, which reads. line.go is the format of a
// log, log.go how one is rotated, spool.go why a killed supervisor neither loses a byte nor
// writes it twice.
//
// # Files
//
//	FOLDER/stdout, stderr            the FIFOs, in a container's runtime folder
//	FOLDER/stdin                     the FIFO that attach writes into
//	FOLDER/stdout.spool, stderr.spool  what is on its way from a FIFO to the log
//	LOG, LOG.1, LOG.2 ...            the log and what came before, on disk
package output

import (
	"errors"
	"os"
	"path/filepath"

	"github.com/diyform/diyform/internal/linux/fifo"
)

const stdinName = "stdin"

// MakePipes makes a container's FIFOs in its runtime folder. Those that exist are no error.
func MakePipes(folder string, stdin bool) error {
	names := []string{string(Stdout), string(Stderr)}
	if stdin {
		names = append(names, stdinName)
	}
	for _, name := range names {
		if err := fifo.Make(filepath.Join(folder, name)); err != nil {
			return err
		}
	}
	return nil
}

// Pipes are the ends that a container's command gets. Each is open for reading and writing:
// so a command whose supervisor was killed waits for the next one instead of being killed by
// SIGPIPE, and its standard input never ends.
type Pipes struct {
	Stdin          *os.File // nil where the container has none
	Stdout, Stderr *os.File
}

// OpenPipes opens the FIFOs for a container's command.
func OpenPipes(folder string, stdin bool) (p Pipes, err error) {
	defer func() {
		if err != nil {
			p.Close()
		}
	}()
	if p.Stdout, err = fifo.OpenWriter(filepath.Join(folder, string(Stdout))); err != nil {
		return p, err
	}
	if p.Stderr, err = fifo.OpenWriter(filepath.Join(folder, string(Stderr))); err != nil {
		return p, err
	}
	if stdin {
		p.Stdin, err = fifo.OpenWriter(filepath.Join(folder, stdinName))
	}
	return p, err
}

// Close closes our copies, when the command has its own.
func (p Pipes) Close() error {
	var errs []error
	for _, f := range []*os.File{p.Stdin, p.Stdout, p.Stderr} {
		if f != nil {
			errs = append(errs, f.Close())
		}
	}
	return errors.Join(errs...)
}

// OpenStdin opens the standard input of a container that has one, to write to. fs.ErrNotExist
// says that it has none.
func OpenStdin(folder string) (*os.File, error) {
	return fifo.OpenReader(filepath.Join(folder, stdinName))
}
