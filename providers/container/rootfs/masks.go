package rootfs

import (
	"golang.org/x/sys/unix"

	"github.com/diyform/diyform/internal/linux/fork"
)

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

// composeMasks hides and protects in the proc and sysfs that were just mounted: no symbolic
// link of an image's is on the way.
func composeMasks(p *fork.Program, root fork.FD) {
	for _, path := range hiddenFiles {
		hideFile(p, root, path)
	}
	for _, path := range hiddenFolders {
		hideFolder(p, root, path)
	}
	for _, path := range readOnly {
		protect(p, root, path)
	}
}

// hideFile puts the host's /dev/null, which CheckDevices knows, over a file if it exists.
func hideFile(p *fork.Program, root fork.FD, path string) {
	p.Optional(fork.Missing, func() { putNull(p, path, p.Path(root, path)) })
}

func putNull(p *fork.Program, what string, place fork.FD) {
	m := p.Clone("/dev/null", false)
	p.SetAttr(m, false, fork.ReadOnly|fork.NoSuid|fork.NoExec)
	p.Attach(what, m, place)
	p.CloseFD(m)
	p.CloseFD(place)
}

// hideFolder puts an empty file system over a folder if it exists.
func hideFolder(p *fork.Program, root fork.FD, path string) {
	p.Optional(fork.Missing, func() { putEmpty(p, path, p.Path(root, path)) })
}

func putEmpty(p *fork.Program, what string, place fork.FD) {
	m := p.Filesystem("tmpfs", noPrograms|fork.ReadOnly, "size=4k", "mode=0555")
	p.Attach(what, m, place)
	p.CloseFD(m)
	p.CloseFD(place)
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
func hide(p *fork.Program, root fork.FD, path string) {
	p.FirstOf(fork.Missing, func() { putEmpty(p, path, p.InRoot(root, path, asFolder)) }, func() {
		p.Optional(fork.Missing, func() { putNull(p, path, p.InRoot(root, path, unix.O_PATH)) })
	})
}
