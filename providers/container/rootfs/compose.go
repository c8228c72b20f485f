package rootfs

import (
	"fmt"

	"github.com/diyform/diyform/internal/linux/fork"
)

// Compose appends the making of the root with all but what ComposeKernel mounts in it, and
// gives its mount. Incoming are the descriptors of Mounts in the child. It makes the host's
// mounts, of which the child has a copy, private.
func (r *Root) Compose(p *fork.Program, incoming []fork.FD) fork.FD {
	cloned := len(r.lower)
	lower := incoming[:cloned]
	if cloned == 0 {
		lower = r.openLower(p)
	}
	incoming = incoming[cloned:]
	disk := fork.FD(-1)
	switch {
	case r.disk.mount != nil:
		disk, incoming = incoming[0], incoming[1:]
	case r.disk.usable:
		disk = p.OpenPath(r.disk.path)
	}
	arrivals := r.receive(p, incoming)
	p.PrivateMounts()

	stage := p.Filesystem("tmpfs", fork.NoSuid|fork.NoDev, "mode=0700")
	p.AttachAt(stage, r.stage)
	if r.disk.mount != nil {
		attach(p, stage, "disk", disk)
	}
	root := r.composeLayers(p, workplace{stage: stage, disk: disk}, lower)
	if disk >= 0 {
		p.CloseFD(disk)
	}
	r.composeTemporary(p, root)
	for _, path := range r.spec.Hide {
		hide(p, root, path)
	}
	for _, a := range arrivals {
		if a.late() {
			r.late = append(r.late, a)
		} else {
			a.mount(p, root)
		}
	}
	r.composeFiles(p, stage, root)
	p.CloseFD(stage)
	if r.options.WorkingDir != "" {
		r.composeWorkingDir(p, root)
	}
	return root
}

// composeWorkingDir makes the working directory where it is missing. One that is in /proc,
// /sys or /dev, which are not mounted yet, is there or not.
func (r *Root) composeWorkingDir(p *fork.Program, root fork.FD) {
	for _, kernels := range []string{"/proc", "/sys", "/dev"} {
		if within(r.options.WorkingDir, kernels) {
			return
		}
	}
	p.CloseFD(folder(p, root, r.options.WorkingDir, !r.mountAbove(r.options.WorkingDir)))
}

// composeTemporary mounts a tmpfs where programs must be able to write, and where the host
// has its running state.
func (r *Root) composeTemporary(p *fork.Program, root fork.FD) {
	modes := map[string]uint32{}
	if r.spec.Host || r.spec.ReadOnly {
		modes["tmp"], modes["run"] = 0o1777, 0o755
	}
	if r.spec.ReadOnly {
		modes["var/tmp"] = 0o1777
	}
	for _, name := range []string{"tmp", "run", "var/tmp"} {
		if mode, wanted := modes[name]; wanted {
			m := p.Filesystem("tmpfs", fork.NoSuid|fork.NoDev, fmt.Sprintf("mode=%#o", mode))
			attachIn(p, root, name, m)
			p.CloseFD(m)
		}
	}
}

// openLower opens the image's folders before the workplace hides some of the host's.
func (r *Root) openLower(p *fork.Program) []fork.FD {
	var fds []fork.FD
	for _, l := range r.layers {
		switch l.how {
		case overlaid:
			for _, source := range l.sources {
				fds = append(fds, p.OpenPath(source))
			}
		case bound:
			fd := p.Clone(l.sources[0], true)
			p.SetPropagation(fd, true, fork.Private)
			p.SetAttr(fd, true, fork.ReadOnly)
			fds = append(fds, fd)
		}
	}
	return fds
}

// workplace is where layers are put together.
type workplace struct {
	stage fork.FD
	disk  fork.FD // holds the writable layers, if not -1
}

// composeLayers makes the mounts of all layers and uses up their lower descriptors.
func (r *Root) composeLayers(p *fork.Program, w workplace, lower []fork.FD) fork.FD {
	var root fork.FD
	for i, l := range r.layers {
		own := lower
		switch l.how {
		case overlaid:
			own, lower = lower[:len(l.sources)], lower[len(l.sources):]
		case bound:
			own, lower = lower[:1], lower[1:]
		case linked:
			p.Optional(exists, func() { p.Symlink(l.sources[0], root, l.target) })
			continue
		}
		m := r.composeLayer(p, w, i, own)
		switch l.target {
		case "":
			root = m
			attach(p, w.stage, "root", root)
		default:
			attachIn(p, root, l.target, m)
		}
		switch {
		case r.spec.ReadOnly && l.how != bound:
			r.protect = append(r.protect, m)
		case m != root:
			p.CloseFD(m)
		}
	}
	return root
}

// composeLayer makes the mount of one layer.
func (r *Root) composeLayer(p *fork.Program, w workplace, i int, lower []fork.FD) fork.FD {
	l := r.layers[i]
	switch {
	case l.how == bound:
		return lower[0]
	case l.how == empty && w.disk >= 0:
		place := p.Path(w.disk, upperName(l))
		m := p.CloneFD(place, false)
		p.CloseFD(place)
		return m
	case l.how == empty:
		return p.Filesystem("tmpfs", fork.NoDev, fmt.Sprintf("mode=%#o", l.mode))
	}
	return r.overlay(p, w, i, lower)
}

func (r *Root) overlay(p *fork.Program, w workplace, i int, lower []fork.FD) fork.FD {
	l := r.layers[i]
	base := w.disk
	if base < 0 {
		base = w.stage
		p.Mkdir(base, upperName(l), l.mode) // the overlay's root has the owner and mode of the upper one
		p.Mkdir(base, workName(l), 0o700)
	}
	upper, work := p.Path(base, upperName(l)), p.Path(base, workName(l))
	options := []string{
		"lowerdir=" + r.lowerOption(p, w, i, lower),
		"upperdir=" + fork.Self(upper), "workdir=" + fork.Self(work),
		// In a user namespace, trusted.* attributes cannot be written, and without any a
		// removed folder cannot be made again.
		"userxattr",
		// Otherwise the end of the container waits until its disk, whosever files those
		// are, is written out.
		"volatile",
	}
	// The image may have device nodes of any kind; those that a container may use are in /dev. In
	// a user namespace the kernel refuses them anyway, but a container may keep the host's.
	m := p.Filesystem("overlay", fork.NoDev, options...)
	p.CloseFD(work)
	p.CloseFD(upper)
	for _, fd := range lower {
		p.CloseFD(fd)
	}
	p.ExpectWritable("overlay", m)
	return m
}

// lowerOption names an overlay's lower layers. An option has at most 255 bytes, of which a
// descriptor's path takes up to 17: more than one layer get names of one byte each, in the
// workplace, which becomes the working directory.
func (r *Root) lowerOption(p *fork.Program, w workplace, i int, lower []fork.FD) string {
	cloned := len(r.lower) > 0
	if len(lower) == 1 {
		if cloned { // overlayfs wants layers that are mounted somewhere
			attach(p, w.stage, fmt.Sprintf("lower%d", i), lower[0])
		}
		return fork.Self(lower[0])
	}
	var names []byte
	for k, fd := range lower {
		if cloned {
			attach(p, w.stage, string(layerNames[k:k+1]), fd)
		} else {
			p.Symlink(fork.Self(fd), w.stage, string(layerNames[k:k+1]))
		}
		names = append(names, layerNames[k], ':')
	}
	p.EnterDir(w.stage)
	return string(names[:len(names)-1])
}

// maxLayers is how many names of one byte fit into an option, with a colon between them.
const maxLayers = 127

// layerNames are bytes that mean nothing to overlayfs or in a path.
var layerNames = func() []byte {
	var names []byte
	for b := byte('0'); len(names) < maxLayers; b++ {
		if b != ':' && b != '\\' {
			names = append(names, b)
		}
	}
	return names
}()
