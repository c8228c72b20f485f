package world

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/diyform/diyform/internal/linux/machine"
)

var (
	procfs = machine.Filesystem{Type: "proc"}
	sysfs  = machine.Filesystem{Type: "sysfs"}
	tmpfs  = machine.Filesystem{Type: "tmpfs", Data: "mode=0755"}
)

// buildMounts hides what belongs to the real machine. A mount of proc shows the process
// namespace, one of sysfs the network namespace, of the process that mounts it.
func (k *Kind) buildMounts(s setup) error {
	var kept keptFolders
	defer kept.close()
	steps := []func() error{
		machine.MakePrivate,
		k.forbidWriting,
		func() error { return kept.open(k.covered(s.Keep)) },
		k.mountFolders,
		func() error { return machine.Mount(procfs, "/proc") },
		kept.show,
		func() error { return k.mountSys(s.Groups) },
		k.forbidSettings,
		k.Furnish,
		// Most real hosts run systemd, which shares /, so diyform has to cope with that.
		func() error { return machine.MakeShared("/") },
	}
	for _, step := range steps {
		if step == nil {
			continue
		}
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

func (k *Kind) forbidWriting() error {
	if !k.ReadOnly {
		return nil
	}
	return machine.MakeReadOnly("/", true)
}

func (k *Kind) mountFolders() error {
	for _, f := range k.Folders {
		if err := os.MkdirAll(f.Path, 0o755); err != nil {
			return err
		}
		if err := machine.Mount(f.Filesystem, f.Path); err != nil {
			return err
		}
	}
	return nil
}

// forbidSettings lets only such settings of the kernel be written to as each network namespace
// has for itself. Without a user namespace the others would be the real machine's.
func (k *Kind) forbidSettings() error {
	if !k.ReadOnly || InUserNamespace() {
		return nil // the kernel forbids it
	}
	// A container's user namespace may mount proc only if some proc is wholly visible to whom
	// it comes from: mount_too_revealing(), fs/namespace.c.
	whole := filepath.Join(k.Folders[0].Path, "proc")
	if err := os.Mkdir(whole, 0o700); err != nil {
		return err
	}
	if err := machine.Mount(procfs, whole); err != nil {
		return err
	}
	for _, path := range []string{"/proc/sys", "/proc/sys/net"} {
		if err := machine.Bind(path, path); err != nil {
			return err
		}
	}
	return machine.MakeReadOnly("/proc/sys", false)
}

// covered gives what is to be kept of the folders that will be covered: each whole, up to what
// is right below, so that what is beside it is seen as before.
func (k *Kind) covered(keep []string) ([]string, error) {
	var out []string
	for _, path := range keep {
		for _, f := range k.Folders {
			below, ok := strings.CutPrefix(path+"/", f.Path+"/")
			if !ok {
				continue
			}
			names, err := []string{}, error(nil)
			if first, _, _ := strings.Cut(below, "/"); first != "" {
				names = append(names, first)
			} else {
				names, err = namesIn(f.Path) // it is the folder itself
			}
			if err != nil {
				return nil, err
			}
			for _, name := range names {
				out = append(out, filepath.Join(f.Path, name))
			}
			break
		}
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}

func namesIn(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	var names []string
	for _, e := range entries {
		if e.IsDir() || e.Type().IsRegular() {
			names = append(names, e.Name())
		}
	}
	return names, err
}

// keptFolders are held open while something is mounted over them.
type keptFolders []*os.File

func (l *keptFolders) open(paths []string, err error) error {
	if err != nil {
		return err
	}
	for _, path := range paths {
		// It need not be readable: whether its files are is for who reads them.
		f, err := os.OpenFile(path, unix.O_PATH, 0)
		if errors.Is(err, fs.ErrNotExist) {
			continue // who wants it says so
		}
		if err != nil {
			return err
		}
		*l = append(*l, f)
	}
	return nil
}

// show mounts them where they were.
func (l *keptFolders) show() error {
	for _, f := range *l {
		info, err := f.Stat()
		if err != nil {
			return err
		}
		if err := makeTarget(f.Name(), info.IsDir()); err != nil {
			return err
		}
		if err := machine.Bind(fmt.Sprintf("/proc/self/fd/%d", f.Fd()), f.Name()); err != nil {
			return err
		}
	}
	return nil
}

// makeTarget makes something of the kind that can be mounted over.
func makeTarget(path string, folder bool) error {
	if folder {
		return os.MkdirAll(path, 0o755)
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDONLY, 0o644)
	if err != nil {
		return err
	}
	return f.Close()
}

func (l *keptFolders) close() {
	closeAll(*l)
}

// mountSys replaces /sys, with the world's control groups in it. What is mounted there is put
// aside first, because what a mount covers cannot be reached any more.
func (k *Kind) mountSys(groups []subtree) error {
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
	if err := k.mountGroups(aside, groups); err != nil {
		return err
	}
	if err := machine.Unmount(aside); err != nil {
		return err
	}
	return os.Remove(aside)
}

// mountGroups shows the world's part of each hierarchy where the whole one was, and leaves out
// the whole ones: who looks for control groups would find both in mountinfo.
func (k *Kind) mountGroups(aside string, groups []subtree) error {
	if len(groups) == 0 {
		return machine.Bind(aside, cgroupFolder) // what the user may not write to may be seen
	}
	if groups[0].Mount == cgroupFolder {
		return k.bindGroup(aside, groups[0])
	}
	if err := machine.Mount(tmpfs, cgroupFolder); err != nil {
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
		if err := k.bindGroup(aside, g); err != nil {
			return err
		}
	}
	return nil
}

// bindGroup shows a group, to which the world may write whatever else it may not.
func (k *Kind) bindGroup(aside string, g subtree) error {
	if err := machine.Bind(aside+strings.TrimPrefix(g.Dir, cgroupFolder), g.Mount); err != nil {
		return err
	}
	if !k.ReadOnly {
		return nil
	}
	return machine.MakeWritable(g.Mount)
}

func copyLink(name, from, to string) error {
	target, err := os.Readlink(filepath.Join(from, name))
	if err != nil {
		return err
	}
	return os.Symlink(target, filepath.Join(to, name))
}

// InUserNamespace reports whether this process's root is another's ordinary user.
func InUserNamespace() bool {
	uidMap, err := os.ReadFile("/proc/self/uid_map")
	return err != nil || strings.Join(strings.Fields(string(uidMap)), " ") != "0 0 4294967295"
}
