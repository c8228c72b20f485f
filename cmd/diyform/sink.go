package main

import (
	"errors"
	"fmt"
	"os"
	"syscall"

	"github.com/diyform/diyform/internal/diag"
)

// sink is standard output. It remembers that something could not be written, so that no command
// whose answer nobody has ends as if all were well.
type sink struct {
	*os.File
	failed error
}

func (s *sink) Write(b []byte) (int, error) {
	n, err := s.File.Write(b)
	if err != nil && s.failed == nil {
		s.failed = err
	}
	return n, err
}

// WriteString keeps the file's own from being called.
func (s *sink) WriteString(text string) (int, error) { return s.Write([]byte(text)) }

// lost tells what could not be written. A reader who went away wanted no more.
func (s *sink) lost() error {
	if s.failed == nil || errors.Is(s.failed, syscall.EPIPE) {
		return nil
	}
	reason := s.failed
	if path := (*os.PathError)(nil); errors.As(reason, &path) {
		reason = path.Err
	}
	return &diag.Problem{
		Summary: "The output cannot be written",
		Detail:  fmt.Sprintf("Standard output takes no more: %v. What the command did is done all the same.", reason), Err: s.failed,
	}
}
