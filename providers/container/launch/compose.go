package launch

import (
	"os"

	"github.com/diyform/diyform/internal/linux/fork"
	"github.com/diyform/diyform/internal/linux/initproc"
	"github.com/diyform/diyform/internal/linux/pidfd"
	"github.com/diyform/diyform/providers/container/rootfs"
)

// composition is what the steps of a launch are made from.
type composition struct {
	spec    Spec
	ids     idMaps
	root    *rootfs.Root
	sysfs   bool // a sysfs comes with the root's mounts
	options Options
	join    *pidfd.Process // whose namespaces are joined, or nil
	kept    bool           // those are the container's own, which it had before
	program *fork.Program
}

// compose writes down what the container's process does, from clone to exec.
func (c composition) compose() error {
	p := c.program
	stdio, initProgram, err := c.keep()
	if err != nil {
		return err
	}
	target := fork.FD(-1)
	if c.join != nil {
		target = p.Keep(c.join.File())
	}
	tasks := c.keepEntrance()
	p.ResetSignals()
	for _, fd := range tasks {
		p.Write("enter control group", fd, "0")
		p.CloseFD(fd)
	}

	// The parent has by then written the id maps, without which nothing below is allowed, and
	// put the process into its control group, which becomes its cgroup namespace's root. If
	// the parent died before that, the process ends here.
	p.Receive("wait for id maps", 0)
	if err := c.composeNamespaces(target); err != nil {
		return err
	}
	p.Spawn()
	incoming := p.Receive("wait for its record", c.incoming())
	c.composeSettings()
	c.composeRoot(incoming)
	for standard, fd := range stdio {
		if fd >= 0 {
			p.Replace(fork.FD(standard), fd)
		}
	}
	p.Umask(0o022)

	// Only now are there the image's users to look up, for which the parent gets the root.
	root := p.OpenPath("/")
	p.SendFile(root)
	p.CloseFD(root)
	p.Ready()
	p.ReceiveAccount()
	if c.spec.WorkingDir != "" {
		p.EnsureFolder(c.spec.WorkingDir)
	}
	p.Ready()

	// Created, not started: the network may be configured now.
	p.Receive("wait for the start", 0)
	if err := Drop(p, c.spec, c.spec.workingDir(), c.ids.dropGroups); err != nil {
		return err
	}
	if c.spec.mayHaveInit() {
		p.Init(initProgram, initproc.Name)
	}
	Exec(p, initProgram, c.spec.Command, c.spec.Environ())
	return nil
}

// Exec appends the execution of a command, by the program of package initproc.
func Exec(p *fork.Program, program fork.FD, command, environ []string) {
	paths := Candidates(command[0], environ)
	p.ExecThrough(program, func(status int) ([]string, error) {
		return initproc.Exec(status, paths, command)
	}, command[0], environ)
}

// mayHaveInit reports whether an init is possible, and not unwanted.
func (s Spec) mayHaveInit() bool { return s.Init != InitNo && s.own(kindPID) }

// keep leaves open what the process gets from its parent at once: the standard files, of which
// one that there is not is -1, and the program of package initproc.
func (c composition) keep() (stdio [3]fork.FD, initProgram fork.FD, err error) {
	for i, f := range []*os.File{c.options.Stdin, c.options.Stdout, c.options.Stderr} {
		stdio[i] = -1
		if f != nil {
			stdio[i] = c.program.Keep(f)
		}
	}
	f, err := initproc.File()
	if err != nil {
		return stdio, -1, err
	}
	return stdio, c.program.Keep(f), nil
}

// keepEntrance leaves open what the process enters its control group by.
func (c composition) keepEntrance() []fork.FD {
	e := c.options.Entrance
	if e == nil {
		return nil
	}
	if e.Unified != nil {
		c.program.IntoGroup(e.Unified)
	}
	var tasks []fork.FD
	for _, f := range e.Tasks {
		tasks = append(tasks, c.program.Keep(f))
	}
	return tasks
}

// composeNamespaces enters the namespaces that the clone has not made.
func (c composition) composeNamespaces(target fork.FD) error {
	p := c.program
	if c.join != nil {
		p.Enter(target, c.entered())
		p.CloseFD(target)
		p.Unshare(c.spec.made() &^ c.entered())
		// What has entered a user namespace is no more the owner of its files in /proc. It
		// is in no container's pid namespace yet, so nobody can look at it meanwhile.
		p.Dumpable()
		network := p.Open("/proc/self/ns/net", os.O_RDONLY)
		p.SendFile(network)
		p.CloseFD(network)
	}
	if c.spec.own(kindCgroup) {
		p.Unshare(fork.Cgroup)
	}
	if c.spec.own(kindTime) {
		if err := c.zeroClocks(); err != nil {
			return err
		}
	}
	if c.join != nil {
		// Other containers' processes see the next child, which has our memory until exec.
		p.Undumpable()
	}
	// A process enters neither a pid nor, before Linux 6.3, a time namespace of its own
	// making; its child is in both. The container's first process is this second child, and
	// the parent records that one before it lets it go on.
	if c.spec.own(kindPID) {
		p.UnsharePID()
	}
	return nil
}

// composeSettings becomes root of the namespaces and sets them up, while the host's /proc is
// in sight.
func (c composition) composeSettings() {
	p := c.program
	p.SetIDs(0, 0, c.ids.dropGroups)
	p.Umask(0)
	p.NewSession()
	if c.join != nil {
		p.Undumpable() // SetIDs has set it anew
	}
	if c.spec.Hostname != "" {
		p.SetHostname(c.spec.Hostname)
	}
	if c.spec.Domain != "" {
		p.SetDomain(c.spec.Domain)
	}
	if c.ownNetwork() {
		p.LoopbackUp()
	}
	c.spec.composeSysctls(p)
}

func (c composition) ownNetwork() bool { return c.spec.own(kindNetwork) }

func (c composition) incoming() int {
	if c.sysfs {
		return c.root.Incoming() + 1
	}
	return c.root.Incoming()
}

// zeroClocks moves the clocks back by what they show now, so that the container's begin
// within milliseconds of zero. An offset beyond zero would be ERANGE.
func (c composition) zeroClocks() error {
	monotonic, boottime, err := fork.Clocks()
	if err != nil {
		return err
	}
	c.program.UnshareTime(-monotonic, -boottime)
	return nil
}

// composeRoot builds the root in the container's copy of the host's mounts, and leaves the
// latter.
func (c composition) composeRoot(incoming []fork.FD) {
	p := c.program
	kernel := rootfs.Kernel{
		OwnNetwork: c.ownNetwork(), Sysfs: -1, PID: c.whose(kindPID), IPC: c.whose(kindIPC),
		Cgroup: c.whose(kindCgroup), Privileged: c.spec.Privileges.Privileged,
	}
	if c.sysfs {
		kernel.Sysfs = incoming[len(incoming)-1]
	}
	root := c.root.Compose(p, incoming[:c.root.Incoming()])
	c.root.ComposeKernel(p, root, kernel)
	p.PivotRoot(root)
	p.CloseFD(root)
	null := p.Open("/dev/null", os.O_RDWR)
	p.Replace(0, null)
	p.CloseFD(null)
}

func (c composition) whose(kind string) rootfs.Namespace {
	switch {
	case c.spec.joins(kind):
		return rootfs.Joined
	case c.spec.keeps(kind):
		return rootfs.Kept
	}
	return rootfs.Own
}

// entered are the kinds of namespaces that are entered.
func (c composition) entered() fork.Namespaces {
	if c.kept {
		return c.spec.made() & (fork.User | fork.Network)
	}
	return c.spec.joined()
}

// namespaces are what clone makes. Who joins a user namespace makes the others inside of it.
func (c composition) namespaces() fork.Namespaces {
	if c.join != nil {
		return 0
	}
	return c.spec.made()
}
