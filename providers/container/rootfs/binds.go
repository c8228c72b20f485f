package rootfs

import (
	"fmt"

	"github.com/diyform/diyform/internal/linux/fork"
)

// receive gives the descriptors of what is mounted from the host: those of incoming, and
// new ones where this takes the container's own view of the host. That must be asked for
// before its mounts are made private, for a mount of it that shall stay a slave.
func (r *Root) receive(p *fork.Program, incoming []fork.FD) []arrival {
	var list []arrival
	for _, g := range r.given {
		a := arrival{given: g, fd: -1}
		switch {
		case g.mount != nil:
			a.fd, incoming = incoming[0], incoming[1:]
		case g.path != "":
			a.fd = p.Clone(g.path, g.recursive())
			p.SetPropagation(a.fd, g.recursive(), g.propagation())
			// Only added: what the host's mount forbids, such as set-user-ID programs, it
			// forbids here too.
			p.SetAttr(a.fd, g.recursive(), g.attrs())
		}
		list = append(list, a)
	}
	return list
}

// mount mounts what was given in its place.
func (a arrival) mount(p *fork.Program, root fork.FD) {
	if a.path == "" {
		options := []string{fmt.Sprintf("mode=%#o", orDefault(a.Mode, 0o1777))}
		if a.Size > 0 {
			options = append(options, fmt.Sprintf("size=%d", a.Size))
		}
		a.fd = p.Filesystem("tmpfs", a.attrs(), options...)
	}
	var place fork.FD
	if a.folder {
		place = folder(p, root, a.Target, false)
	} else {
		place = file(p, root, a.Target, false)
	}
	p.Attach("on "+a.Target, a.fd, place)
	p.CloseFD(place)
	p.CloseFD(a.fd)
}

func orDefault(mode, other uint32) uint32 {
	if mode == 0 {
		return other
	}
	return mode
}
