package rootfs

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/diyform/diyform/internal/linux/mount"
	"github.com/diyform/diyform/internal/playhost/playtest"
)

// outside is a folder of the host's that no container may reach. It fails the test when
// anything in it has changed.
func outside(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "outside")
	for _, name := range []string{"", "dir"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(filepath.Join(dir, name), 0o777); err != nil {
			t.Fatal(err)
		}
	}
	file := filepath.Join(dir, "dir/file")
	if err := os.WriteFile(file, []byte("outside"), 0o666); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		text, err := os.ReadFile(file)
		if err != nil || string(text) != "outside" {
			t.Errorf("the host's file is %q, %v", text, err)
		}
		names, err := filepath.Glob(dir + "/*")
		deeper, err2 := filepath.Glob(dir + "/dir/*")
		if len(names) != 1 || len(deeper) != 1 || errors.Join(err, err2) != nil {
			t.Errorf("in the host's folder are %v, %v", names, deeper)
		}
	})
	return dir
}

// replace puts a symbolic link, or with an empty target a file, in a path's place.
func replace(t *testing.T, image, path, target string) {
	t.Helper()
	full := filepath.Join(image, path)
	if err := os.RemoveAll(full); err != nil {
		t.Fatal(err)
	}
	err := os.Symlink(target, full)
	if target == "" {
		err = os.WriteFile(full, []byte("a file"), 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// expectKernel checks that a container has its /proc, /sys and /dev, with all that hides and
// protects.
const expectKernel = `
	test -e /proc/self/status || echo no proc
	test -d /sys/class || echo no sys
	echo x > /dev/null || echo no null
	test "$(stat -c %t:%T /dev/null)" = 1:3 || echo another null
	test -z "$(cat /proc/keys /proc/timer_list /proc/kcore 2>/dev/null)" || echo unmasked
	(echo h > /proc/sysrq-trigger) 2>/dev/null && echo unprotected
	touch /sys/x 2>/dev/null && echo sys is writable
	ls -d /dev/pts/ptmx
`

// TestHostileImages starts images that have symbolic links to the host, to /proc or to
// nowhere, or files, where a container needs folders.
func TestHostileImages(t *testing.T) {
	playtest.AsEachUser(t, func(t *testing.T) {
		host := outside(t)
		up := strings.Repeat("../", 20)
		targets := []string{"", host, up + host, "/", "..", ".", "/proc", "/proc/self/root", "/proc/1/root" + host, "/proc/self/fd/5", "/proc/self/cwd", "/gone", "itself", "/etc", "/dev/pts"}
		for _, target := range targets {
			image := busybox(t)
			for _, path := range []string{"proc", "sys", "dev", "tmp", "run"} {
				replace(t, image, path, strings.ReplaceAll(target, "itself", path))
			}
			b := newBox(t, Spec{Directory: image, ReadOnly: true})
			out, err := b.try(expectKernel)
			if err != nil || strings.TrimSpace(out) != "/dev/pts/ptmx" {
				t.Errorf("with links to %q: %v\n%s", target, err, out)
			}
		}
	})
}

// TestHostilePlaces starts images in which the places of files, mounts, devices and of the
// working directory lead out of the image.
func TestHostilePlaces(t *testing.T) {
	playtest.AsEachUser(t, func(t *testing.T) {
		host, dir := outside(t), source(t)
		for _, target := range []string{host + "/dir", host + "/dir/file", strings.Repeat("../", 20) + host + "/dir", "/proc/self", "/proc/self/fd/4", "/proc/1/root" + host, "/proc/sys/kernel", "/gone", "mine"} {
			image := busybox(t)
			for _, path := range []string{"etc/passwd", "etc/resolv.conf", "etc/hosts", "mine", "work", "etc/alias"} {
				replace(t, image, path, target)
			}
			b := newBox(t, Spec{Directory: image, Mounts: []Mount{
				{Source: dir, Target: "/etc/alias/made/below"}, {Target: "/mine/tmpfs"}, {Source: filepath.Join(dir, "file"), Target: "/work/file"},
			}})
			b.options.WorkingDir = "/work/dir"
			b.options.Files = []File{{"/etc/resolv.conf", "resolver", 0o644}, {"/etc/hosts", "names", 0o644}}
			out, err := b.try("cat /etc/resolv.conf /etc/hosts; echo changed > " + host + "/dir/file; echo; " + expectKernel)
			if err != nil {
				// Refused is as good as confined.
				if !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrExist) && !errors.Is(err, syscall.ENOTDIR) && !errors.Is(err, syscall.ELOOP) {
					t.Errorf("with links to %q: %v", target, err)
				}
				continue
			}
			if out = strings.ReplaceAll(out, "\n", " "); !strings.Contains(out, "/dev/pts/ptmx") || strings.Contains(out, "unprotected") || strings.Contains(out, "unmasked") || strings.Contains(out, "no proc") {
				t.Errorf("with links to %q: %s", target, out)
			}
		}
	})
}

// TestHostileRestart lets a container change its own root so that its next start would be
// led astray.
func TestHostileRestart(t *testing.T) {
	playtest.AsEachUser(t, func(t *testing.T) {
		host := outside(t)
		b := newBox(t, Spec{Directory: busybox(t)})
		b.options.Files = []File{{"/etc/hosts", "names", 0o644}}
		b.run("umount /etc/hosts; rm -f /etc/hosts; ln -s " + host + "/dir/file /etc/hosts; for d in proc sys dev; do umount -l /$d; rmdir /$d; ln -s " + host + " /$d; done; ls -l /")
		out, err := b.try("cat /etc/hosts; " + expectKernel)
		if err != nil || out != "names/dev/pts/ptmx\n" {
			t.Errorf("the second start: %v\n%s", err, out)
		}
		b.spec.Mounts = []Mount{{Target: "/data/deep"}}
		b.run("umount /data/deep; rmdir /data/deep /data; ln -s " + host + " /data")
		if out, err := b.try("true"); !errors.Is(err, fs.ErrNotExist) { // and not made on the host
			t.Errorf("the start after the mount's place was replaced: %v\n%s", err, out)
		}
	})
}

// TestFiles puts files where an image has a file, nothing, an empty folder, or links to
// somewhere and nowhere.
func TestFiles(t *testing.T) {
	playtest.AsEachUser(t, func(t *testing.T) {
		image := busybox(t)
		replace(t, image, "etc/file", "")
		replace(t, image, "etc/dangling", "../run/systemd/resolve/stub-resolv.conf")
		replace(t, image, "etc/loop", "loop")
		replace(t, image, "etc/inside", "../dir/real")
		replace(t, image, "dir/real", "")
		if err := os.Mkdir(filepath.Join(image, "etc/folder"), 0o755); err != nil {
			t.Fatal(err)
		}
		b := newBox(t, Spec{Directory: image})
		script := ""
		for _, name := range []string{"file", "dangling", "loop", "inside", "folder", "deep/new"} {
			b.options.Files = append(b.options.Files, File{"/etc/" + name, "this is " + name + "\n", 0o640})
			script += "cat /etc/" + name + "; "
		}
		script += "stat -c '%a %u' /etc/file; echo mine >> /etc/file; cat /etc/file"
		wanted := "this is file\nthis is dangling\nthis is loop\nthis is inside\nthis is folder\nthis is deep/new\n640 0\nthis is file\nmine"
		want(t, b.run(script), wanted)
		want(t, b.run(script), wanted) // again, on what the first has left

		if text, err := os.ReadFile(filepath.Join(image, "etc/file")); err != nil || string(text) != "a file" {
			t.Errorf("in the image: %q, %v", text, err)
		}
	})
}

// TestFilesOfTheHostsRoot puts files into a root of which, without root's privileges, the
// container may not write to all.
func TestFilesOfTheHostsRoot(t *testing.T) {
	playtest.AsEachUser(t, func(t *testing.T) {
		b := newBox(t, Spec{Host: true})
		b.options.Files = []File{{"/etc/hosts", "names\n", 0o644}, {"/etc/no/such/file", "x", 0o644}}
		want(t, b.run("cat /etc/hosts"), "names")
	})
}

func TestRewrite(t *testing.T) {
	playtest.AsEachUser(t, func(t *testing.T) {
		dir := source(t)
		b := newBox(t, Spec{Directory: busybox(t), Mounts: []Mount{{Source: filepath.Join(dir, "file"), Target: "/etc/bound"}}})
		b.options.Files = []File{{"/etc/hosts", "a longer text\n", 0o644}, {"/etc/other", "other\n", 0o644}}
		if err := b.start("exec 5</etc/hosts; mkfifo /gate /etc/fifo; echo > /etc/plain; ln -s bound /etc/link; ln -s /proc/self/root/etc/hosts /etc/magic; cat /gate; cat <&5; cat /etc/hosts"); err != nil {
			t.Fatal(err)
		}
		gate := filepath.Join("/proc", pidOf(b), "root/gate")
		for deadline := 2000; ; deadline-- {
			if _, err := os.Lstat(gate); err == nil {
				break
			} else if deadline == 0 {
				t.Fatal(err)
			}
			syscall.Nanosleep(&syscall.Timespec{Nsec: 1e6}, nil)
		}
		w, err := os.OpenFile(gate, os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		if err := Rewrite(b.process.PID, File{Path: "/etc/hosts", Text: "short\n"}); err != nil {
			t.Fatal(err)
		}
		for _, path := range []string{"/etc/bound", "/etc/link", "/etc/fifo", "/etc/plain", "/etc", "/dev/null", "/proc/self/status"} {
			if err := Rewrite(b.process.PID, File{Path: path, Text: "changed"}); !errors.Is(err, mount.ErrReplaced) && !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%s: %v", path, err)
			}
		}
		if err := Rewrite(b.process.PID, File{Path: "/etc/magic", Text: "changed"}); !errors.Is(err, syscall.ELOOP) && !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("through /proc: %v", err)
		}
		w.Close()
		if out := b.finish(); out != "short\nshort\n" {
			t.Errorf("the container read %q", out)
		}
		if text, err := os.ReadFile(filepath.Join(dir, "file")); err != nil || string(text) != "host" {
			t.Errorf("the bound file is %q, %v", text, err)
		}
	})
}
