package container

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"syscall"
	"time"

	"github.com/diyform/diyform/internal/diag"
	"github.com/diyform/diyform/internal/linux/pidfd"
	"github.com/diyform/diyform/providers"
	"github.com/diyform/diyform/providers/container/rootfs"
	"github.com/diyform/diyform/providers/container/supervisor"
	"github.com/diyform/diyform/providers/schema"
)

// Apply works on all containers of the batch at once: most of the time of a start or stop is
// spent in waiting.
func (c container) Apply(ctx context.Context, k *session, action providers.Action, ops []*containerOp) {
	var wg sync.WaitGroup
	var mu sync.Mutex // Done and the like are not safe for concurrent use
	for _, op := range ops {
		wg.Go(func() {
			settle := c.one(ctx, k, action, op)
			mu.Lock()
			defer mu.Unlock()
			settle()
		})
	}
	wg.Wait()
}

// one carries out one operation and gives how to settle it.
func (container) one(ctx context.Context, k *session, action providers.Action, op *containerOp) func() {
	if action == providers.Delete {
		if err := k.remove(ctx, op.Prior); err != nil {
			return func() { op.Fail(err) }
		}
		return op.Gone
	}
	status, err := k.bring(ctx, action, op)
	if err == nil && op.Planned.Wait {
		status, err = k.await(ctx, op, status)
	} else if err == nil && action == providers.Create {
		status = k.follow(ctx, status)
	}
	attrs := op.Planned
	attrs.observe(status)
	switch {
	case err != nil && status.Spec.ID != "":
		return func() { op.FailPartly(attrs, identityOf(status), err) }
	case err != nil:
		return func() { op.Fail(err) }
	}
	return func() {
		if failedAtOnce(op, status) {
			op.Warn(endedAtOnce(op, status))
		}
		op.Done(attrs, identityOf(status))
	}
}

// bring makes the container what is planned, and runs its command where it shall run.
func (k *session) bring(ctx context.Context, action providers.Action, op *containerOp) (supervisor.Status, error) {
	settings := op.Planned.settings(op.Address)
	var status supervisor.Status
	err := supervisor.ErrNotFound
	if action == providers.Update {
		status, err = k.client.Configure(ctx, op.Prior.Identity.ID, settings)
	}
	if isGone(err) {
		status, err = k.create(ctx, op, settings)
	}
	if err != nil || !mustStart(op, status) {
		return status, err
	}
	started, err := k.client.Start(ctx, status.Spec.ID)
	if err != nil {
		return status, err
	}
	return started, nil
}

func (k *session) create(ctx context.Context, op *containerOp, settings supervisor.Settings) (supervisor.Status, error) {
	k.sweep.Do(func() {
		if err := rootfs.Sweep(ctx, k.env.DataDir, k.env.BootID); err != nil {
			op.Warn(&diag.Problem{Summary: "Old containers' files remain", Detail: diag.Sentence(err.Error())})
		}
	})
	spec, err := k.spec(op)
	if err != nil {
		return supervisor.Status{}, err
	}
	return k.client.Create(ctx, spec, settings)
}

// mustStart reports whether a container that is there has to be started. A job that has ended
// well is planned as what it is.
func mustStart(op *containerOp, s supervisor.Status) bool {
	switch s.Phase {
	case supervisor.Created:
		return true
	case supervisor.Waiting, supervisor.Running, supervisor.Restarting:
		return s.Stopping // by a command that was killed
	case supervisor.Stopped, supervisor.Exited:
		return op.Planned.Status != string(s.Phase)
	}
	return false
}

// atOnce is how long a command is watched after its start. Most that cannot run at all, for
// a wrong argument or a missing file, have ended by then.
const atOnce = 100 * time.Millisecond

// follow gives the status of a container that was just started, as it is a moment later.
func (k *session) follow(ctx context.Context, started supervisor.Status) supervisor.Status {
	ctx, cancel := context.WithTimeout(ctx, atOnce)
	defer cancel()
	ended, err := k.client.Wait(ctx, started.Spec.ID)
	if err != nil {
		return started // it runs, or the next command will see why not
	}
	return ended
}

// failedAtOnce reports whether a command has ended that should not have.
func failedAtOnce(op *containerOp, s supervisor.Status) bool {
	return !s.Phase.Alive() && (op.Planned.MustRun || s.Exit == nil || s.Exit.Code != 0)
}

func endedAtOnce(op *containerOp, s supervisor.Status) *diag.Problem {
	return &diag.Problem{
		Summary: "The container has ended already", Attribute: "command",
		Detail: fmt.Sprintf("%s was started, and does not run any more. %s `diyform logs %s` shows what it wrote.",
			op.Address, s.Ending(), op.Address),
	}
}

// remove asks the command to end, ends it, and removes what is left.
func (k *session) remove(ctx context.Context, prior *recordedContainer) error {
	_, err := k.client.Stop(ctx, prior.Identity.ID, nil)
	if isGone(err) {
		err = k.removeOrphan(ctx, prior)
	}
	if err == nil {
		err = k.client.Remove(ctx, prior.Identity.ID)
	}
	if err != nil {
		return err
	}
	return rootfs.Remove(ctx, dataFolder(k.env, prior.Identity.ID)) // where no record told of it
}

// isOrphan reports whether a container runs that the supervisor does not know.
func (k *session) isOrphan(identity containerIdentity) (bool, error) {
	orphan, err := k.client.Orphan(identity.PID, identity.StartTime)
	if errors.Is(err, pidfd.ErrGone) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return true, orphan.Close()
}

// removeOrphan ends a container that runs although the supervisor does not know it.
func (k *session) removeOrphan(ctx context.Context, prior *recordedContainer) error {
	orphan, err := k.client.Orphan(prior.Identity.PID, prior.Identity.StartTime)
	if errors.Is(err, pidfd.ErrGone) {
		return nil
	}
	if err != nil {
		return err
	}
	defer orphan.Close()
	signal, err := signalNumber(prior.Attrs.StopSignal)
	if err != nil {
		return err
	}
	timeout, err := schema.ParseDuration(prior.Attrs.StopTimeout)
	if err != nil {
		return fmt.Errorf("read the recorded stop_timeout: %w", err)
	}
	return orphan.End(ctx, syscall.Signal(signal), timeout, k.network(prior.Origin(), &prior.Attrs))
}
