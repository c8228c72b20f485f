package rootfs

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/moby/sys/mountinfo"
)

// diskTypes are the file systems whose mounts below the host's root belong to its files,
// and which can lie under an overlay.
var diskTypes = []string{
	"9p", "bcachefs", "btrfs", "erofs", "ext2", "ext3", "ext4", "f2fs", "jfs", "nfs", "nfs4",
	"overlay", "reiserfs", "virtiofs", "xfs", "zfs",
}

// notImage are the folders of the host's root that are the host's running state, not its
// files. A container has its own.
var notImage = []string{"dev", "proc", "run", "sys", "tmp"}

// diskMounts lists what is mounted below the host's root and belongs to its files, parents
// first.
func diskMounts() ([]string, error) {
	mounts, err := mountinfo.GetMounts(nil)
	if err != nil {
		return nil, fmt.Errorf("list mounts: %w", err)
	}
	var paths []string
	for _, m := range mounts {
		if m.Mountpoint != "/" && isDisk(m) {
			paths = append(paths, m.Mountpoint)
		}
	}
	slices.Sort(paths)
	return slices.Compact(paths), nil
}

func isDisk(m *mountinfo.Info) bool {
	top, _, _ := strings.Cut(strings.TrimPrefix(m.Mountpoint, "/"), "/")
	if slices.Contains(notImage, top) || !slices.Contains(diskTypes, m.FSType) {
		return false
	}
	// What container engines mount below /var/lib is theirs.
	if strings.HasPrefix(m.Mountpoint, "/var/lib/") && m.FSType == "overlay" {
		return false
	}
	info, err := os.Stat(m.Mountpoint)
	return err == nil && info.IsDir()
}

// apart makes layers of an image for a process that may not clone it.
func apart(spec Spec) ([]layer, error) {
	images := spec.images()
	info, err := os.Stat(images[0])
	if err != nil {
		return nil, fmt.Errorf("open root image: %w", err)
	}
	whole := []layer{{how: overlaid, sources: images, mode: modeOf(info)}}
	if len(spec.Layers) > 0 {
		return whole, nil // nobody mounts anything in the image store
	}
	image := images[0]
	covered, err := coveredFolders(image)
	if err != nil {
		return nil, err
	}
	if len(covered) == 0 {
		return whole, nil
	}
	layers := []layer{{how: empty, mode: modeOf(info)}}
	entries, err := os.ReadDir(image)
	if err != nil {
		return nil, fmt.Errorf("open root image: %w", err)
	}
	for _, e := range entries {
		if slices.Contains(notImage, e.Name()) {
			continue
		}
		l, ok, err := layerOf(filepath.Join(image, e.Name()), e, covered[e.Name()])
		if err != nil {
			return nil, fmt.Errorf("open root image: %w", err)
		}
		if ok {
			layers = append(layers, l)
		}
	}
	return layers, nil
}

// layerOf gives the layer of a folder or symbolic link in an image's root. Other files are
// left out.
func layerOf(path string, e os.DirEntry, covered bool) (layer, bool, error) {
	switch {
	case e.Type()&os.ModeSymlink != 0:
		target, err := os.Readlink(path)
		return layer{how: linked, sources: []string{target}, target: e.Name()}, err == nil, err
	case !e.IsDir():
		return layer{}, false, nil
	case covered:
		return layer{how: bound, sources: []string{path}, target: e.Name()}, true, nil
	}
	info, err := e.Info()
	if err != nil {
		return layer{}, false, err
	}
	return layer{how: overlaid, sources: []string{path}, target: e.Name(), mode: modeOf(info)}, true, nil
}

// coveredFolders tells which folders of an image's root have mounts below them, of any
// kind. A folder that is itself a mount, without more below, is not among them.
func coveredFolders(image string) (map[string]bool, error) {
	mounts, err := mountinfo.GetMounts(mountinfo.PrefixFilter(image))
	if err != nil {
		return nil, fmt.Errorf("list mounts: %w", err)
	}
	covered := map[string]bool{}
	for _, m := range mounts {
		below := strings.Trim(strings.TrimPrefix(m.Mountpoint, image), "/")
		top, deeper, _ := strings.Cut(below, "/")
		if top != "" {
			covered[top] = covered[top] || deeper != ""
		}
	}
	return covered, nil
}
