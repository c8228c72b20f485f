package playhost

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/diyform/diyform/internal/linux/machine"
	"github.com/diyform/diyform/internal/world"
)

// UserID is the ordinary user that the playhost of root has beside root, with a range of
// subordinate ids, whatever users the real machine has.
const (
	UserID   = 1000
	userName = "player"
)

// furnish is what a playhost has beside its folders.
func furnish() error {
	if err := addUser(); err != nil {
		return err
	}
	return makeDataFolders()
}

// addUser binds copies over the files in /etc in which users are declared. In a user
// namespace there is no other user to become, and set-uid programs have no effect.
func addUser() error {
	if world.InUserNamespace() {
		return nil
	}
	subordinate := fmt.Sprintf("%d:100000:65536\n", UserID)
	for name, line := range map[string]string{
		"passwd": fmt.Sprintf("%s:x:%d:%d::/run/home/%d:/bin/sh\n", userName, UserID, UserID, UserID),
		"group":  fmt.Sprintf("%s:x:%d:\n", userName, UserID),
		"subuid": subordinate,
		"subgid": subordinate,
	} {
		if err := prependLine("/etc/"+name, line); err != nil {
			return fmt.Errorf("add user to /etc/%s: %w", name, err)
		}
	}
	return nil
}

// prependLine shows, in this mount namespace alone, the file with one line before the
// others: the first that names a user is the one that counts.
func prependLine(path, line string) error {
	old, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // newuidmap(1) is not installed, and a mount needs something to cover
	}
	if err != nil {
		return err
	}
	copied := filepath.Join("/run/playhost", path)
	if err := os.MkdirAll(filepath.Dir(copied), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(copied, append([]byte(line), old...), 0o644); err != nil {
		return err
	}
	return machine.Bind(copied, path)
}

// Folders are the places, one for each user of the playhost, where programs keep things.
func Folders(uid int) map[string]string {
	home := fmt.Sprintf("/run/home/%d", uid)
	return map[string]string{
		"HOME":            home,
		"XDG_RUNTIME_DIR": fmt.Sprintf("/run/user/%d", uid),
		"XDG_DATA_HOME":   filepath.Join(home, "data"),
		"XDG_STATE_HOME":  filepath.Join(home, "state"),
		"XDG_CACHE_HOME":  filepath.Join(home, "cache"),
		"XDG_CONFIG_HOME": filepath.Join(home, "config"),
	}
}

func makeDataFolders() error {
	for _, uid := range users() {
		for _, dir := range Folders(uid) {
			if err := os.MkdirAll(dir, 0o700); err != nil {
				return err
			}
		}
		for _, dir := range Folders(uid) {
			if err := os.Chown(dir, uid, uid); err != nil {
				return err
			}
		}
	}
	for _, dir := range []string{"/run/home", "/run/user"} {
		if err := os.Chmod(dir, 0o755); err != nil {
			return err
		}
	}
	return nil
}

func users() []int {
	if world.InUserNamespace() {
		return []int{0}
	}
	return []int{0, UserID}
}

// xdgEnvironment is what the command's environment gets. HOME stays the caller's, since
// programs like go keep their caches there and the real file system is the caller's too.
func xdgEnvironment() []string {
	var env []string
	for name, dir := range Folders(0) {
		if name != "HOME" {
			env = append(env, name+"="+dir)
		}
	}
	return env
}
