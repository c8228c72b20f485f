package launch

import (
	"os"

	"github.com/diyform/diyform/internal/linux/fork"
	"github.com/diyform/diyform/providers/container/rootfs"
)

// composition is what the steps of a launch are made from.
type composition struct {
	spec    Spec
	ids     idMaps
	root    *rootfs.Root
	sysfs   bool     // a sysfs comes with the root's mounts
	output  *os.File // becomes standard output and error
	program *fork.Program
}

// compose writes down what the container's process does, from clone to exec.
func (c composition) compose() error {
	p := c.program
	output := p.Keep(c.output)
	p.ResetSignals()

	// The parent has by then written the id maps, without which nothing below is allowed. If
	// it died before that, the process ends here.
	p.Receive("wait for id maps", 0)
	if c.spec.BootTime == BootTimeZero {
		if err := c.zeroClocks(); err != nil {
			return err
		}
	}
	// A process enters neither a pid nor, before Linux 6.3, a time namespace of its own
	// making; its child is in both. The container's first process is this second child, and
	// the parent records that one before it lets it go on.
	p.UnsharePID()
	p.Spawn()
	incoming := p.Receive("wait for its record", c.incoming())
	p.SetIDs(0, 0, c.ids.dropGroups)
	p.Umask(0)
	p.NewSession()
	if c.spec.Hostname != "" {
		p.SetHostname(c.spec.Hostname)
	}
	if c.ownNetwork() {
		p.LoopbackUp()
	}
	c.composeRoot(incoming)
	p.Replace(1, output)
	p.Replace(2, output)
	p.Umask(0o022)
	p.Ready()

	// Created, not started: the network may be configured now.
	p.Receive("wait for the start", 0)
	dir := c.spec.WorkingDir
	if dir == "" {
		dir = "/"
	}
	p.Chdir(dir)
	if err := Drop(p, c.spec); err != nil {
		return err
	}
	environ := c.spec.Environ()
	p.Exec(Candidates(c.spec.Command[0], environ), c.spec.Command, environ)
	return nil
}

func (c composition) ownNetwork() bool { return c.spec.Network.Join == "" }

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
	kernel := rootfs.Kernel{OwnNetwork: c.ownNetwork(), Sysfs: -1}
	if c.sysfs {
		kernel.Sysfs = incoming[len(incoming)-1]
	}
	p.PrivateMounts()
	root := c.root.Compose(p, incoming[:c.root.Incoming()])
	c.root.ComposeKernel(p, root, kernel)
	p.PivotRoot(root)
	p.CloseFD(root)
	null := p.Open("/dev/null", os.O_RDWR)
	p.Replace(0, null)
	p.CloseFD(null)
}

// namespaces are what clone makes. The time and the pid namespace come later, and the network
// namespace that is joined came before.
func (c composition) namespaces() fork.Namespaces {
	ns := fork.User | fork.Mount | fork.UTS | fork.IPC | fork.Cgroup
	if c.ownNetwork() {
		ns |= fork.Network
	}
	return ns
}
