package rootfs

import (
	"path"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/diyform/diyform/internal/linux/fork"
)

const asFolder = unix.O_PATH | unix.O_DIRECTORY

var (
	exists = []syscall.Errno{unix.EEXIST}
	// notMade are the errors of making what exists, or is in a folder that only others may
	// write to. Which of these it was, its opening tells.
	notMade = []syscall.Errno{unix.EEXIST, unix.EROFS, unix.EACCES}
	// noPlace are the errors of a place that is missing and cannot be made.
	noPlace = []syscall.Errno{unix.ENOENT, unix.ELOOP, unix.EROFS, unix.EACCES}
	// unusable are the errors of a path on which there is a symbolic link that leads nowhere.
	unusable = []syscall.Errno{unix.ENOENT, unix.ELOOP}
	// noFolder are the errors of a name that is taken by something else.
	noFolder = []syscall.Errno{unix.ELOOP, unix.ENOTDIR}
)

// attach mounts a mount on the folder of that name in another. It is made where it is
// missing. A file or symbolic link in its place is removed: it is the container's own copy.
func attach(p *fork.Program, parent fork.FD, name string, m fork.FD) {
	p.Optional(exists, func() { p.Mkdir(parent, name, 0o755) })
	var place fork.FD
	open := func() { place = p.OpenIn(parent, name, asFolder) }
	p.FirstOf(noFolder, open, func() {
		p.Unlink(parent, name)
		p.Mkdir(parent, name, 0o755)
		open()
	})
	p.Attach(name, m, place)
	p.CloseFD(place)
}

// attachIn is attach for a path of several names, which an image may have made lead anywhere
// inside.
func attachIn(p *fork.Program, root fork.FD, target string, m fork.FD) {
	place := folder(p, root, target, true)
	p.Attach(target, m, place)
	p.CloseFD(place)
}

// folder opens the folder that a path means inside the root, and makes what is missing of
// it. With ours, all on the way is the container's own copy, and a file or a symbolic link
// that leads nowhere may be replaced by a folder.
func folder(p *fork.Program, root fork.FD, target string, ours bool) fork.FD {
	target = strings.Trim(target, "/")
	if target == "" {
		target = "."
	}
	var place fork.FD
	open := func() { place = p.InRoot(root, target, asFolder) }
	p.FirstOf(inTheWay(ours), open, func() {
		names := strings.Split(target, "/")
		for i, name := range names {
			ensure(p, root, strings.Join(names[:i], "/"), name, ours)
		}
		open()
	})
	return place
}

// ensure makes a folder in another, which exists. Only there is it made: by its name in an
// open folder, so that nobody who changes the path meanwhile leads us elsewhere.
func ensure(p *fork.Program, root fork.FD, dir, name string, ours bool) {
	if dir == "" {
		dir = "."
	}
	parent := p.InRoot(root, dir, asFolder)
	tolerated := exists
	if ours {
		tolerated = notMade
	}
	p.Optional(tolerated, func() { p.Mkdir(parent, name, 0o755) })
	if ours {
		p.FirstOf(inTheWay(ours), func() {
			p.CloseFD(p.InRoot(root, path.Join(dir, name), asFolder))
		}, func() {
			p.Unlink(parent, name)
			p.Mkdir(parent, name, 0o755)
		})
	}
	p.CloseFD(parent)
}

func inTheWay(ours bool) []syscall.Errno {
	if ours {
		return fork.Missing
	}
	return unusable
}

// file opens the place of a file that a path means inside the root, and makes it where it is
// missing. With ours, an empty folder or a symbolic link that leads nowhere is replaced.
func file(p *fork.Program, root fork.FD, target string, ours bool) fork.FD {
	dir, name := path.Split(strings.Trim(target, "/"))
	if ours {
		p.Optional(fork.Missing, func() {
			p.CloseFD(p.InRoot(root, path.Join(dir, name), asFolder))
			parent := p.InRoot(root, path.Join(".", dir), asFolder)
			p.RemoveDir(parent, name)
			p.CloseFD(parent)
		})
	}
	var place fork.FD
	open := func() { place = p.InRoot(root, path.Join(dir, name), unix.O_PATH) }
	p.FirstOf(inTheWay(ours), open, func() {
		parent := folder(p, root, dir, ours)
		create := func() { p.MakeFile(parent, name, 0o644) }
		if ours {
			p.FirstOf(notMade, create, func() {
				p.Unlink(parent, name)
				create()
			})
		} else {
			create()
		}
		p.CloseFD(parent)
		open()
	})
	return place
}
