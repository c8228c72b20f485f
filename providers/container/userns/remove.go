package userns

import (
	"context"
	"errors"
	"io/fs"
	"os"
)

// removeWork is the one piece of work that every program can do.
const removeWork = "remove"

func removeWorker(_ context.Context, args []string) error { return os.RemoveAll(args[0]) }

// RemoveAll is os.RemoveAll, also of files that belong to the user's subordinate ids, or are in
// folders that nobody may read: those are removed by a worker.
func RemoveAll(ctx context.Context, path string) error {
	err := os.RemoveAll(path)
	if !errors.Is(err, fs.ErrPermission) || !Needed() {
		return err
	}
	if err := Run(ctx, Work{Name: removeWork, Args: []string{path}, Map: Best()}); err != nil {
		return err
	}
	return os.RemoveAll(path) // the folder above is the user's, who need not be root there
}
