package supervisor

import (
	"context"
	"errors"
	"fmt"
	"net"

	"github.com/diyform/diyform/internal/linux/localsocket"
	"github.com/diyform/diyform/internal/linux/pidfd"
)

// errGone says that who asked will not hear the answer.
var errGone = errors.New("the client has gone away")

// conversation is the server as one client has it.
//
// A client that was killed leaves its last requests in their sockets, and the next client
// must not be told of a stack that those change a moment later. So a request of a client that
// has gone is not begun; that is decided under the server's lock, which also whoever comes
// after it takes. And what was begun shows only when it is done: see find and all.
type conversation struct {
	*server
	conn *net.UnixConn
	pid  int // of the client's process
}

// heardLocked reports why not to begin what was asked. The server's lock is held.
func (s *conversation) heardLocked() error {
	if s.leaving {
		return errLeaving
	}
	if localsocket.HungUp(s.conn) {
		return errGone
	}
	return nil
}

// find gives a container when it is made.
func (s *conversation) find(ctx context.Context, id string) (*container, error) {
	for {
		s.mu.Lock()
		err := s.heardLocked()
		c := s.containers[id]
		s.mu.Unlock()
		switch {
		case err != nil:
			return nil, err
		case c == nil:
			return nil, fmt.Errorf("container %q: %w", id, ErrNotFound)
		}
		if err := c.awaitMade(ctx); err != nil {
			return nil, err
		}
		if s.holds(c) {
			return c, nil
		}
	}
}

// all gives the containers when those are made that were begun before. One that is just being
// started is waited for: what it looks like meanwhile is nothing to plan by.
func (s *conversation) all(ctx context.Context) ([]*container, error) {
	s.mu.Lock()
	err := s.heardLocked()
	var begun []*container
	for _, c := range s.containers {
		begun = append(begun, c)
	}
	s.mu.Unlock()
	if err != nil {
		return nil, err
	}
	var made []*container
	for _, c := range begun {
		if err := c.awaitMade(ctx); err != nil {
			return nil, err
		}
		if !s.holds(c) {
			continue
		}
		if err := c.await(ctx, func(s Status) bool { return s.Phase != Starting }); err != nil {
			return nil, err
		}
		made = append(made, c)
	}
	return made, nil
}

// creator opens the client's process, or gives nil where it is in another pid namespace.
// That the client is there afterwards is what shows that it is the client's.
func (s *conversation) creator() (*pidfd.Process, error) {
	if s.pid == 0 {
		return nil, nil
	}
	p, err := pidfd.Open(s.pid)
	if errors.Is(err, pidfd.ErrGone) {
		return nil, errGone
	}
	return p, err
}
