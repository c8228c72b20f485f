package netns

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"syscall"

	"github.com/diyform/diyform/internal/linux/rtnl"
)

// Set holds the namespaces that one run uses, each opened once. The zero Set is empty and
// ready. Safe for concurrent use.
//
// A namespace costs two or three descriptors. The runtime has raised the soft limit of
// open files to the hard one; where that is too low, the error says so.
type Set struct {
	mu   sync.Mutex
	open map[string]*Namespace
}

// Get gives the namespace of a name, "" being the host's. It is not the caller's to
// close. Its errors are those of Open.
//
// The name counts, not what was opened by it before: a namespace that lost its name is
// closed here, so that it can go, with its links.
func (s *Set) Get(name string) (*Namespace, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := s.open[name]; n != nil {
		if n.host || n.hasName() {
			return n, nil
		}
		delete(s.open, name)
		n.Close()
	}
	n, err := openAny(name)
	if err != nil {
		return nil, limitHint(err)
	}
	s.put(n)
	return n, nil
}

func openAny(name string) (*Namespace, error) {
	if name == "" {
		return Host()
	}
	return Open(name)
}

func (s *Set) put(n *Namespace) {
	if s.open == nil {
		s.open = map[string]*Namespace{}
	}
	s.open[n.name] = n
}

// Preopen opens many namespaces and their rtnetlink sockets, entering one after the other
// without going back in between. Errors are left for Get to give.
func (s *Set) Preopen(ctx context.Context, names []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	opened := make([]*Namespace, len(names))
	inParallel(ctx, len(names), func(i int, ctxErr error) error {
		if ctxErr != nil || names[i] == "" || s.open[names[i]] != nil {
			return ctxErr
		}
		n, err := Open(names[i])
		if err != nil {
			return err
		}
		if err = enter(n.FD()); err == nil {
			n.route, err = rtnl.Open()
		}
		if err != nil {
			return errors.Join(err, n.Close())
		}
		opened[i] = n
		return nil
	})
	for _, n := range opened {
		if n == nil {
			continue
		}
		if s.open[n.name] != nil { // named twice
			n.Close()
			continue
		}
		s.put(n)
	}
}

// Create makes the namespaces, each with lo up, and gives each one's error: fs.ErrExist
// says that something has the name.
func (s *Set) Create(ctx context.Context, specs []Spec) []error {
	if err := prepareDir(); err != nil {
		return repeat(err, len(specs))
	}
	return inParallel(ctx, len(specs), func(i int, ctxErr error) error {
		if ctxErr != nil {
			return fmt.Errorf("create network namespace %q: %w", specs[i].Name, ctxErr)
		}
		n, err := create(ctx, specs[i])
		if err != nil {
			return limitHint(err)
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		if stale := s.open[n.name]; stale != nil { // the name was removed behind our back
			stale.Close()
		}
		s.put(n)
		return nil
	})
}

// Delete takes the names away, closes the namespaces and gives each one's error. A name
// that is gone is no error. The caller has made sure that they are its own.
//
// The kernel takes the namespaces apart on its own time, and much cheaper together: all
// names go first, then all handles are closed.
func (s *Set) Delete(names []string) []error {
	errs := remove(names)
	for i, name := range names {
		if errs[i] == nil {
			errs[i] = s.Forget(name)
		}
	}
	return errs
}

// Forget closes the namespace of a name, which Get then opens anew.
func (s *Set) Forget(name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := s.open[name]
	if n == nil {
		return nil
	}
	delete(s.open, name)
	return n.Close()
}

// Close closes all.
func (s *Set) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var errs []error
	for _, n := range s.open {
		errs = append(errs, n.Close())
	}
	s.open = nil
	return errors.Join(errs...)
}

func repeat(err error, n int) []error {
	errs := make([]error, n)
	for i := range errs {
		errs[i] = err
	}
	return errs
}

// limitHint says what to do when the process may open no more files.
func limitHint(err error) error {
	if errors.Is(err, syscall.EMFILE) {
		return fmt.Errorf("%w: each network namespace takes up to three open files: raise the hard limit (ulimit -Hn)", err)
	}
	return err
}
