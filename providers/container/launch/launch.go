package launch

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"

	"github.com/diyform/diyform/internal/linux/cgroup"
	"github.com/diyform/diyform/internal/linux/fork"
	"github.com/diyform/diyform/internal/linux/mount"
	"github.com/diyform/diyform/internal/linux/netns"
	"github.com/diyform/diyform/internal/linux/pidfd"
	"github.com/diyform/diyform/internal/linux/process"
	"github.com/diyform/diyform/providers/container/rootfs"
)

// Container is a container's first process, which is created and not started: all is set
// up, but the command does not run yet. It is a child of this process.
type Container struct {
	Process *pidfd.Process
	// Mapped reports whether the image's files belong, inside, to whom they belong.
	Mapped bool
	// Init reports whether the first process is an init of ours, which gets all signals and
	// passes them on to the command.
	Init bool

	spec  Spec
	child *fork.Child
}

// Options are what a launch needs besides the spec.
type Options struct {
	// Scope tells the container from those of the same ID elsewhere: its stack.
	Scope string
	// Stdin, Stdout and Stderr become the command's. Without Stdin it is /dev/null.
	Stdin, Stdout, Stderr *os.File
	// Place puts the process into its control group. It is called before the container gets
	// a cgroup namespace, whose root that group is. nil leaves it where this process is.
	Place func(pid int) error
	// Entrance is that group's: by it the process is in the group from the beginning, which
	// is quicker. Where that cannot be, Place is called. It is the caller's to close.
	Entrance *cgroup.Entrance
	// Files are written over those of the image.
	Files []rootfs.File
	// Join finds the first process of another container of the stack, by its ID. It is
	// closed when the launch is done with it.
	Join func(containerID string) (*pidfd.Process, error)
	// Network is the network namespace that the container had of its own when it ran before,
	// or nil. It goes on with it if that can be: Record tells which one it is in.
	Network *netns.Namespace
	// Record is called when the process exists, in its network namespace, and has done nothing
	// yet. If it fails, or this process dies before it returns, nothing is left of the
	// container.
	Record func(*pidfd.Process, *netns.Namespace) error
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
	if err := spec.checkShared(); err != nil {
		return nil, err
	}
	join, err := findJoined(spec, o)
	if err != nil {
		return nil, err
	}
	if join != nil {
		defer join.Close()
	}
	ids, err := idsFor(spec, o.Scope, join)
	if err != nil {
		return nil, err
	}
	kept, err := keepNetwork(ctx, spec, o.Network, ids)
	if err != nil {
		return nil, err
	}
	if kept != nil {
		defer kept.close()
		join = kept.process
	}
	if err := giveFiles(ids, o); err != nil {
		return nil, err
	}
	root, err := openRoot(spec, o, ids)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	program, err := fork.New()
	if err != nil {
		return nil, err
	}
	defer program.Close()
	l := launch{composition: composition{spec: spec, ids: ids, root: root, options: o, join: join, kept: kept != nil, program: program}}
	if err := l.start(ctx); err != nil {
		return nil, err
	}
	defer l.close()
	c := &Container{spec: spec, child: l.child}
	err = errors.Join(l.setUp(ctx, c), l.reapFirst())
	c.Process = l.process
	if err != nil {
		c.Kill()
		return nil, err
	}
	return c, nil
}

// findJoined gives the first process of the container whose namespaces are joined, or nil.
func findJoined(spec Spec, o Options) (*pidfd.Process, error) {
	name := spec.Namespaces.Container
	if name == "" {
		return nil, nil
	}
	target, err := o.Join(name)
	if err != nil {
		return nil, fmt.Errorf("join namespaces of container %q: %w", name, err)
	}
	return target, nil
}

// giveFiles makes the container's root the owner of its standard files: the command reopens
// its output by /dev/stdout.
func giveFiles(ids idMaps, o Options) error {
	uid, gid := ids.rootIDs()
	if uid == os.Geteuid() {
		return nil
	}
	for _, f := range []*os.File{o.Stdin, o.Stdout, o.Stderr} {
		if f == nil {
			continue
		}
		if err := f.Chown(uid, gid); err != nil {
			return fmt.Errorf("give standard files to the container: %w", err)
		}
	}
	return nil
}

func openRoot(spec Spec, o Options, ids idMaps) (*rootfs.Root, error) {
	options := rootfs.Options{Data: spec.Data, Files: o.Files}
	options.UID, options.GID = ids.rootIDs()
	if spec.Root.ReadOnly { // where the process could not make it
		options.WorkingDir = spec.WorkingDir
	}
	return rootfs.Open(spec.Root, options)
}

// launch is a launch under way.
type launch struct {
	composition
	sysfsMount *os.File
	child      *fork.Child
	process    *pidfd.Process // the first child's, then the second's
	first      *pidfd.Process // the first child's, where there is a second
	grouped    bool           // the process is in its control group
}

func (l *launch) close() {
	if l.sysfsMount != nil {
		l.sysfsMount.Close()
	}
}

// start clones the process, inside the network namespace that the container joins: from its
// own user namespace it could not enter one that this does not own.
func (l *launch) start(ctx context.Context) error {
	if l.spec.Network.Join == "" {
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
	entrance := l.options.Entrance
	l.grouped = entrance != nil && (child.InGroup || entrance.Unified == nil)
	return nil
}

// setUp gives the process what only its parent can, and waits until it has done its part.
func (l *launch) setUp(ctx context.Context, c *Container) error {
	if err := l.prepare(ctx); err != nil {
		return err
	}
	owner := l.child.PID
	if l.join != nil {
		owner = l.join.PID // whose user namespace the process will enter
	}
	user, err := os.Open(fmt.Sprintf("/proc/%d/ns/user", owner))
	if err != nil {
		return fmt.Errorf("open user namespace: %w", err)
	}
	defer user.Close()
	mounts, mapped, err := l.root.Mounts(user)
	if err != nil {
		return err
	}
	c.Mapped = mapped
	if l.sysfs {
		mounts = append(mounts[:len(mounts):len(mounts)], l.sysfsMount)
	}
	if err := l.spawn(); err != nil {
		return err
	}
	if err := l.record(); err != nil {
		return err
	}
	if err := l.child.Send(mounts...); err != nil {
		return err
	}
	if err := l.child.Ready(ctx); err != nil {
		return err
	}
	account, err := l.account()
	if err != nil {
		return err
	}
	c.Init = account.Init
	if err := l.child.SendAccount(account); err != nil {
		return err
	}
	return l.child.Ready(ctx)
}

func (l *launch) record() error {
	network, err := l.network()
	if err != nil {
		return err
	}
	defer network.Close()
	return l.options.Record(l.process, network)
}

// network opens the network namespace of the process.
func (l *launch) network() (*netns.Namespace, error) {
	if l.join == nil {
		return netns.OpenPath(fmt.Sprintf("/proc/%d/ns/net", l.process.PID))
	}
	// Nobody may look at a process that has joined others, but for root.
	f, err := l.child.ReceiveFile("network namespace")
	if err != nil {
		return nil, err
	}
	return netns.Of(f)
}

// prepare sets what the first child hands down to the second.
func (l *launch) prepare(ctx context.Context) error {
	pid := l.child.PID
	if l.spec.own(kindUser) && !l.kept {
		if err := l.ids.write(ctx, pid); err != nil {
			return err
		}
	}
	if err := l.spec.RaiseLimits(pid); err != nil {
		return err
	}
	if l.spec.OOMScoreAdj != nil {
		if err := process.SetOOMScoreAdj(pid, *l.spec.OOMScoreAdj); err != nil {
			return err
		}
	}
	if l.options.Place == nil || l.grouped {
		return nil
	}
	return l.options.Place(pid)
}

// account looks up the user in the container's root, which is complete now.
func (l *launch) account() (fork.Account, error) {
	root, err := l.child.ReceiveFile("the container's root")
	if err != nil {
		return fork.Account{}, err
	}
	defer root.Close()
	account, err := Account(root, l.spec.User, IDs{l.ids.uids, l.ids.gids, l.ids.dropGroups})
	if err != nil {
		return fork.Account{}, err
	}
	account.Init = l.spec.wantsInit(root)
	return account, nil
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
	l.first, l.process = l.process, second
	return nil
}

// reapFirst takes leave of the first child, which has ended, or is about to: the second does
// not wait for that.
func (l *launch) reapFirst() error {
	if l.first == nil {
		return nil
	}
	defer l.first.Close()
	if err := l.first.Wait(context.Background()); err != nil {
		return err
	}
	_, err := l.first.Reap()
	return err
}

// Start runs the command, and returns when it runs.
func (c *Container) Start(ctx context.Context) error {
	defer c.child.Close()
	if err := c.spec.Limit(c.Process.PID); err != nil {
		return fmt.Errorf("start container %q: %w", c.spec.ID, err)
	}
	if err := c.child.Send(); err != nil {
		return fmt.Errorf("start container %q: %w", c.spec.ID, Explain(c.spec, err))
	}
	if err := c.child.Executed(ctx); err != nil {
		return fmt.Errorf("start container %q: %w", c.spec.ID, Explain(c.spec, err))
	}
	return nil
}

// Kill ends the container's processes, waits until the first is gone, and closes Process.
func (c *Container) Kill() {
	c.Reap()
	c.Process.Close()
}

// Reap does so and leaves Process open.
func (c *Container) Reap() { reap(c.child, c.Process) }

func reap(child *fork.Child, p *pidfd.Process) {
	child.Close()
	if err := p.Signal(syscall.SIGKILL); err == nil || errors.Is(err, pidfd.ErrGone) {
		if p.Wait(context.Background()) == nil {
			p.Reap()
		}
	}
}
