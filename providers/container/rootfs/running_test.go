package rootfs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/diyform/diyform/internal/linux/fork"
	"github.com/diyform/diyform/internal/linux/pidfd"
	"github.com/diyform/diyform/internal/linux/process"
	"github.com/diyform/diyform/internal/playhost/playtest"
	"github.com/diyform/diyform/providers/container/userns"
)

func TestMain(m *testing.M) {
	if userns.Invoked() {
		os.Exit(userns.Main(nil))
	}
	os.Exit(playtest.Main(m))
}

// box is a process in a root of its own, launched as package launch does it, without what
// that gives up of privileges.
type box struct {
	t       testing.TB
	spec    Spec
	options Options
	kernel  Kernel
	kept    fork.Namespaces // those that are not its own
	single  bool            // one id is mapped, not a range

	process *pidfd.Process
	mapped  bool
	onDisk  bool
	fromBox *os.File
}

func newBox(t testing.TB, spec Spec) *box {
	t.Helper()
	b := &box{t: t, spec: spec, options: Options{Data: filepath.Join(t.TempDir(), "data")}, kernel: Kernel{OwnNetwork: true, Sysfs: -1}}
	t.Cleanup(func() {
		b.end()
		if err := Remove(context.Background(), b.options.Data); err != nil {
			t.Error(err)
		}
	})
	return b
}

const firstID = 0x100000

func (b *box) ids() userns.Map {
	m := userns.Map{UIDs: []process.Range{{Outside: firstID, Count: 65536}}, DropGroups: true}
	m.GIDs = m.UIDs
	switch {
	case os.Geteuid() == 0 && playtest.RealRoot():
		return m
	case os.Geteuid() == 0:
		m.UIDs = []process.Range{{Outside: 0, Count: 1}}
		m.GIDs, m.DropGroups = m.UIDs, false
		return m
	case b.single:
		return userns.Single()
	}
	return userns.Best()
}

// run runs a script in a new container and gives its output.
func (b *box) run(script string) string {
	b.t.Helper()
	out, err := b.try(script)
	if err != nil {
		b.t.Fatalf("%v\n%s", err, out)
	}
	return strings.TrimSpace(out)
}

func (b *box) try(script string) (string, error) {
	b.t.Helper()
	if err := b.start(script); err != nil {
		return "", err
	}
	return b.finish(), nil
}

// finish waits for the script's end and gives its output.
func (b *box) finish() string {
	b.t.Helper()
	out, err := io.ReadAll(b.fromBox)
	if err != nil {
		b.t.Fatal(err)
	}
	b.end()
	return string(out)
}

func (b *box) end() {
	b.t.Helper()
	if b.process == nil {
		return
	}
	b.fromBox.Close()
	if err := b.process.Signal(syscall.SIGKILL); err != nil && !errors.Is(err, pidfd.ErrGone) {
		b.t.Fatal(err)
	}
	if err := b.process.Wait(context.Background()); err != nil {
		b.t.Fatal(err)
	}
	if _, err := b.process.Reap(); err != nil {
		b.t.Fatal(err)
	}
	b.process.Close()
	b.process = nil
}

// start launches a container whose first process runs the script.
func (b *box) start(script string) error {
	b.t.Helper()
	if err := b.spec.Validate(); err != nil {
		return err
	}
	ids := b.ids()
	b.options.UID, b.options.GID = int(ids.UIDs[0].Outside), int(ids.GIDs[0].Outside)
	root, err := Open(b.spec, b.options)
	if err != nil {
		return err
	}
	defer root.Close()
	b.onDisk = root.OnDisk()
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	defer w.Close()
	b.fromBox = r
	p, err := fork.New()
	if err != nil {
		return err
	}
	defer p.Close()
	b.compose(p, root, p.Keep(w), script, ids.DropGroups)
	ns := fork.User | fork.Mount | fork.UTS | fork.IPC | fork.Cgroup | fork.Network
	child, err := p.Start(ns &^ b.kept)
	if err != nil {
		return err
	}
	defer child.Close()
	if err := b.setUp(child, root, ids); err != nil {
		return err
	}
	return child.Executed(b.t.Context())
}

func (b *box) compose(p *fork.Program, root *Root, out fork.FD, script string, dropGroups bool) {
	p.ResetSignals()
	p.Receive("wait for id maps", 0)
	if b.kept&fork.PID == 0 {
		p.UnsharePID()
	}
	p.Spawn()
	incoming := p.Receive("wait for mounts", root.Incoming())
	p.SetIDs(0, 0, dropGroups)
	p.Umask(0)
	tree := root.Compose(p, incoming)
	root.ComposeKernel(p, tree, b.kernel)
	p.PivotRoot(tree)
	p.CloseFD(tree)
	p.Replace(1, out)
	p.Replace(2, out)
	p.Umask(0o022)
	p.Exec([]string{"/bin/sh", "/bin/busybox"}, []string{"sh", "-c", script}, []string{"PATH=/bin:/usr/bin:/sbin:/usr/sbin"})
}

func (b *box) setUp(child *fork.Child, root *Root, ids userns.Map) error {
	ctx := b.t.Context()
	first, err := pidfd.New(child.PID, child.PidFD)
	if err != nil {
		return err
	}
	defer first.Close()
	if err := ids.Write(ctx, child.PID); err != nil {
		return err
	}
	user, err := os.Open(fmt.Sprintf("/proc/%d/ns/user", child.PID))
	if err != nil {
		return err
	}
	defer user.Close()
	mounts, mapped, err := root.Mounts(user)
	if err != nil {
		return err
	}
	b.mapped = mapped
	if err := child.Send(); err != nil {
		return err
	}
	pid, err := child.Spawned(ctx)
	if err != nil {
		return err
	}
	if b.process, err = pidfd.Open(pid); err != nil {
		return err
	}
	if err := first.Wait(ctx); err != nil {
		return err
	}
	if _, err := first.Reap(); err != nil {
		return err
	}
	return child.Send(mounts...)
}

// busybox makes a folder that can be a container's root: a shell and what tests need.
func busybox(t testing.TB) string {
	t.Helper()
	program, err := exec.LookPath("busybox")
	if err != nil {
		playtest.Missing(t, err)
	}
	dir := filepath.Join(t.TempDir(), "image")
	for _, name := range []string{"", "bin", "etc", "dir", "proc", "sys", "dev"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "bin/busybox"), text, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"sh", "cat", "ls", "stat", "mount", "umount", "touch", "mkdir", "rm", "rmdir", "ln", "echo", "id", "chmod", "chown", "mv", "readlink", "grep", "mkfifo", "sleep", "sed", "awk", "test", "find", "mknod", "cut"} {
		if err := os.Symlink("busybox", filepath.Join(dir, "bin", name)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// want fails the test where a container's output is another.
func want(t testing.TB, got, want string) {
	t.Helper()
	if got != strings.TrimSpace(want) {
		t.Errorf("the container said\n%s\nnot\n%s", got, want)
	}
}

func owner(info fs.FileInfo) (uid, gid uint32) {
	st := info.Sys().(*syscall.Stat_t)
	return st.Uid, st.Gid
}

func pidOf(b *box) string { return strconv.Itoa(b.process.PID) }
