// Package rootfs makes the file system that a container sees: its root, writable and
// forgotten with the container, above an image that never changes; and /proc, /sys and /dev.
//
// The image is a folder, or the host's own root. What is written goes to a tmpfs that
// exists in the container's mount namespace alone, so nothing of it can be left behind.
// The package builds no images and pulls none. It runs in two places: Open, in the process
// that launches, decides what will be mounted; the Compose functions append the system
// calls for it to the program that the container's process runs.
//
// Start with Spec and Open.
//
// # One overlay or many
//
// Root takes a second mount of the image without what is mounted below it, maps its ids,
// and hands it into the container: one overlay for the image, and for the host's root one
// more for each further disk (/home, /boot). Measured as an ordinary user: an overlay
// above a folder with mounts below is EINVAL, because in a user namespace nobody may see
// what those cover. So there the folder is taken apart: an overlay for each of its folders
// that has no mounts below, and for the rest the same again, one level down; what is still
// left is bound read-only.
//
// # Whose the files are
//
// With ids mapped, the image's files belong to the same ids inside. That takes root, and a
// file system that can do it (an overlay cannot). Without it they belong to nobody, unless
// they are the user's, who is root inside: they can be read where everybody may, and
// replaced in folders that have an overlay of their own.
package rootfs

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/diyform/diyform/internal/linux/mount"
)

// Spec says what a container's root is made of: Host or Directory.
type Spec struct {
	Host      bool   `json:"host,omitempty"`
	Directory string `json:"directory,omitempty"` // absolute
	// Hide lists absolute paths of the image that appear empty.
	Hide []string `json:"hide,omitempty"`
}

// Validate tells what is wrong with the spec itself.
func (s Spec) Validate() error {
	if s.Host == (s.Directory != "") {
		return errors.New("the root is either the host's or a directory")
	}
	for _, path := range append([]string{s.image()}, s.Hide...) {
		if !filepath.IsAbs(path) || filepath.Clean(path) != path {
			return fmt.Errorf("path %q is not absolute, or not in its shortest form", path)
		}
	}
	return nil
}

func (s Spec) image() string {
	if s.Host {
		return "/"
	}
	return s.Directory
}

// Root is an image that was looked at, and where it takes root to be opened, is open.
type Root struct {
	spec   Spec
	layers []layer
	mounts []*os.File // the overlays' lower layers, where this process could clone them
	stage  string
}

// layer is one part of a container's root.
type layer struct {
	how    how
	source string // on the host; of a link, what it says
	target string // below the root, "" for the root itself
	mode   uint32 // of a folder
}

type how uint8

const (
	overlaid how = iota // a writable layer above the source
	bound               // the source, read-only, with all that is mounted below
	linked              // a symbolic link
	empty               // the root itself, to hold layers
)

// Open looks at the image and decides on the layers.
func Open(spec Spec) (*Root, error) {
	info, err := os.Stat(spec.image())
	if err != nil {
		return nil, fmt.Errorf("open root image: %w", err)
	}
	if !info.IsDir() {
		return nil, fmt.Errorf("open root image: %s is not a folder", spec.image())
	}
	r := &Root{spec: spec}
	if r.stage, err = stage(); err != nil {
		return nil, err
	}
	err = r.clone()
	if errors.Is(err, mount.ErrCovers) || errors.Is(err, fs.ErrPermission) {
		r.Close()
		r.layers, err = apart(spec)
	}
	if err != nil {
		r.Close()
		return nil, err
	}
	return r, nil
}

// Close closes what Open opened.
func (r *Root) Close() {
	for _, m := range r.mounts {
		m.Close()
	}
	r.mounts, r.layers = nil, nil
}

// clone takes the image whole, which fails without root.
func (r *Root) clone() error {
	sources := []string{r.spec.image()}
	if r.spec.Host {
		disks, err := diskMounts()
		if err != nil {
			return err
		}
		sources = append(sources, disks...)
	}
	for _, source := range sources {
		info, err := os.Stat(source)
		if err != nil {
			return fmt.Errorf("open root image: %w", err)
		}
		m, err := mount.Clone(source)
		if err != nil {
			return err
		}
		r.mounts = append(r.mounts, m)
		target := strings.TrimPrefix(source, "/")
		if !r.spec.Host {
			target = ""
		}
		r.layers = append(r.layers, layer{how: overlaid, source: source, target: target, mode: modeOf(info)})
	}
	return nil
}

// Mounts gives what is to be sent to the container's process, which expects Incoming of
// them. Their ids are mapped as in the user namespace, if that can be done: mapped tells.
func (r *Root) Mounts(userNamespace *os.File) (mounts []*os.File, mapped bool, err error) {
	mapped = len(r.mounts) > 0
	for _, m := range r.mounts {
		err := mount.MapIDs(m, userNamespace)
		if err != nil && !errors.Is(err, mount.ErrNotMappable) {
			return nil, false, err
		}
		mapped = mapped && err == nil
	}
	return r.mounts, mapped, nil
}

// Incoming is how many mounts Mounts gives.
func (r *Root) Incoming() int { return len(r.mounts) }

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
