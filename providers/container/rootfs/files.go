package rootfs

import (
	"fmt"
	"slices"
	"strconv"

	"github.com/diyform/diyform/internal/linux/fork"
	"github.com/diyform/diyform/internal/linux/mount"
)

// filesSource is what /proc/PID/mountinfo says of the file system that Files are in. It
// tells them from all else that may be mounted in a container.
const filesSource = "diyform-files"

// composeFiles mounts Files in their places. Below a mount of the user's, nothing that is
// there may be replaced. What the image does not have, in a folder where the container may
// make nothing, is left out.
func (r *Root) composeFiles(p *fork.Program, stage, root fork.FD) {
	if len(r.options.Files) == 0 {
		return
	}
	m := p.Filesystem("tmpfs", noPrograms, "source="+filesSource, "mode=0755", "size=1m")
	attach(p, stage, "files", m)
	for i, f := range r.options.Files {
		name := strconv.Itoa(i)
		fd := p.CreateFile(m, name, f.Mode)
		if f.Text != "" {
			p.Write("write "+f.Path, fd, f.Text)
		}
		p.CloseFD(fd)
		r.composeFile(p, m, root, name, f.Path)
	}
	p.CloseFD(m)
}

func (r *Root) composeFile(p *fork.Program, files, root fork.FD, name, path string) {
	if r.mountOver(path) {
		return
	}
	p.Optional(noPlace, func() {
		place := file(p, root, path, !r.mountAbove(path))
		from := p.Path(files, name)
		clone := p.CloneFD(from, false)
		p.Attach("file on "+path, clone, place)
		p.CloseFD(clone)
		p.CloseFD(from)
		p.CloseFD(place)
	})
}

// mountOver reports whether the user mounts something in place of a file.
func (r *Root) mountOver(path string) bool {
	return slices.ContainsFunc(r.spec.Mounts, func(m Mount) bool { return m.Target == path })
}

// mountAbove reports whether a file is in something that the user mounts.
func (r *Root) mountAbove(path string) bool {
	return slices.ContainsFunc(r.spec.Mounts, func(m Mount) bool { return within(path, m.Target) })
}

// Rewrite changes the text of a file that a running container was given, in place: who has
// it open, or mounted, sees the new text. The process is the container's first. What the
// container may have put in the file's place is left alone, and is an error:
// mount.ErrReplaced.
func Rewrite(pid int, f File) error {
	file, err := mount.OpenFile(pid, f.Path, filesSource)
	if err != nil {
		return fmt.Errorf("rewrite %s: %w", f.Path, err)
	}
	_, err = file.WriteAt([]byte(f.Text), 0)
	if err == nil {
		err = file.Truncate(int64(len(f.Text)))
	}
	if closeErr := file.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return fmt.Errorf("rewrite %s: %w", f.Path, err)
	}
	return nil
}
