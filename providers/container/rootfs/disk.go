package rootfs

import (
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"

	"github.com/diyform/diyform/internal/linux/mount"
)

// diskName is the folder of a disk in the data folder.
const diskName = "root"

// disk is the part of a container's data folder that holds what it writes: for each layer a
// folder "upper" and one "work", with the layer's place behind the name.
type disk struct {
	usable bool
	path   string
	mount  *os.File // a mount of path, where this process could clone it
}

// openDisk makes what is missing. A folder that is there is a previous run's and stays as it
// is: the container may have changed its mode or owner.
func openDisk(o Options, layers []layer) (disk, error) {
	d := disk{path: filepath.Join(o.Data, diskName)}
	if err := os.MkdirAll(d.path, 0o700); err != nil {
		return disk{}, fmt.Errorf("make data folder: %w", err)
	}
	usable, err := mount.CanBeUpper(d.path)
	if err != nil || !usable {
		return disk{}, err
	}
	d.usable = true
	if err := giveTo(o, d.path, 0o700); err != nil {
		return disk{}, err
	}
	for _, l := range layers {
		if err := d.prepare(o, l); err != nil {
			return disk{}, fmt.Errorf("prepare writable layer: %w", err)
		}
	}
	if os.Geteuid() != 0 {
		return d, nil
	}
	// The path to it need not be open to who the container's root is.
	d.mount, err = mount.ClonePrivate(d.path)
	if errors.Is(err, fs.ErrPermission) {
		err = nil
	}
	return d, err
}

func (d disk) prepare(o Options, l layer) error {
	if l.how != overlaid && l.how != empty {
		return nil
	}
	upper := filepath.Join(d.path, upperName(l))
	if err := os.Mkdir(upper, 0o700); err == nil {
		if err := giveTo(o, upper, fs.FileMode(l.mode&0o777)|sticky(l.mode)); err != nil {
			return err
		}
	} else if !errors.Is(err, fs.ErrExist) {
		return err
	}
	if l.how == empty {
		return nil
	}
	work := filepath.Join(d.path, workName(l))
	if err := os.Mkdir(work, 0o700); err == nil {
		return giveTo(o, work, 0o700)
	} else if !errors.Is(err, fs.ErrExist) {
		return err
	}
	return forgetVolatile(work)
}

// forgetVolatile takes away the mark by which overlayfs refuses a writable layer that was
// once mounted without caring for what a power loss makes of it. None has happened: the
// folders of earlier boots are not used again.
func forgetVolatile(work string) error {
	if err := unlock(work); err != nil {
		return err
	}
	return os.RemoveAll(filepath.Join(work, "work/incompat"))
}

// unlock makes accessible what overlayfs has made in its work folder with mode 000. It
// belongs to the container's root, who as an ordinary user is the user.
func unlock(work string) error {
	for _, dir := range []string{"work", "work/incompat", "work/incompat/volatile"} {
		if err := os.Chmod(filepath.Join(work, dir), 0o700); errors.Is(err, fs.ErrNotExist) {
			return nil
		} else if err != nil {
			return err
		}
	}
	return nil
}

func giveTo(o Options, path string, mode fs.FileMode) error {
	if err := os.Chmod(path, mode); err != nil {
		return err
	}
	if o.UID == os.Geteuid() && o.GID == os.Getegid() {
		return nil
	}
	return os.Lchown(path, o.UID, o.GID)
}

func sticky(mode uint32) fs.FileMode {
	if mode&0o1000 != 0 {
		return fs.ModeSticky
	}
	return 0
}

func (d disk) close() {
	if d.mount != nil {
		d.mount.Close()
	}
}

// upperName and workName are the same for a place whatever else is mounted on the host.
func upperName(l layer) string { return "upper" + placeName(l) }
func workName(l layer) string  { return "work" + placeName(l) }

func placeName(l layer) string {
	if l.target == "" {
		return ""
	}
	return "-" + url.PathEscape(l.target)
}
