package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/diyform/diyform/internal/addr"
	"github.com/diyform/diyform/internal/diag"
	"github.com/diyform/diyform/plan"
	"github.com/diyform/diyform/providers/container"
	"github.com/diyform/diyform/providers/container/supervisor"
	"github.com/diyform/diyform/providers/registry"
	"github.com/diyform/diyform/state"
)

// recordedContainer is the container that a command is about.
type recordedContainer struct {
	*view
	runtimeDir string
	recorded   *plan.Recorded // as it is in the state; nothing was read
	status     supervisor.Status
}

// container finds the container of an address, which may have ended.
func (v *view) container(ctx context.Context, text string) (*recordedContainer, error) {
	s := &session{view: v, registry: registry.New(), store: state.Open(".")}
	if err := s.load(); err != nil {
		return nil, v.stateError(err)
	}
	if err := s.connect(); err != nil {
		return nil, v.failWith(err, "The providers cannot be opened")
	}
	defer s.close()
	r, err := s.find(text)
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
	if c.status, err = container.Find(ctx, c.runtimeDir, r.Address); err != nil {
		return nil, c.failWith(c.explainGone(err), "The container cannot be found")
	}
	return c, nil
}

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
	status, err := supervisor.Connect(c.runtimeDir).Wait(ctx, c.status.Spec.ID)
	if err != nil {
		return "It has ended, and how is not known: " + diag.Sentence(err.Error())
	}
	return status.Ending()
}
