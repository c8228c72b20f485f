package rootfs

import (
	"fmt"

	"github.com/diyform/diyform/internal/linux/fork"
)

// Compose appends the making of the root, and gives its mount. Incoming are the descriptors
// of Mounts in the child.
func (r *Root) Compose(p *fork.Program, incoming []fork.FD) fork.FD {
	cloned := len(r.mounts) > 0
	lower := incoming
	if !cloned {
		lower = r.openLower(p)
	}
	stage := p.Filesystem("tmpfs", fork.NoSuid|fork.NoDev, "mode=0700")
	p.AttachAt(stage, r.stage)
	var root fork.FD
	for i, l := range r.layers {
		if cloned {
			attach(p, stage, fmt.Sprintf("lower%d", i), lower[i])
		}
		switch {
		case l.target == "":
			root = r.mountLayer(p, stage, i, lower)
			attach(p, stage, "root", root)
		case l.how == linked:
			p.Symlink(l.source, root, l.target)
		default:
			m := r.mountLayer(p, stage, i, lower)
			attach(p, root, l.target, m)
			p.CloseFD(m)
		}
	}
	p.CloseFD(stage)
	return root
}

// openLower opens the image's folders before the workplace hides some of the host's.
func (r *Root) openLower(p *fork.Program) []fork.FD {
	fds := make([]fork.FD, len(r.layers))
	for i, l := range r.layers {
		switch l.how {
		case overlaid:
			fds[i] = p.OpenPath(l.source)
		case bound:
			fds[i] = p.Clone(l.source, true)
			p.SetAttr(fds[i], true, fork.ReadOnly)
		}
	}
	return fds
}

// mountLayer makes the mount of a layer and uses up its lower descriptor.
func (r *Root) mountLayer(p *fork.Program, stage fork.FD, i int, lower []fork.FD) fork.FD {
	l := r.layers[i]
	switch l.how {
	case bound:
		return lower[i]
	case empty:
		return p.Filesystem("tmpfs", fork.NoDev, fmt.Sprintf("mode=%#o", l.mode))
	}
	name := fmt.Sprintf("upper%d", i)
	p.Mkdir(stage, name, l.mode) // the overlay's root has the owner and mode of the upper one
	upper := p.Path(stage, name)
	name = fmt.Sprintf("work%d", i)
	p.Mkdir(stage, name, 0o700)
	work := p.Path(stage, name)
	// userxattr: in a user namespace, trusted.* attributes cannot be written, and without
	// any a removed folder cannot be made again.
	m := p.Filesystem("overlay", 0, "lowerdir="+fork.Self(lower[i]), "upperdir="+fork.Self(upper),
		"workdir="+fork.Self(work), "userxattr")
	p.CloseFD(work)
	p.CloseFD(upper)
	p.CloseFD(lower[i])
	return m
}

// attach mounts a mount on a folder, made where it is missing.
func attach(p *fork.Program, parent fork.FD, target string, m fork.FD) {
	p.EnsureDir(parent, target, 0o755)
	place := p.Path(parent, target)
	p.Attach(target, m, place)
	p.CloseFD(place)
}
