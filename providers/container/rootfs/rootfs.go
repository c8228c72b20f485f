// Package rootfs makes the file system that a container sees: its root, writable, above an
// image that never changes; /proc, /sys and /dev; and what of the host's it was given.
//
// The image is a folder, layers of the image store, or the host's own root. What is written
// goes to the container's data folder, where a restart finds it, and is removed with that.
// The package builds no images and pulls none. It runs in two places: Open, in the process
// that launches, decides what will be mounted (open.go, disk.go, sources.go); the Compose
// functions append the system calls for it to the program that the container's process runs
// (compose.go, then places.go, files.go, binds.go, kernel.go, masks.go).
//
// Start with Spec and Open.
//
// # The image is hostile
//
// What is in the image, and what an earlier run of the container has left in its writable
// layer, may have been made to lead us astray. So nothing below the root is opened by its
// path from outside: every place is opened in the child with the root as root (openat2 with
// RESOLVE_IN_ROOT), what is mounted there is mounted on that descriptor, and what has to be
// made is made by the name in an open folder. User's mounts come before /proc, which then
// covers whatever a symbolic link of the image made them mount there.
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
// file system that can do it (an overlay cannot). Without it layers of the store are copied
// into the container's data folder, with owners that fit; other images' files belong to
// nobody, unless they are the user's, who is root inside: they can be read where everybody
// may, and replaced in folders that have an overlay of their own.
package rootfs

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
)

// Spec says what a container's root is made of: Host, Directory or Layers.
type Spec struct {
	Host      bool   `json:"host,omitempty"`
	Directory string `json:"directory,omitempty"` // absolute
	// Layers are the unpacked layers of an image of the store, the top one first; absolute.
	Layers []string `json:"layers,omitempty"`
	// Hide lists absolute paths of the image that appear empty.
	Hide []string `json:"hide,omitempty"`
	// ReadOnly lets nothing be written but /dev, what Mounts and Files have, and /tmp, /run
	// and /var/tmp, which are empty then and in memory.
	ReadOnly bool `json:"read_only,omitempty"`
	// Mounts come above the image, in this order.
	Mounts []Mount `json:"mounts,omitempty"`
	// Devices of the host that appear in /dev besides the usual ones.
	Devices []Device `json:"devices,omitempty"`
}

// Mount is a folder or file of the host's, or a new tmpfs, in a container's root.
type Mount struct {
	// Source is the host's folder or file, absolute; "" is a tmpfs.
	Source string `json:"source,omitempty"`
	Target string `json:"target"` // absolute, inside; made where it is missing
	// MapIDs lets the source's files belong, inside, to the same ids: volumes. It takes root,
	// without which it means nothing, and a file system that can do it: ErrNotMappable of
	// package mount.
	MapIDs bool `json:"map_ids,omitempty"`
	// Propagation is "private", "slave" or "shared", and with an r before it recursive, which
	// brings what is mounted below the source: mount_namespaces(7). Left out, it is "rprivate".
	Propagation string `json:"propagation,omitempty"`
	ReadOnly    bool   `json:"read_only,omitempty"`
	NoSuid      bool   `json:"nosuid,omitempty"`
	NoDev       bool   `json:"nodev,omitempty"`
	NoExec      bool   `json:"noexec,omitempty"`
	Size        int64  `json:"size,omitempty"` // of a tmpfs, in bytes; 0 is the kernel's default
	Mode        uint32 `json:"mode,omitempty"` // of a tmpfs; 0 is 01777
}

// Device is a device node of the host's.
type Device struct {
	Source string `json:"source"` // absolute, on the host: /dev/net/tun
	Target string `json:"target"` // absolute, inside, below /dev
}

// File is a small file that a container finds in its root whatever the image has there, and
// whose text can change while it runs: /etc/hosts.
type File struct {
	Path string `json:"path"` // absolute, inside
	Text string `json:"text"`
	Mode uint32 `json:"mode"`
}

// Validate tells what is wrong with the spec itself.
func (s Spec) Validate() error {
	kinds := 0
	for _, has := range []bool{s.Host, s.Directory != "", len(s.Layers) > 0} {
		if has {
			kinds++
		}
	}
	if kinds != 1 {
		return errors.New("the root is either the host's or a directory or layers")
	}
	if len(s.Layers) > maxLayers {
		return fmt.Errorf("the image has %d layers, more than %d", len(s.Layers), maxLayers)
	}
	for _, path := range slices.Concat(s.images(), s.Hide) {
		if err := shortest(path); err != nil {
			return err
		}
	}
	for _, m := range s.Mounts {
		if err := m.validate(); err != nil {
			return err
		}
	}
	for _, d := range s.Devices {
		if err := d.validate(); err != nil {
			return err
		}
	}
	return nil
}

func shortest(path string) error {
	if !filepath.IsAbs(path) || filepath.Clean(path) != path {
		return fmt.Errorf("path %q is not absolute, or not in its shortest form", path)
	}
	return nil
}

func (m Mount) validate() error {
	if err := shortest(m.Target); err != nil {
		return err
	}
	if m.Source != "" {
		if err := shortest(m.Source); err != nil {
			return err
		}
	}
	switch {
	case m.Target == "/" || m.Target == "/dev" || m.Target == "/sys" || within(m.Target, "/proc"):
		return fmt.Errorf("nothing can be mounted on %s: a container has its own", m.Target)
	case m.Source != "" && (m.Size != 0 || m.Mode != 0):
		return fmt.Errorf("the mount on %s has a source, so no size or mode", m.Target)
	case m.Size < 0:
		return fmt.Errorf("the mount on %s has size %d", m.Target, m.Size)
	}
	if _, known := propagations[strings.TrimPrefix(m.Propagation, "r")]; !known {
		return fmt.Errorf("the mount on %s has propagation %q, which is not private, slave or shared, or one of these with an r before", m.Target, m.Propagation)
	}
	return nil
}

func (d Device) validate() error {
	if err := shortest(d.Source); err != nil {
		return err
	}
	if err := shortest(d.Target); err != nil {
		return err
	}
	if !within(d.Target, "/dev") || d.Target == "/dev" {
		return fmt.Errorf("device %s cannot be at %s, which is not below /dev", d.Source, d.Target)
	}
	return nil
}

// within reports whether a path is a folder or below it; both are in their shortest form.
func within(path, folder string) bool {
	return path == folder || strings.HasPrefix(path, folder+"/")
}

// images gives the image's folders, the top one first.
func (s Spec) images() []string {
	switch {
	case s.Host:
		return []string{"/"}
	case s.Directory != "":
		return []string{s.Directory}
	}
	return s.Layers
}
