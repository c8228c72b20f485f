package container

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/diyform/diyform/internal/diag"
	"github.com/diyform/diyform/providers"
	"github.com/diyform/diyform/providers/container/supervisor"
)

// goal is what apply waits for.
type goal string

const (
	toBeHealthy goal = "healthy"
	toRun       goal = "running"
	toEnd       goal = "its end"
)

func (v *containerAttrs) goal() goal {
	switch {
	case v.HealthCheck != nil:
		return toBeHealthy
	case !v.MustRun:
		return toEnd
	}
	return toRun
}

// await waits until a container that was started is what others may rely on. It gives what
// the container is then, also with an error.
func (k *session) await(ctx context.Context, op *containerOp, started supervisor.Status) (supervisor.Status, error) {
	waiting, stop := op.Waiting(ctx)
	defer stop()
	waiting, cancel := context.WithTimeoutCause(waiting, durationOf(op.Planned.WaitTimeout), errTooLong)
	defer cancel()
	id, goal := started.Spec.ID, op.Planned.goal()
	status, err := k.reach(waiting, id, goal, progressOf(op, goal))
	if err == nil && goal == toRun {
		status = k.follow(waiting, status)
	}
	if err == nil && goal.reached(status) {
		return status, nil
	}
	if waiting.Err() != nil {
		err = context.Cause(waiting)
	}
	if status, inspectErr := k.client.Inspect(ctx, id); inspectErr == nil {
		return status, notReached(op, goal, status, err)
	}
	return started, notReached(op, goal, started, err)
}

func (k *session) reach(ctx context.Context, id string, goal goal, see func(supervisor.Status)) (supervisor.Status, error) {
	if goal != toEnd {
		return k.client.WaitHealthy(ctx, id, see)
	}
	status, err := k.client.Inspect(ctx, id)
	if err != nil || !status.Phase.Alive() {
		return status, err
	}
	see(status)
	return k.client.Wait(ctx, id)
}

// progressOf tells the user how far a container has come, whenever there is something new.
func progressOf(op *containerOp, goal goal) func(supervisor.Status) {
	told := ""
	return func(s supervisor.Status) {
		if text := fmt.Sprintf("waiting for %s (%s)", goal, describe(s)); text != told {
			op.Progress(text)
			told = text
		}
	}
}

// errTooLong is why a wait ended: wait_timeout.
var errTooLong = errors.New("the time to wait is over")

func (g goal) reached(s supervisor.Status) bool {
	switch g {
	case toBeHealthy:
		return s.Health.Status == supervisor.Healthy
	case toEnd:
		return s.Exit != nil && s.Exit.Code == 0
	}
	return s.Phase == supervisor.Running
}

// describe says how far a container has come: "starting, 2 failures".
func describe(s supervisor.Status) string {
	if s.Phase != supervisor.Running {
		if s.Phase == supervisor.Waiting {
			return "its interfaces are not up yet: " + strings.Join(s.Settings.Interfaces, ", ")
		}
		return string(s.Phase)
	}
	text := string(s.Phase)
	if s.Health.Status != supervisor.HealthNone {
		text = string(s.Health.Status)
	}
	switch s.Health.Failures {
	case 0:
		return text
	case 1:
		return text + ", 1 failure"
	}
	return fmt.Sprintf("%s, %d failures", text, s.Health.Failures)
}

// notReached says what was waited for, how it is instead, and what to do.
func notReached(op *containerOp, goal goal, s supervisor.Status, err error) error {
	why := ""
	switch {
	case errors.Is(err, providers.ErrInterrupted):
		why = "The wait was interrupted."
	case errors.Is(err, errTooLong):
		why = fmt.Sprintf("It was waited for %s, as wait_timeout says.", op.Planned.WaitTimeout)
	case err != nil:
		why = diag.Sentence(err.Error())
	}
	state := "It is " + describe(s) + "."
	if !s.Phase.Alive() {
		state = s.Ending()
	}
	if text := strings.TrimSpace(s.Health.Output); text != "" && goal == toBeHealthy {
		state += fmt.Sprintf(" The last check said: %s", diag.Sentence(text))
	}
	detail := strings.Join(strings.Fields(fmt.Sprintf("%s was started, and apply waited for %s. %s", op.Address, goal, why)), " ")
	return &diag.Problem{
		Summary: "The container is not ready", Attribute: "wait", Err: err,
		Detail: fmt.Sprintf("%s %s It is left as it is. `diyform logs %s` shows what it wrote; the next apply goes on from here.",
			detail, state, op.Address),
	}
}
