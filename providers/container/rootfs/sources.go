package rootfs

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/diyform/diyform/internal/linux/fork"
	"github.com/diyform/diyform/internal/linux/mount"
)

// propagations are the words for it, without the r before them.
var propagations = map[string]fork.Propagation{
	"": fork.Private, "private": fork.Private, "slave": fork.Slave, "shared": fork.Shared,
}

// given is a Mount or Device whose source was looked at.
type given struct {
	Mount
	path   string   // of the source, with no symbolic link in it if it is a device
	folder bool     // the source is one
	mount  *os.File // a mount of the source, where this process could clone it
	device bool
}

// arrival is a given mount that has come to the child. A tmpfs is yet to be made.
type arrival struct {
	given
	fd fork.FD
}

// openGiven looks at the sources of mounts and devices, and opens them where that takes
// root: the path to one need not be open to who the container's root is.
func (r *Root) openGiven() error {
	for _, m := range r.spec.Mounts {
		g := given{Mount: m, path: m.Source, folder: true}
		if m.Source != "" {
			info, err := os.Stat(m.Source)
			if err != nil {
				return fmt.Errorf("open source of mount %s: %w", m.Target, err)
			}
			g.folder = info.IsDir()
		}
		r.given = append(r.given, g)
	}
	for _, d := range r.spec.Devices {
		g, err := openDevice(d)
		if err != nil {
			return err
		}
		r.given = append(r.given, g)
	}
	if os.Geteuid() != 0 {
		return nil
	}
	for i := range r.given {
		if err := r.given[i].clone(); err != nil {
			return err
		}
	}
	return nil
}

func openDevice(d Device) (given, error) {
	path, err := filepath.EvalSymlinks(d.Source)
	if err != nil {
		return given{}, fmt.Errorf("open device: %w", err)
	}
	info, err := os.Lstat(path)
	if err != nil {
		return given{}, fmt.Errorf("open device: %w", err)
	}
	if info.Mode()&fs.ModeDevice == 0 {
		return given{}, fmt.Errorf("open device %s: %w", d.Source, mount.ErrNoDevice)
	}
	m := Mount{Source: d.Source, Target: d.Target, Propagation: "private", NoSuid: true, NoExec: true}
	return given{Mount: m, path: path, device: true}, nil
}

func (g *given) clone() (err error) {
	switch {
	case g.path == "":
		return nil
	case g.device:
		g.mount, err = mount.CloneDevice(g.path)
	default:
		g.mount, err = mount.Clone(g.path, g.recursive())
	}
	if errors.Is(err, fs.ErrPermission) || errors.Is(err, mount.ErrCovers) {
		return nil // the child tries, and says what is wrong
	}
	return err
}

// finish gives a clone the properties that it shall have. The container's root is outside the
// user of that id.
func (g *given) finish(userNamespace *os.File, uid int) error {
	if g.MapIDs && uid != 0 { // with root's id, there is nothing to map
		if err := mount.MapIDs(g.mount, userNamespace, g.recursive()); err != nil {
			return g.explainMapping(err)
		}
	}
	kind := g.propagation()
	if kind == fork.Shared {
		// A peer of the host's mount would let the container mount on the host.
		if err := mount.Change(g.mount, g.recursive(), 0, uint64(fork.Slave)); err != nil {
			return err
		}
	}
	return mount.Change(g.mount, g.recursive(), uint64(g.attrs()), uint64(kind))
}

// explainMapping says what to do about ids that cannot be mapped. To go on without would give
// the container files of nobody, to which it cannot write.
func (g *given) explainMapping(err error) error {
	if !errors.Is(err, mount.ErrNotMappable) {
		return err
	}
	// FS_ALLOW_IDMAP: ext4 and xfs have it since Linux 5.12, btrfs since 5.15, a tmpfs only
	// since 6.3.
	return fmt.Errorf("give the files of %s to the container's users: %w; "+
		"the folder must be on ext4, xfs or btrfs, or from Linux 6.3 on on a tmpfs, but never on an overlay", g.Source, err)
}

// recursive reports whether what is mounted below the source comes along.
func (g *given) recursive() bool {
	return g.Propagation == "" || strings.HasPrefix(g.Propagation, "r")
}

func (g *given) propagation() fork.Propagation {
	return propagations[strings.TrimPrefix(g.Propagation, "r")]
}

func (g *given) attrs() fork.Attr {
	var attrs fork.Attr
	for attr, wanted := range map[fork.Attr]bool{
		fork.ReadOnly: g.ReadOnly, fork.NoSuid: g.NoSuid, fork.NoDev: g.NoDev, fork.NoExec: g.NoExec,
	} {
		if wanted {
			attrs |= attr
		}
	}
	return attrs
}

// late reports whether the target is in a file system of the kernel's.
func (g *given) late() bool { return within(g.Target, "/dev") || within(g.Target, "/sys") }
