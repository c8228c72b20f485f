package rootfs

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/diyform/diyform/internal/linux/machine"
	"github.com/diyform/diyform/internal/playhost/playtest"
)

// TestWritesAreKept checks that a second start finds what the first has written, in the root
// itself and in folders, deletions too, and that nothing of it is in the image.
func TestWritesAreKept(t *testing.T) {
	playtest.AsEachUser(t, func(t *testing.T) {
		image := busybox(t)
		b := newBox(t, Spec{Directory: image})
		first := b.run("echo one > /file; echo two > /etc/new; rm -r /dir; mkdir /dir; touch /dir/new; chmod 700 /; ls -d /dir/*")
		want(t, first, "/dir/new")
		if !b.onDisk {
			t.Fatal("what is written is not kept on disk")
		}
		want(t, b.run("cat /file /etc/new; ls /dir; stat -c %a /"), "one\ntwo\nnew\n700")
		if _, err := os.Stat(filepath.Join(image, "file")); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("in the image: %v", err)
		}
	})
}

func TestHostRootIsKept(t *testing.T) {
	playtest.AsEachUser(t, func(t *testing.T) {
		b := newBox(t, Spec{Host: true})
		// Where the host's file system cannot map ids, its folders belong to nobody.
		first := b.run("echo one > /file; (echo two > /usr/new) 2>/dev/null; cat /file; cat /usr/new 2>/dev/null; test -s /etc/passwd && echo passwd")
		if !strings.HasPrefix(first, "one\n") || !strings.HasSuffix(first, "\npasswd") {
			t.Errorf("the first run: %s", first)
		}
		want(t, b.run("cat /file; cat /usr/new 2>/dev/null; test -s /etc/passwd && echo passwd"), first)
		if _, err := os.Stat("/usr/new"); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("on the host: %v", err)
		}
	})
}

// TestRemove removes what containers leave: files of other ids, folders that nobody may
// open, and what overlayfs itself made.
func TestRemove(t *testing.T) {
	playtest.AsEachUser(t, func(t *testing.T) {
		b := newBox(t, Spec{Directory: busybox(t)})
		b.run("mkdir -p /deep/er; touch /deep/er/file; chown -R 7:7 /deep 2>/dev/null; chmod 0 /deep/er /deep; rm /bin/id")
		if err := Remove(t.Context(), b.options.Data); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Lstat(b.options.Data); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("the folder: %v", err)
		}
		if err := Remove(t.Context(), b.options.Data); err != nil {
			t.Errorf("once more: %v", err)
		}
	})
}

// TestRemoveKeepsMounts checks that what is mounted below a data folder, by whoever, is not
// removed with it, and that a container's mounts never are there.
func TestRemoveKeepsMounts(t *testing.T) {
	playtest.AsEachUser(t, func(t *testing.T) {
		b := newBox(t, Spec{Host: true})
		if err := b.start("sleep 60"); err != nil {
			t.Fatal(err)
		}
		if err := expectNoMounts(b.options.Data); err != nil {
			t.Errorf("while it runs: %v", err)
		}
		b.end()
		if os.Geteuid() != 0 {
			return // nor can others mount anything
		}
		dir := source(t)
		at := filepath.Join(b.options.Data, "mounted")
		if err := os.Mkdir(at, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := machine.Bind(dir, at); err != nil {
			t.Fatal(err)
		}
		if err := Remove(t.Context(), b.options.Data); err == nil || !strings.Contains(err.Error(), "is mounted") {
			t.Errorf("error is %v", err)
		}
		if _, err := os.Stat(filepath.Join(dir, "file")); err != nil {
			t.Error(err)
		}
		if err := machine.Unmount(at); err != nil {
			t.Error(err)
		}
	})
}

func TestSweep(t *testing.T) {
	root := t.TempDir()
	for _, name := range []string{"containers/old/stack/box/root", "containers/now/stack/box/root", "images"} {
		if err := os.MkdirAll(filepath.Join(root, name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := Sweep(t.Context(), root, "now"); err != nil {
		t.Fatal(err)
	}
	for name, there := range map[string]bool{"containers/old": false, "containers/now/stack/box/root": true, "images": true} {
		if _, err := os.Stat(filepath.Join(root, name)); there != (err == nil) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := Sweep(t.Context(), filepath.Join(root, "missing"), "now"); err != nil {
		t.Error(err)
	}
}
