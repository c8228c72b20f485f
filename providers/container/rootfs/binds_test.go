package rootfs

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/diyform/diyform/internal/linux/fork"
	"github.com/diyform/diyform/internal/linux/machine"
	"github.com/diyform/diyform/internal/linux/mount"
	"github.com/diyform/diyform/internal/playhost/playtest"
)

// source makes a folder with a file, and what else a test wants.
func source(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "source")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "file"), []byte("host"), 0o644); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestMounts(t *testing.T) {
	playtest.AsEachUser(t, func(t *testing.T) {
		dir, image := source(t), busybox(t)
		if err := os.Mkdir(filepath.Join(image, "run"), 0o755); err != nil {
			t.Fatal(err)
		}
		for link, target := range map[string]string{"var": "/nowhere/var", "link": "/run"} {
			if err := os.Symlink(target, filepath.Join(image, link)); err != nil {
				t.Fatal(err)
			}
		}
		b := newBox(t, Spec{Directory: image, Mounts: []Mount{
			{Source: dir, Target: "/new/folder", ReadOnly: true, NoSuid: true, NoDev: true, NoExec: true},
			{Source: filepath.Join(dir, "file"), Target: "/new/file"},
			{Source: dir, Target: "/link/app"},
			{Target: "/scratch", Size: 1 << 20, Mode: 0o750},
			{Target: "/dev/shm", Size: 2 << 20},
		}})
		out := b.run(`cat /new/folder/file /new/file /run/app/file; echo
			touch /new/folder/x 2>/dev/null || echo read-only
			grep ' /new/folder ' /proc/mounts | cut -d' ' -f4 | cut -d, -f1-4
			stat -c %a /scratch; grep -c 'scratch.*size=1024k' /proc/mounts; grep -c 'shm.*size=2048k' /proc/mounts`)
		want(t, out, "hosthosthost\nread-only\nro,nosuid,nodev,noexec\n750\n1\n1")
	})
}

// TestMountsBelow checks that a read-only bind is that with all that is mounted below, and
// that propagation is as asked for.
func TestMountsBelow(t *testing.T) {
	playtest.AsEachUser(t, func(t *testing.T) {
		if os.Geteuid() != 0 {
			t.Skip("it takes root to mount on the host")
		}
		dir := source(t)
		below := filepath.Join(dir, "below")
		if err := os.Mkdir(below, 0o755); err != nil {
			t.Fatal(err)
		}
		for _, step := range []error{machine.Bind(dir, dir), machine.MakeShared(dir), machine.Mount(machine.Filesystem{Type: "tmpfs", Data: "mode=0777"}, below)} {
			if step != nil {
				t.Fatal(step)
			}
		}
		defer machine.Unmount(dir)
		b := newBox(t, Spec{Directory: busybox(t), Mounts: []Mount{
			{Source: dir, Target: "/ro", ReadOnly: true},
			{Source: dir, Target: "/alone", Propagation: "private"},
			{Source: dir, Target: "/slave", Propagation: "rslave"},
			{Source: dir, Target: "/shared", Propagation: "rshared"},
		}})
		if err := b.start(`touch /ro/below/x 2>/dev/null || echo read-only
			touch /alone/below/x 2>/dev/null && echo uncovered
			while ! test -e /slave/later/file; do sleep 0.01; done
			ls /slave/later /ro/later /shared/later
			mount -t tmpfs from-inside /shared/below && echo mounted`); err != nil {
			t.Fatal(err)
		}
		later := filepath.Join(dir, "later")
		if err := os.Mkdir(later, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := machine.Bind(source(t), later); err != nil {
			t.Fatal(err)
		}
		out := strings.TrimSpace(b.finish())
		if !playtest.RealRoot() { // the folder below it belongs to somebody else than in the first case
			return
		}
		want(t, out, "read-only\n/ro/later:\n\n/shared/later:\nfile\n\n/slave/later:\nfile\nmounted")
		if text, err := os.ReadFile("/proc/self/mounts"); err != nil || strings.Contains(string(text), "from-inside") {
			t.Errorf("the container has mounted on the host:\n%s%v", text, err)
		}
	})
}

func TestMappedVolume(t *testing.T) {
	playtest.AsEachUser(t, func(t *testing.T) {
		if os.Geteuid() != 0 || !playtest.RealRoot() {
			t.Skip("it takes root to map the ids of a mount")
		}
		dir := source(t)
		b := newBox(t, Spec{Directory: busybox(t), Mounts: []Mount{{Source: dir, Target: "/volume", MapIDs: true}}})
		want(t, b.run("touch /volume/new; chown 7:8 /volume/new; stat -c '%u %g' /volume /volume/new"), "0 0\n7 8")
		info, err := os.Stat(filepath.Join(dir, "new"))
		if err != nil {
			t.Fatal(err)
		}
		if uid, gid := owner(info); uid != 7 || gid != 8 {
			t.Errorf("on the host it belongs to %d:%d", uid, gid)
		}
	})
}

// TestVolumeThatCannotBeMapped is about a file system without FS_ALLOW_IDMAP, which proc is.
func TestVolumeThatCannotBeMapped(t *testing.T) {
	if os.Geteuid() != 0 || !playtest.RealRoot() {
		t.Skip("it takes root to map the ids of a mount")
	}
	b := newBox(t, Spec{Directory: busybox(t), Mounts: []Mount{{Source: "/proc/fs", Target: "/volume", MapIDs: true}}})
	_, err := b.try("true")
	if !errors.Is(err, mount.ErrNotMappable) || !strings.Contains(err.Error(), "the folder must be on ext4") {
		t.Errorf("error is %v", err)
	}
}

// TestLockedFlags checks that a bind does not allow what the host's mount forbids.
func TestLockedFlags(t *testing.T) {
	playtest.AsEachUser(t, func(t *testing.T) {
		b := newBox(t, Spec{Directory: busybox(t), Mounts: []Mount{{Source: "/dev/shm", Target: "/shm"}}})
		for path, flag := range map[string]string{"/shm": "nosuid"} {
			hosts, err := os.ReadFile("/proc/self/mounts")
			if err != nil {
				t.Fatal(err)
			}
			forbidden := false
			for line := range strings.Lines(string(hosts)) {
				fields := strings.Fields(line)
				forbidden = forbidden || fields[1] == "/dev/shm" && strings.Contains(fields[3], flag)
			}
			out := b.run("grep ' " + path + " ' /proc/mounts")
			if forbidden && !strings.Contains(out, flag) {
				t.Errorf("the mount is %q, without %s", out, flag)
			}
		}
	})
}

func TestDevices(t *testing.T) {
	playtest.AsEachUser(t, func(t *testing.T) {
		b := newBox(t, Spec{Directory: busybox(t), Devices: []Device{{Source: "/dev/zero", Target: "/dev/sub/nil"}}})
		want(t, b.run("stat -c '%F %t:%T' /dev/sub/nil; ls /dev/console 2>/dev/null; ls -A /dev"),
			"character special file 1:5\nfd\nfull\nmqueue\nnull\nptmx\npts\nrandom\nshm\nstderr\nstdin\nstdout\nsub\ntty\nurandom\nzero")
		file := filepath.Join(source(t), "file")
		b = newBox(t, Spec{Directory: busybox(t), Devices: []Device{{Source: file, Target: "/dev/file"}}})
		if _, err := b.try("true"); err == nil || !strings.Contains(err.Error(), "no device node") {
			t.Errorf("error is %v", err)
		}
	})
}

func TestValidateMounts(t *testing.T) {
	for _, s := range []Spec{
		{}, {Host: true, Directory: "/x"}, {Directory: "/x", Layers: []string{"/y"}}, {Layers: make([]string, 128)},
		{Host: true, Mounts: []Mount{{Target: "/"}}}, {Host: true, Mounts: []Mount{{Target: "/proc/sys"}}},
		{Host: true, Mounts: []Mount{{Target: "/a/../b"}}}, {Host: true, Mounts: []Mount{{Source: "x", Target: "/a"}}},
		{Host: true, Mounts: []Mount{{Target: "/a", Propagation: "rslav"}}}, {Host: true, Mounts: []Mount{{Source: "/x", Target: "/a", Size: 1}}},
		{Host: true, Devices: []Device{{Source: "/dev/null", Target: "/etc/null"}}}, {Host: true, Hide: []string{"x"}},
	} {
		if s.Validate() == nil {
			t.Errorf("%+v is valid", s)
		}
	}
	good := Spec{Host: true, Mounts: []Mount{{Source: "/x", Target: "/processes", Propagation: "rslave"}}, Devices: []Device{{Source: "/dev/fuse", Target: "/dev/fuse"}}}
	if err := good.Validate(); err != nil {
		t.Error(err)
	}
}

// TestKeptNamespaces launches without some namespaces of its own.
func TestKeptNamespaces(t *testing.T) {
	playtest.AsEachUser(t, func(t *testing.T) {
		b := newBox(t, Spec{Directory: busybox(t)})
		b.kept = fork.PID | fork.IPC | fork.Network
		b.kernel = Kernel{PID: Kept, IPC: Kept, Sysfs: -1}
		out := b.run("readlink /proc/1/exe 2>/dev/null; ls -d /proc/self /dev/shm; cat /proc/kcore /proc/keys 2>/dev/null; touch /proc/sysrq-trigger 2>/dev/null || echo protected")
		want(t, out, "/dev/shm\n/proc/self\nprotected")
	})
}

// TestCgroup checks that a container sees its own control group, where there is the unified
// hierarchy, and else none; and can change neither.
func TestCgroup(t *testing.T) {
	playtest.AsEachUser(t, func(t *testing.T) {
		for whose, entries := range map[Namespace]string{Own: "1", Kept: "1"} {
			if !mount.IsCgroup2(cgroups) {
				entries = "0"
			}
			b := newBox(t, Spec{Directory: busybox(t)})
			b.kernel.Cgroup = whose
			out := b.run("ls -A /sys/fs/cgroup | grep -c ^cgroup.procs; mkdir /sys/fs/cgroup/x 2>/dev/null || echo read-only; ls -A /sys/fs/cgroup | grep -c cpuacct")
			want(t, out, entries+"\nread-only\n0")
		}
	})
}

func TestPrivileged(t *testing.T) {
	playtest.AsEachUser(t, func(t *testing.T) {
		b := newBox(t, Spec{Directory: busybox(t)})
		b.kernel.Privileged = true
		out := b.run("grep -c ' /proc/' /proc/mounts; grep ' /sys ' /proc/mounts | cut -d' ' -f4 | cut -d, -f1")
		want(t, out, "0\nrw")
	})
}
