package playhost

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/diyform/diyform/internal/linux/machine"
)

// UserID is the ordinary user that the playhost of root has beside root, with a range of
// subordinate ids, whatever users the real machine has.
const (
	UserID   = 1000
	userName = "player"
)

var (
	procfs = machine.Filesystem{Type: "proc"}
	sysfs  = machine.Filesystem{Type: "sysfs"}
	runfs  = machine.Filesystem{Type: "tmpfs", Data: "mode=0755"}
	datafs = machine.Filesystem{Type: "tmpfs", Data: "mode=0755", Devices: true}
)

// buildMounts hides what belongs to the real machine. A mount of proc shows the process
// namespace, one of sysfs the network namespace, of the process that mounts it.
func buildMounts(groups []subtree) error {
	steps := []func() error{
		machine.MakePrivate,
		func() error { return machine.Mount(runfs, "/run") },
		func() error { return machine.Mount(procfs, "/proc") },
		func() error { return mountSys(groups) },
		func() error { return machine.Mount(datafs, "/var/lib") },
		addUser,
		// Most real hosts run systemd, which shares /, so diyform has to cope with that.
		func() error { return machine.MakeShared("/") },
		makeDataFolders,
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// mountSys replaces /sys, with the playhost's control groups in it. What is mounted there is
// put aside first, because what a mount covers cannot be reached any more.
func mountSys(groups []subtree) error {
	const aside = "/run/cgroup"
	if err := os.Mkdir(aside, 0o755); err != nil {
		return err
	}
	if err := machine.Bind(cgroupFolder, aside); err != nil {
		return err
	}
	if err := machine.Mount(sysfs, "/sys"); err != nil {
		return err
	}
	if err := mountGroups(aside, groups); err != nil {
		return err
	}
	if err := machine.Unmount(aside); err != nil {
		return err
	}
	return os.Remove(aside)
}

// mountGroups shows the playhost's part of each hierarchy where the whole one was, and
// leaves out the whole ones: who looks for control groups would find both in mountinfo.
func mountGroups(aside string, groups []subtree) error {
	if len(groups) == 0 {
		return machine.Bind(aside, cgroupFolder) // what the user may not write to may be seen
	}
	if groups[0].Mount == cgroupFolder {
		return bindGroup(aside, groups[0])
	}
	if err := machine.Mount(runfs, cgroupFolder); err != nil {
		return err
	}
	entries, err := os.ReadDir(aside)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if entry.Type() == fs.ModeSymlink { // as cpu is one to cpu,cpuacct
			if err := copyLink(entry.Name(), aside, cgroupFolder); err != nil {
				return err
			}
		}
	}
	for _, g := range groups {
		if err := os.MkdirAll(g.Mount, 0o755); err != nil {
			return err
		}
		if err := bindGroup(aside, g); err != nil {
			return err
		}
	}
	return nil
}

func bindGroup(aside string, g subtree) error {
	return machine.Bind(aside+strings.TrimPrefix(g.Dir, cgroupFolder), g.Mount)
}

func copyLink(name, from, to string) error {
	target, err := os.Readlink(filepath.Join(from, name))
	if err != nil {
		return err
	}
	return os.Symlink(target, filepath.Join(to, name))
}

// addUser binds copies over the files in /etc in which users are declared. In a user
// namespace there is no other user to become, and set-uid programs have no effect.
func addUser() error {
	if inUserNamespace() {
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

// inUserNamespace reports whether this process's root is another's ordinary user.
func inUserNamespace() bool {
	uidMap, err := os.ReadFile("/proc/self/uid_map")
	return err != nil || strings.Join(strings.Fields(string(uidMap)), " ") != "0 0 4294967295"
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
	if inUserNamespace() {
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
