package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"

	"github.com/diyform/diyform/internal/diag"
)

// explainAccess says why the files of the working folder cannot be used and what to do, where
// the kernel says no more than one word.
func explainAccess(err error) error {
	var at *fs.PathError
	if !errors.As(err, &at) {
		return err
	}
	problem := func(format string, args ...any) error {
		return &diag.Problem{
			Summary: "The folder cannot be used",
			Detail:  fmt.Sprintf("%s: %s. ", at.Path, at.Err) + fmt.Sprintf(format, args...), Err: err,
		}
	}
	switch {
	case errors.Is(err, fs.ErrPermission):
		return problem("diyform runs as %s, and this is %s's. Run it as the user that owns the folder, whose lab this is.",
			userName(os.Geteuid()), ownerOf(at.Path))
	case errors.Is(err, syscall.EROFS):
		return problem("diyform keeps its lock and its state beside the configuration. " +
			"Copy the configuration to a folder that can be written.")
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return problem("Make room there, and try again: the recorded state is as it was.")
	}
	return err
}

// stateError ends a command that cannot read the recorded state.
func (v *view) stateError(err error) error {
	return v.failWith(explainAccess(err), "The state cannot be read")
}

// ownerOf names the owner of the file, or of the nearest folder above it that can be seen.
func ownerOf(path string) string {
	path, err := filepath.Abs(path)
	for err == nil {
		info, statErr := os.Stat(path)
		if statErr == nil {
			if st, ok := info.Sys().(*syscall.Stat_t); ok {
				return userName(int(st.Uid))
			}
		}
		if path == filepath.Dir(path) {
			break
		}
		path = filepath.Dir(path)
	}
	return "somebody else"
}

func userName(uid int) string {
	if u, err := user.LookupId(strconv.Itoa(uid)); err == nil {
		return u.Username
	}
	return "user " + strconv.Itoa(uid)
}
