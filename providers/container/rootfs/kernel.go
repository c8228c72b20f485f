package rootfs

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/diyform/diyform/internal/linux/fork"
	"github.com/diyform/diyform/internal/linux/mount"
)

const (
	noPrograms = fork.NoSuid | fork.NoDev | fork.NoExec
	shmSize    = "64m"
)

// Kernel is what a container sees of the kernel.
type Kernel struct {
	// OwnNetwork says that the container's user namespace owns its network namespace:
	// only then may the container mount a sysfs.
	OwnNetwork bool
	// Sysfs is a sysfs of the network namespace that the launching process could mount,
	// and sent along. -1 where it could not.
	Sysfs fork.FD
}

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

// hiddenFiles and hiddenFolders are what the kernel tells or lets do about the whole
// machine; the lists are podman's defaults.
var (
	hiddenFiles = []string{
		"proc/interrupts", "proc/kcore", "proc/keys", "proc/latency_stats", "proc/sched_debug",
		"proc/timer_list", "proc/timer_stats",
	}
	hiddenFolders = []string{
		"proc/acpi", "proc/scsi", "sys/firmware", "sys/devices/virtual/powercap", "sys/fs/selinux",
	}
	readOnly = []string{
		"proc/asound", "proc/bus", "proc/fs", "proc/irq", "proc/sys", "proc/sysrq-trigger",
	}
)

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
	mountNew(p, root, "proc", "proc", noPrograms)
	composeSys(p, root, k)
	composeDev(p, root)
	if r.spec.Host {
		mountNew(p, root, "tmp", "tmpfs", fork.NoSuid|fork.NoDev, "mode=1777")
		mountNew(p, root, "run", "tmpfs", fork.NoSuid|fork.NoDev, "mode=0755")
	}
	for _, path := range hiddenFiles {
		hideFile(p, root, path)
	}
	for _, path := range hiddenFolders {
		hideFolder(p, root, path)
	}
	for _, path := range readOnly {
		protect(p, root, path)
	}
	for _, path := range r.spec.Hide {
		hide(p, root, r.spec.image(), path)
	}
}

func mountNew(p *fork.Program, root fork.FD, target, kind string, attrs fork.Attr, options ...string) {
	m := p.Filesystem(kind, attrs, options...)
	attach(p, root, target, m)
	p.CloseFD(m)
}

// composeSys mounts a sysfs, which shows the network namespace it was mounted in. Where the
// container may not mount one, nor was given one, it sees the host's, read-only.
func composeSys(p *fork.Program, root fork.FD, k Kernel) {
	if k.Sysfs >= 0 {
		attach(p, root, "sys", k.Sysfs)
		p.CloseFD(k.Sysfs)
		return
	}
	hosts := func() {
		m := p.Clone("/sys", true)
		p.SetAttr(m, true, fork.ReadOnly|noPrograms)
		attach(p, root, "sys", m)
		p.CloseFD(m)
	}
	if !k.OwnNetwork {
		hosts()
		return
	}
	// Refused where the host's /sys is itself partly hidden, as in another container.
	p.FirstOf(fork.Refused, func() { mountNew(p, root, "sys", "sysfs", noPrograms|fork.ReadOnly) }, hosts)
}

func composeDev(p *fork.Program, root fork.FD) {
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
	mountNew(p, dev, "shm", "tmpfs", noPrograms, "mode=1777", "size="+shmSize)
	mountNew(p, dev, "mqueue", "mqueue", noPrograms)
	p.CloseFD(dev)
}

// hideFile puts the host's /dev/null, which CheckDevices knows, over a file if it exists.
func hideFile(p *fork.Program, root fork.FD, path string) {
	p.Optional(fork.Missing, func() {
		place := p.Path(root, path)
		m := p.Clone("/dev/null", false)
		p.SetAttr(m, false, fork.ReadOnly|fork.NoSuid|fork.NoExec)
		p.Attach(path, m, place)
		p.CloseFD(m)
		p.CloseFD(place)
	})
}

// hideFolder puts an empty file system over a folder if it exists.
func hideFolder(p *fork.Program, root fork.FD, path string) {
	p.Optional(fork.Missing, func() {
		place := p.Path(root, path)
		m := p.Filesystem("tmpfs", noPrograms|fork.ReadOnly, "size=4k", "mode=0555")
		p.Attach(path, m, place)
		p.CloseFD(m)
		p.CloseFD(place)
	})
}

// protect makes a file or folder read-only if it exists.
func protect(p *fork.Program, root fork.FD, path string) {
	p.Optional(fork.Missing, func() {
		place := p.Path(root, path)
		m := p.CloneFD(place, true)
		p.SetAttr(m, true, fork.ReadOnly)
		p.Attach(path, m, place)
		p.CloseFD(m)
		p.CloseFD(place)
	})
}

// hide hides a path of the image, whatever it is, under the name that it really has: a
// symbolic link on the way would leave that one in sight.
func hide(p *fork.Program, root fork.FD, image, path string) {
	real, err := filepath.EvalSymlinks(filepath.Join(image, path))
	if err != nil {
		return // nothing there to be seen
	}
	info, err := os.Stat(real)
	inside, relErr := filepath.Rel(image, real)
	if err != nil || relErr != nil || strings.HasPrefix(inside, "..") {
		return
	}
	if info.IsDir() {
		hideFolder(p, root, inside)
	} else {
		hideFile(p, root, inside)
	}
}
