package launch

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"

	"github.com/diyform/diyform/internal/linux/fork"
	"github.com/diyform/diyform/internal/linux/mount"
	"github.com/diyform/diyform/internal/linux/netns"
	"github.com/diyform/diyform/internal/linux/pidfd"
	"github.com/diyform/diyform/providers/container/rootfs"
)

// Container is a container's first process, which is created and not started: all is set
// up, but the command does not run yet. It is a child of this process.
type Container struct {
	Process *pidfd.Process
	// Mapped reports whether the image's files belong, inside, to whom they belong.
	Mapped bool

	spec  Spec
	child *fork.Child
}

// Options are what a launch needs besides the spec.
type Options struct {
	// Scope tells the container from those of the same ID elsewhere: its stack.
	Scope string
	// Output becomes the command's standard output and error.
	Output *os.File
	// Record is called when the process exists and has done nothing yet. If it fails, or
	// this process dies before it returns, nothing is left of the container.
	Record func(*pidfd.Process) error
}

// Create makes a container. When it fails, no process is left.
func Create(ctx context.Context, spec Spec, o Options) (*Container, error) {
	c, err := create(ctx, spec, o)
	if err != nil {
		return nil, fmt.Errorf("create container %q: %w", spec.ID, Explain(spec, err))
	}
	return c, nil
}

func create(ctx context.Context, spec Spec, o Options) (*Container, error) {
	if err := spec.Validate(); err != nil {
		return nil, err
	}
	if err := rootfs.CheckDevices(); err != nil {
		return nil, err
	}
	ids, err := chooseIDs(spec.IDMap, o.Scope+"\x00"+spec.ID)
	if err != nil {
		return nil, err
	}
	// The command reopens its output by /dev/stdout, where it must own it.
	if uid, gid := ids.rootIDs(); uid != os.Geteuid() {
		if err := o.Output.Chown(uid, gid); err != nil {
			return nil, fmt.Errorf("give output to the container: %w", err)
		}
	}
	root, err := rootfs.Open(spec.Root)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	program, err := fork.New()
	if err != nil {
		return nil, err
	}
	defer program.Close()
	l := launch{composition: composition{spec: spec, ids: ids, root: root, output: o.Output, program: program}}
	if err := l.start(ctx); err != nil {
		return nil, err
	}
	defer l.close()
	c := &Container{spec: spec, child: l.child}
	c.Mapped, err = l.setUp(ctx, o)
	c.Process = l.process
	if err != nil {
		c.Kill()
		return nil, err
	}
	return c, nil
}

// launch is a launch under way.
type launch struct {
	composition
	sysfsMount *os.File
	child      *fork.Child
	process    *pidfd.Process // the first child's, then the second's
}

func (l *launch) close() {
	if l.sysfsMount != nil {
		l.sysfsMount.Close()
	}
}

// start clones the process, inside the network namespace that the container joins: from its
// own user namespace it could not enter one that this does not own.
func (l *launch) start(ctx context.Context) error {
	if l.ownNetwork() {
		return l.clone()
	}
	ns, err := netns.Open(l.spec.Network.Join)
	if err != nil {
		return err
	}
	defer ns.Close()
	return ns.Do(ctx, func() error {
		if m, err := mount.Sysfs(); err == nil { // not allowed to everybody; the host's serves
			l.sysfs, l.sysfsMount = true, m
		}
		return l.clone()
	})
}

func (l *launch) clone() error {
	if err := l.compose(); err != nil {
		l.close()
		return err
	}
	child, err := l.program.Start(l.namespaces())
	if err != nil {
		l.close()
		return err
	}
	p, err := pidfd.New(child.PID, child.PidFD)
	if err != nil {
		child.Close() // ends the process
		l.close()
		return err
	}
	l.child, l.process = child, p
	return nil
}

// setUp gives the process what only its parent can, and waits until it has done its part.
func (l *launch) setUp(ctx context.Context, o Options) (mapped bool, err error) {
	if err := l.ids.write(ctx, l.child.PID); err != nil {
		return false, err
	}
	user, err := os.Open(fmt.Sprintf("/proc/%d/ns/user", l.child.PID))
	if err != nil {
		return false, fmt.Errorf("open user namespace: %w", err)
	}
	defer user.Close()
	mounts, mapped, err := l.root.Mounts(user)
	if err != nil {
		return false, err
	}
	if l.sysfs {
		mounts = append(mounts[:len(mounts):len(mounts)], l.sysfsMount)
	}
	if err := l.spawn(); err != nil {
		return false, err
	}
	if err := o.Record(l.process); err != nil {
		return false, err
	}
	if err := l.child.Send(mounts...); err != nil {
		return false, err
	}
	return mapped, l.child.Ready(ctx)
}

// spawn lets the first child make the second, which becomes the container's first process.
// It does not wait for anybody else, so it is not interrupted: a second child that nobody
// knows would stay a zombie.
func (l *launch) spawn() error {
	if err := l.child.Send(); err != nil {
		return err
	}
	pid, err := l.child.Spawned(context.Background())
	if err != nil {
		return err
	}
	second, err := pidfd.Open(pid) // which nobody but us can reap
	if err != nil {
		return err
	}
	first := l.process
	l.process = second
	defer first.Close()
	if err := first.Wait(context.Background()); err != nil {
		return err
	}
	_, err = first.Reap()
	return err
}

// Start runs the command, and returns when it runs.
func (c *Container) Start(ctx context.Context) error {
	defer c.child.Close()
	if err := c.child.Send(); err != nil {
		return fmt.Errorf("start container %q: %w", c.spec.ID, Explain(c.spec, err))
	}
	if err := c.child.Executed(ctx); err != nil {
		return fmt.Errorf("start container %q: %w", c.spec.ID, Explain(c.spec, err))
	}
	return nil
}

// Kill ends the container's processes and waits until the first is gone.
func (c *Container) Kill() {
	c.child.Close()
	if err := c.Process.Signal(syscall.SIGKILL); err == nil || errors.Is(err, pidfd.ErrGone) {
		if c.Process.Wait(context.Background()) == nil {
			c.Process.Reap()
		}
	}
	c.Process.Close()
}
