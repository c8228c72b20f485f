package rootfs

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/moby/sys/mountinfo"

	"github.com/diyform/diyform/providers/container/userns"
)

// Remove removes a container's data folder, if it is there, when none of the container's
// processes lives. Files in it may belong to the user's subordinate ids, or be in folders
// that nobody may read: userns.RemoveAll.
func Remove(ctx context.Context, data string) error {
	if err := expectNoMounts(data); err != nil {
		return fmt.Errorf("remove data of container: %w", err)
	}
	works, err := workFolders(data)
	if err != nil {
		return fmt.Errorf("remove data of container: %w", err)
	}
	for _, work := range works {
		if err := unlock(work); err != nil {
			return fmt.Errorf("remove data of container: %w", err)
		}
	}
	if err := userns.RemoveAll(ctx, data); err != nil {
		return fmt.Errorf("remove data of container: %w", err)
	}
	return nil
}

// workFolders lists the folders of overlayfs in a data folder or in the layer in it.
func workFolders(data string) ([]string, error) {
	name := workName(layer{}) + "*"
	below, err1 := filepath.Glob(filepath.Join(data, diskName, name))
	direct, err2 := filepath.Glob(filepath.Join(data, name))
	return append(below, direct...), errors.Join(err1, err2)
}

// Clear removes what containers have written to the layer in a data folder.
func Clear(ctx context.Context, data string) error {
	layer := filepath.Join(data, diskName)
	if _, err := os.Lstat(layer); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return Remove(ctx, layer)
}

// expectNoMounts keeps a removal from going into what is mounted below a folder, which would
// be somebody else's files.
func expectNoMounts(dir string) error {
	mounts, err := mountinfo.GetMounts(mountinfo.PrefixFilter(dir))
	if err != nil {
		return fmt.Errorf("list mounts: %w", err)
	}
	if len(mounts) > 0 {
		return fmt.Errorf("something is mounted on %s: unmount it first", mounts[0].Mountpoint)
	}
	return nil
}

// Sweep removes the data of containers of earlier boots, none of which lives: all folders of
// dataRoot/containers but that of the boot id.
func Sweep(ctx context.Context, dataRoot, bootID string) error {
	dir := filepath.Join(dataRoot, "containers")
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("look for data of earlier boots: %w", err)
	}
	var errs []error
	for _, e := range entries {
		if e.Name() != bootID {
			errs = append(errs, Remove(ctx, filepath.Join(dir, e.Name())))
		}
	}
	return errors.Join(errs...)
}
