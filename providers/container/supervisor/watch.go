package supervisor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"github.com/diyform/diyform/internal/linux/fifo"
	"github.com/diyform/diyform/internal/linux/pidfd"
)

const (
	// outputBuffer is held for each container all the time.
	outputBuffer = 4 << 10
	// exitKnown is how long the kernel may take to say how another's child ended.
	exitKnown = 2 * time.Second
)

// watch follows a container that has a process, until that has ended.
func (c *container) watch() {
	copied := make(chan error, 1)
	stop := make(chan struct{})
	go func() { copied <- c.copyOutput(stop) }()
	go func() {
		err := c.process.Wait(context.Background())
		exit, exitErr := c.exit()
		close(stop)
		c.end(exit, errors.Join(err, exitErr, <-copied))
	}()
}

// exit learns how the process ended.
func (c *container) exit() (*Exit, error) {
	if !c.adopted {
		e, err := c.process.Reap()
		return &Exit{Code: e.Code, Signal: int(e.Signal)}, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), exitKnown)
	defer cancel()
	e, err := c.process.ExitOfOther(ctx)
	if errors.Is(err, pidfd.ErrUnknown) {
		return nil, nil
	}
	return &Exit{Code: e.Code, Signal: int(e.Signal)}, err
}

// end records that the container has ended.
func (c *container) end(exit *Exit, problem error) {
	c.mu.Lock()
	decided := c.decided
	c.mu.Unlock()
	if decided != nil { // its start may not have been recorded yet
		<-decided
	}
	err := c.update(func(r *Record) {
		if r.Phase == Running {
			r.Phase, r.Exit = Exited, exit
		} else {
			r.Phase = Lost
		}
		r.EndedAt = time.Now().UTC()
		if problem != nil && r.Problem == "" {
			r.Problem = problem.Error()
		}
	})
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", time.Now().Format(time.RFC3339), err)
	}
	close(c.ended)
}

// copyOutput appends the container's output to its log until it is stopped and the FIFO is
// empty. A log that cannot be written does not hold up the container.
func (c *container) copyOutput(stop <-chan struct{}) error {
	output, err := fifo.OpenReader(c.folder.file(outputName))
	if err != nil {
		return err
	}
	defer output.Close()
	file, err := openLog(c.status().Log)
	if err != nil {
		return err
	}
	defer file.Close()
	stopped := make(chan struct{})
	go func() {
		<-stop
		output.SetReadDeadline(time.Unix(1, 0))
		close(stopped)
	}()
	log := &lossyWriter{to: file}
	// Without the struct, CopyBuffer would use other, larger buffers.
	_, err = io.CopyBuffer(struct{ io.Writer }{log}, struct{ io.Reader }{output}, make([]byte, outputBuffer))
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		return errors.Join(err, log.err)
	}
	<-stopped
	return errors.Join(fifo.Drain(log, output), log.err)
}

func openLog(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open log: %w", err)
	}
	return f, nil
}

// lossyWriter remembers the first error of a log and goes on.
type lossyWriter struct {
	to  io.Writer
	err error
}

func (w *lossyWriter) Write(b []byte) (int, error) {
	if _, err := w.to.Write(b); err != nil && w.err == nil {
		w.err = fmt.Errorf("write log: %w", err)
	}
	return len(b), nil
}

func ignoreMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
