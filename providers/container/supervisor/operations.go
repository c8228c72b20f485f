package supervisor

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

func (s *conversation) create(ctx context.Context, in createBody) (Status, error) {
	if err := errors.Join(in.Spec.Validate(), in.Settings.Validate()); err != nil {
		return Status{}, err
	}
	if err := s.begin(); err != nil {
		return Status{}, err
	}
	defer s.done()
	creator, err := s.creator()
	if err != nil {
		return Status{}, err
	}
	c, isNew, err := s.claim(ctx, in)
	if err != nil {
		closeCreator(creator)
		return Status{}, err
	}
	defer c.change.Unlock()
	c.setCreator(creator)
	if isNew {
		return s.make(ctx, c)
	}
	existing := c.status()
	if existing.Phase != Created {
		c.setCreator(nil)
	}
	if !existing.Spec.Equal(in.Spec) {
		return Status{}, fmt.Errorf("create container %q: %w", in.Spec.ID, ErrDifferent)
	}
	return existing, nil
}

// make makes a container that was claimed.
func (s *conversation) make(ctx context.Context, c *container) (Status, error) {
	defer close(c.made)
	if err := c.create(context.WithoutCancel(ctx)); err != nil {
		c.setCreator(nil)
		s.forget(c)
		return Status{}, err
	}
	return c.status(), nil
}

// claim gives the container of the spec's id with its change locked: the one there is, or a
// new one, also in place of a lost one.
func (s *conversation) claim(ctx context.Context, in createBody) (c *container, isNew bool, err error) {
	for {
		s.mu.Lock()
		if err := s.heardLocked(); err != nil {
			s.mu.Unlock()
			return nil, false, err
		}
		c := s.containers[in.Spec.ID]
		if c == nil {
			c = s.newContainer(in)
			s.containers[in.Spec.ID] = c
			c.change.Lock()
			s.mu.Unlock()
			return c, true, nil
		}
		s.mu.Unlock()
		c.change.Lock()
		switch {
		case !s.holds(c): // it was removed while we waited
		case c.status().Phase != Lost:
			return c, false, nil
		default:
			if err := c.cleanUp(context.WithoutCancel(ctx)); err != nil {
				c.change.Unlock()
				return nil, false, err
			}
			s.forget(c)
		}
		c.change.Unlock()
	}
}

func (s *server) newContainer(in createBody) *container {
	return newContainer(s.stack, folderOf(s.dir, in.Spec.ID), Record{
		Format: recordFormat, BootID: s.boot,
		Status: Status{Spec: in.Spec, Settings: in.Settings, Log: filepath.Join(in.Spec.Data, outputLogName)},
	})
}

func (s *server) holds(c *container) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.containers[c.status().Spec.ID] == c
}

func (s *server) forget(c *container) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.containers, c.status().Spec.ID)
}

func (s *conversation) start(ctx context.Context, in idBody) (Status, error) {
	return s.change(ctx, in.ID, func(ctx context.Context, c *container) error { return c.start(ctx) })
}

func (s *conversation) configure(ctx context.Context, in settingsBody) (Status, error) {
	if err := in.Settings.Validate(); err != nil {
		return Status{}, err
	}
	return s.change(ctx, in.ID, func(_ context.Context, c *container) error { return c.configure(in.Settings) })
}

func (s *conversation) stop(ctx context.Context, in stopBody) (Status, error) {
	return s.change(ctx, in.ID, func(ctx context.Context, c *container) error { return c.stop(ctx, in.Timeout) })
}

func (s *conversation) restart(ctx context.Context, in idBody) (Status, error) {
	return s.change(ctx, in.ID, func(ctx context.Context, c *container) error { return c.restartNow(ctx) })
}

func (s *conversation) signal(ctx context.Context, in signalBody) (nothing, error) {
	c, err := s.find(ctx, in.ID)
	if err != nil {
		return nothing{}, err
	}
	return nothing{}, c.signal(syscall.Signal(in.Signal))
}

// change does something to a container, to its end also if the client goes away, and gives
// the status afterwards.
func (s *conversation) change(ctx context.Context, id string, do func(context.Context, *container) error) (Status, error) {
	c, err := s.find(ctx, id)
	if err != nil {
		return Status{}, err
	}
	if err := do(context.WithoutCancel(ctx), c); err != nil {
		return Status{}, err
	}
	return c.status(), nil
}

func (s *conversation) remove(ctx context.Context, in idBody) (nothing, error) {
	if err := s.begin(); err != nil {
		return nothing{}, err
	}
	defer s.done()
	c, err := s.find(ctx, in.ID)
	if err != nil {
		return nothing{}, err
	}
	c.change.Lock()
	defer c.change.Unlock()
	if !s.holds(c) {
		return nothing{}, fmt.Errorf("container %q: %w", in.ID, ErrNotFound)
	}
	if err := c.remove(context.WithoutCancel(ctx)); err != nil {
		return nothing{}, err
	}
	s.forget(c)
	return nothing{}, nil
}

func (s *conversation) inspect(ctx context.Context, in idBody) (Status, error) {
	c, err := s.find(ctx, in.ID)
	if err != nil {
		return Status{}, err
	}
	return c.status(), nil
}

func (s *conversation) wait(ctx context.Context, in idBody) (Status, error) {
	c, err := s.find(ctx, in.ID)
	if err != nil {
		return Status{}, err
	}
	if err := c.wait(ctx); err != nil {
		return Status{}, err
	}
	return c.status(), nil
}

// observe waits until there is something to tell.
func (s *conversation) observe(ctx context.Context, in observeBody) (Status, error) {
	c, err := s.find(ctx, in.ID)
	if err != nil {
		return Status{}, err
	}
	if err := c.await(ctx, func(s Status) bool { return s.sight() != in.Known }); err != nil {
		return Status{}, err
	}
	return c.status(), nil
}

func (s *conversation) list(ctx context.Context, _ nothing) ([]Status, error) {
	containers, err := s.all(ctx)
	if err != nil {
		return nil, err
	}
	list := make([]Status, 0, len(containers))
	for _, c := range containers {
		if err := s.removeAbandoned(ctx, c); err != nil {
			return nil, err
		}
		if s.holds(c) {
			list = append(list, c.status())
		}
	}
	slices.SortFunc(list, func(a, b Status) int { return strings.Compare(a.Spec.ID, b.Spec.ID) })
	return list, nil
}

// removeAbandoned removes a container that waits for its start while nobody is left to tell
// it to: its creator has ended.
func (s *conversation) removeAbandoned(ctx context.Context, c *container) error {
	if c.status().Phase != Created {
		return nil
	}
	if err := s.begin(); err != nil {
		return err
	}
	defer s.done()
	c.change.Lock()
	defer c.change.Unlock()
	if !s.holds(c) || !c.abandoned() {
		return nil
	}
	if err := c.remove(context.WithoutCancel(ctx)); err != nil {
		return err
	}
	s.forget(c)
	return nil
}

func (s *conversation) shutdown(context.Context, nothing) (nothing, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.endLocked()
	return nothing{}, nil
}
