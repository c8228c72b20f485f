package rootfs

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/diyform/diyform/internal/linux/fork"
	"github.com/diyform/diyform/internal/linux/mount"
)

// Options are what a root needs besides its spec.
type Options struct {
	// Data is the container's folder on disk, which is made where it is missing. It is
	// absolute.
	Data string
	// UID and GID are who the container's root is outside.
	UID, GID int
	// Files are found inside whatever the image has in their places.
	Files []File
	// WorkingDir is a folder that is made where it is missing; absolute, or "".
	WorkingDir string
}

// Root is an image that was looked at, and where it takes root to be opened, is open.
type Root struct {
	spec    Spec
	options Options
	layers  []layer
	// lower are the overlays' lower layers, one overlay's after the other's, where this
	// process could clone them.
	lower []*os.File
	disk  disk
	given []given
	stage string

	// late are what is mounted only when /dev and /sys are there, and protect the mounts that
	// become read-only in the end. Compose sets them, with descriptors of the child.
	late    []arrival
	protect []fork.FD
}

// layer is one part of a container's root.
type layer struct {
	how     how
	sources []string // on the host, the top one first; of a link, what it says
	target  string   // below the root, "" for the root itself
	mode    uint32   // of a folder
}

type how uint8

const (
	overlaid how = iota // a writable layer above the sources
	bound               // the source, read-only, with all that is mounted below
	linked              // a symbolic link
	empty               // the root itself, to hold layers
)

// Open looks at the image and decides on the layers.
func Open(spec Spec, o Options) (*Root, error) {
	for _, image := range spec.images() {
		info, err := os.Stat(image)
		if err != nil {
			return nil, fmt.Errorf("open root image: %w", err)
		}
		if !info.IsDir() {
			return nil, fmt.Errorf("open root image: %s is not a folder", image)
		}
	}
	r := &Root{spec: spec, options: o}
	if err := r.open(); err != nil {
		r.Close()
		return nil, err
	}
	return r, nil
}

func (r *Root) open() (err error) {
	if r.stage, err = stage(); err != nil {
		return err
	}
	err = r.clone()
	if errors.Is(err, mount.ErrCovers) || errors.Is(err, fs.ErrPermission) {
		r.closeLower()
		r.layers, err = apart(r.spec)
	}
	if err != nil {
		return err
	}
	if r.disk, err = openDisk(r.options, r.layers); err != nil {
		return err
	}
	return r.openGiven()
}

// Close closes what Open opened.
func (r *Root) Close() {
	r.closeLower()
	r.disk.close()
	for _, g := range r.given {
		if g.mount != nil {
			g.mount.Close()
		}
	}
	r.layers, r.given = nil, nil
}

func (r *Root) closeLower() {
	for _, m := range r.lower {
		m.Close()
	}
	r.lower, r.layers = nil, nil
}

// clone takes the image whole, which fails without root.
func (r *Root) clone() error {
	if err := r.cloneLayer("", r.spec.images()); err != nil || !r.spec.Host {
		return err
	}
	disks, err := diskMounts()
	if err != nil {
		return err
	}
	for _, path := range disks {
		if err := r.cloneLayer(strings.TrimPrefix(path, "/"), []string{path}); err != nil {
			return err
		}
	}
	return nil
}

func (r *Root) cloneLayer(target string, sources []string) error {
	info, err := os.Stat(sources[0])
	if err != nil {
		return fmt.Errorf("open root image: %w", err)
	}
	for _, source := range sources {
		m, err := mount.ClonePrivate(source)
		if err != nil {
			return err
		}
		r.lower = append(r.lower, m)
	}
	r.layers = append(r.layers, layer{how: overlaid, sources: sources, target: target, mode: modeOf(info)})
	return nil
}

// Mounts gives what is to be sent to the container's process, which expects Incoming of
// them. Their ids are mapped as in the user namespace, if that can be done: mapped tells.
func (r *Root) Mounts(userNamespace *os.File) (mounts []*os.File, mapped bool, err error) {
	mapped = len(r.lower) > 0
	for i, m := range r.lower {
		err := mount.MapIDs(m, userNamespace, false)
		if errors.Is(err, mount.ErrNotMappable) && len(r.spec.Layers) > 0 {
			err = r.shift(i)
		}
		if err != nil && !errors.Is(err, mount.ErrNotMappable) {
			return nil, false, err
		}
		mapped = mapped && err == nil
	}
	mounts = append(mounts, r.lower...)
	if r.disk.mount != nil {
		mounts = append(mounts, r.disk.mount)
	}
	for _, g := range r.given {
		if g.mount == nil {
			continue
		}
		if err := g.finish(userNamespace, r.options.UID); err != nil {
			return nil, false, err
		}
		mounts = append(mounts, g.mount)
	}
	return mounts, mapped, nil
}

// Incoming is how many mounts Mounts gives.
func (r *Root) Incoming() int {
	n := len(r.lower)
	if r.disk.mount != nil {
		n++
	}
	for _, g := range r.given {
		if g.mount != nil {
			n++
		}
	}
	return n
}

// OnDisk reports whether what the container writes is kept in its data folder. Some file
// systems cannot; then it is kept in memory, and a restart does not find it.
func (r *Root) OnDisk() bool { return r.disk.usable }

// stage finds a folder to mount the workplace on, in the container's mount namespace, while
// it still shows the host's files. What is below is hidden from then on.
func stage() (string, error) {
	for _, dir := range []string{"/tmp", "/mnt", "/media", "/var/tmp"} {
		if info, err := os.Stat(dir); err == nil && info.IsDir() {
			return dir, nil
		}
	}
	return "", errors.New("find a folder to build the root on: there is neither /tmp nor /mnt")
}

// modeOf gives a file's permissions as mkdir(2) takes them.
func modeOf(info os.FileInfo) uint32 {
	mode := uint32(info.Mode().Perm())
	if info.Mode()&os.ModeSticky != 0 {
		mode |= 0o1000
	}
	return mode
}
