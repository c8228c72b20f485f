package rootfs

import (
	"fmt"

	"github.com/diyform/diyform/internal/linux/fork"
	"github.com/diyform/diyform/internal/linux/mount"
)

const (
	noPrograms = fork.NoSuid | fork.NoDev | fork.NoExec
	shmSize    = "64m"
	cgroups    = "/sys/fs/cgroup"
)

// Kernel is what a container sees of the kernel.
type Kernel struct {
	// OwnNetwork says that the container's user namespace owns its network namespace:
	// only then may the container mount a sysfs.
	OwnNetwork bool
	// Sysfs is a sysfs of the network namespace that the launching process could mount,
	// and sent along. -1 where it could not.
	Sysfs fork.FD
	// PID, IPC and Cgroup say whose these namespaces are. The cgroup namespace must have been
	// entered or made before ComposeKernel's steps run.
	PID, IPC, Cgroup Namespace
	// Privileged hides nothing, and lets the container write to what it owns.
	Privileged bool
}

// Namespace is whose a namespace is.
type Namespace uint8

const (
	Own    Namespace = iota // the container's
	Kept                    // the host's, or what the supervisor is in
	Joined                  // another container's
)

// device is one of the files of the host's /dev that a container gets.
type device struct {
	name         string
	major, minor uint32
	optional     bool
}

var devices = []device{
	{"null", 1, 3, false}, {"zero", 1, 5, false}, {"full", 1, 7, false},
	{"random", 1, 8, false}, {"urandom", 1, 9, false}, {"tty", 5, 0, true},
}

// CheckDevices verifies that the host's devices are what their names say: they will be
// mounted into containers, and /dev/null over what must not be read.
func CheckDevices() error {
	for _, d := range devices {
		path := "/dev/" + d.name
		ok, err := mount.IsDevice(path, d.major, d.minor)
		if d.optional {
			continue
		}
		if err != nil {
			return err
		}
		if !ok {
			return fmt.Errorf("look at device %s: it is not character device %d:%d", path, d.major, d.minor)
		}
	}
	return nil
}

// ComposeKernel appends the mounting of /proc, /sys and /dev, and hides what must not be
// seen. It comes before the old root is detached: without root, the kernel gives a proc or
// sysfs only to who has one in sight already (EPERM).
func (r *Root) ComposeKernel(p *fork.Program, root fork.FD, k Kernel) {
	composeProc(p, root, k)
	composeSys(p, root, k)
	composeCgroup(p, root, k)
	composeDev(p, root, k)
	for _, a := range r.late {
		a.mount(p, root)
	}
	if !k.Privileged {
		composeMasks(p, root)
		// With no_new_privs such bits are void anyway; but a file whose capabilities the
		// container has not, as Debian's ping, could not be executed at all (EPERM).
		p.SetAttr(root, true, fork.NoSuid)
	}
	for _, m := range r.protect {
		p.SetAttr(m, false, fork.ReadOnly)
		if m != root {
			p.CloseFD(m)
		}
	}
	r.late, r.protect = nil, nil
}

func mountNew(p *fork.Program, root fork.FD, target, kind string, attrs fork.Attr, options ...string) {
	m := p.Filesystem(kind, attrs, options...)
	attach(p, root, target, m)
	p.CloseFD(m)
}

// mountHosts mounts what the host has at a path.
func mountHosts(p *fork.Program, root fork.FD, target, path string, attrs fork.Attr) {
	m := p.Clone(path, true)
	p.SetAttr(m, true, attrs)
	attach(p, root, target, m)
	p.CloseFD(m)
}

// composeProc mounts a proc, which shows the pid namespace of who mounts it. Where that
// belongs to another user namespace, this is refused, and the host's shows the processes of
// that namespace as well.
func composeProc(p *fork.Program, root fork.FD, k Kernel) {
	own := func() { mountNew(p, root, "proc", "proc", noPrograms) }
	if k.PID == Own {
		own()
		return
	}
	p.FirstOf(fork.Refused, own, func() { mountHosts(p, root, "proc", "/proc", noPrograms) })
}

// composeSys mounts a sysfs, which shows the network namespace it was mounted in. Where the
// container may not mount one, nor was given one, it sees the host's, read-only.
func composeSys(p *fork.Program, root fork.FD, k Kernel) {
	if k.Sysfs >= 0 {
		attach(p, root, "sys", k.Sysfs)
		p.CloseFD(k.Sysfs)
		return
	}
	hosts := func() { mountHosts(p, root, "sys", "/sys", fork.ReadOnly|noPrograms) }
	if !k.OwnNetwork {
		hosts()
		return
	}
	attrs := noPrograms | fork.ReadOnly
	if k.Privileged {
		attrs = noPrograms
	}
	// Refused where the host's /sys is itself partly hidden, as in another container.
	p.FirstOf(fork.Refused, func() { mountNew(p, root, "sys", "sysfs", attrs) }, hosts)
}

// composeCgroup shows the container's own control group, where the host has the unified
// hierarchy in the usual place, and otherwise none: not those of the host's other programs.
func composeCgroup(p *fork.Program, root fork.FD, k Kernel) {
	attrs := noPrograms | fork.ReadOnly
	if k.Privileged {
		attrs = noPrograms
	}
	none := func() { hideFolder(p, root, "sys/fs/cgroup") }
	var m func() fork.FD
	switch {
	case !mount.IsCgroup2(cgroups):
		none()
		return
	case k.Cgroup == Kept:
		m = func() fork.FD {
			m := p.Clone(cgroups, true)
			p.SetAttr(m, true, attrs)
			return m
		}
	default:
		m = func() fork.FD { return p.Filesystem("cgroup2", attrs) }
	}
	p.FirstOf(append(fork.Refused[:len(fork.Refused)-1:len(fork.Refused)-1], fork.Missing[0]), func() {
		place := p.Path(root, "sys/fs/cgroup")
		m := m()
		p.Attach("sys/fs/cgroup", m, place)
		p.CloseFD(m)
		p.CloseFD(place)
	}, none)
}

func composeDev(p *fork.Program, root fork.FD, k Kernel) {
	dev := p.Filesystem("tmpfs", fork.NoSuid|fork.StrictAtime, "mode=0755", "size=64k")
	attach(p, root, "dev", dev)
	for _, d := range devices {
		p.MakeFile(dev, d.name, 0o666)
		p.Optional(fork.Missing, func() {
			m := p.Clone("/dev/"+d.name, false)
			p.SetAttr(m, false, fork.NoSuid|fork.NoExec)
			place := p.Path(dev, d.name)
			p.Attach("dev/"+d.name, m, place)
			p.CloseFD(place)
			p.CloseFD(m)
		})
	}
	for link, target := range map[string]string{
		"fd": "/proc/self/fd", "stdin": "/proc/self/fd/0", "stdout": "/proc/self/fd/1",
		"stderr": "/proc/self/fd/2", "ptmx": "pts/ptmx",
	} {
		p.Symlink(target, dev, link)
	}
	// No gid=5: that group need not be mapped.
	mountNew(p, dev, "pts", "devpts", fork.NoSuid|fork.NoExec, "newinstance", "ptmxmode=0666", "mode=0620")
	composeIPC(p, dev, k)
	p.CloseFD(dev)
}

// composeIPC mounts what shows the ipc namespace, and what programs share memory by. Of
// another container's there is no more to be had than the namespace itself.
func composeIPC(p *fork.Program, dev fork.FD, k Kernel) {
	ownShm := func() { mountNew(p, dev, "shm", "tmpfs", noPrograms, "mode=1777", "size="+shmSize) }
	ownQueues := func() { mountNew(p, dev, "mqueue", "mqueue", noPrograms) }
	switch k.IPC {
	case Own:
		ownShm()
		ownQueues()
	case Kept:
		p.FirstOf(fork.Missing, func() { mountHosts(p, dev, "shm", "/dev/shm", noPrograms) }, ownShm)
		p.Optional(fork.Missing, func() { mountHosts(p, dev, "mqueue", "/dev/mqueue", noPrograms) })
	case Joined:
		ownShm()
		p.Optional(fork.Refused, ownQueues)
	}
}
