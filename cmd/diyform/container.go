package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/diyform/diyform/internal/addr"
	"github.com/diyform/diyform/internal/diag"
	"github.com/diyform/diyform/plan"
	"github.com/diyform/diyform/providers/container"
	"github.com/diyform/diyform/providers/container/supervisor"
)

// recordedContainer is the container that a command is about.
type recordedContainer struct {
	*view
	runtimeDir string
	recorded   *plan.Recorded // as it is in the state; nothing was read
	status     supervisor.Status
}

// container finds the container of an address, which may have ended.
func (v *view) container(ctx context.Context, address string) (*recordedContainer, error) {
	s, err := v.openContainers()
	if err != nil {
		return nil, err
	}
	defer s.close()
	return s.container(ctx, address)
}

// openContainers opens the state for a command that is about containers.
func (v *view) openContainers() (*session, error) {
	s, err := loadSession(v)
	if err != nil {
		return nil, v.stateError(err)
	}
	if err := s.connect(); err != nil {
		return nil, v.failWith(err, "The providers cannot be opened")
	}
	return s, nil
}

func (s *session) container(ctx context.Context, address string) (*recordedContainer, error) {
	v := s.view
	r, err := s.find(address)
	if err != nil {
		return nil, v.failWith(err, "")
	}
	if r.Address.Type != "container" || r.Address.Mode != addr.Managed {
		return nil, v.failWith(&diag.Problem{
			Summary: "Not a container", Detail: fmt.Sprintf("%s is a %s. `diyform ps` lists the containers.", r.Address, r.Address.Type),
		}, "")
	}
	object, _, err := plan.DecodeRecord(s.registry, r)
	if err != nil {
		return nil, v.stateError(err)
	}
	c := &recordedContainer{view: v, runtimeDir: s.env.RuntimeDir, recorded: &plan.Recorded{Object: object, Record: r}}
	if c.status, err = container.Find(ctx, c.runtimeDir, object); err != nil {
		return nil, c.failWith(c.explainGone(err), "The container cannot be found")
	}
	return c, nil
}

// containersOf finds the containers of several addresses, or with all those of the stack.
func (s *session) containersOf(ctx context.Context, addresses []string, all bool) ([]*recordedContainer, error) {
	if all {
		addresses = s.containerAddresses()
	}
	var list []*recordedContainer
	seen := map[addr.Instance]bool{}
	for _, a := range addresses {
		c, err := s.container(ctx, a)
		if err != nil {
			return nil, err
		}
		if !seen[c.address()] {
			seen[c.address()] = true
			list = append(list, c)
		}
	}
	return list, nil
}

func (s *session) containerAddresses() []string {
	var list []string
	for _, r := range s.state.Sorted() {
		if r.Address.Type == "container" && r.Address.Mode == addr.Managed {
			list = append(list, r.Address.String())
		}
	}
	return list
}

// completeContainers completes the addresses of containers, as many as most, or any number of
// them where that is 0.
func completeContainers(most int) cobra.CompletionFunc {
	return names(most, func() []string { return ofType("container") })
}

func (c *recordedContainer) client() *supervisor.Client { return supervisor.Connect(c.runtimeDir) }

func (c *recordedContainer) address() addr.Instance { return c.recorded.Record.Address }

// failWith is view.failWith without what the state has as sensitive.
func (c *recordedContainer) failWith(err error, summary string) error {
	return c.fail(nil, c.recorded.Censor(diag.FromError(err, summary, nil)))
}

func (c *recordedContainer) explainGone(err error) error {
	if !errors.Is(err, supervisor.ErrNotFound) {
		return err
	}
	return &diag.Problem{
		Summary: "The container is gone", Err: err,
		Detail: fmt.Sprintf("%s was made, and does not exist any more. `diyform apply` makes it again.", c.address()),
	}
}

// endKnown is how long a supervisor may take to learn how a process ended that has.
const endKnown = 2 * time.Second

// ending tells in a sentence how the container ended, which may have been just now.
func (c *recordedContainer) ending(ctx context.Context) string {
	ctx, cancel := context.WithTimeout(ctx, endKnown)
	defer cancel()
	status, err := c.client().Wait(ctx, c.status.Spec.ID)
	if err != nil {
		return "It has ended, and how is not known: " + diag.Sentence(err.Error())
	}
	return status.Ending()
}
