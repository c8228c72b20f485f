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

// RemoveWork is the name of RemoveWorker in the table of userns.Main.
const RemoveWork = "remove-data"

// RemoveWorker removes the folder that is its argument, as root in a user namespace.
func RemoveWorker(_ context.Context, args []string) error { return errors.Join(removeAll(args)...) }

func removeAll(paths []string) []error {
	var errs []error
	for _, path := range paths {
		errs = append(errs, os.RemoveAll(path))
	}
	return errs
}

// Remove removes a container's data folder, if it is there, when none of the container's
// processes lives. Files in it may belong to the user's subordinate ids, or be in folders
// that nobody may read: they are removed by a worker then, and the program's main must know
// RemoveWork.
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
	err = os.RemoveAll(data)
	if errors.Is(err, fs.ErrPermission) && userns.Needed() {
		err = userns.Run(ctx, userns.Work{Name: RemoveWork, Args: []string{data}, Map: userns.Best()})
		if err == nil { // the folder above is the user's, who need not be root there
			err = os.RemoveAll(data)
		}
	}
	if err != nil {
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
