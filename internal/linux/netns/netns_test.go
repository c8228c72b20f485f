package netns

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/diyform/diyform/internal/failpoint"
	"github.com/diyform/diyform/internal/linux/rtnl"
	"github.com/diyform/diyform/internal/playhost/playtest"
)

func TestMain(m *testing.M) { os.Exit(playtest.Main(m)) }

func shell(t *testing.T, script string) string {
	t.Helper()
	out, err := exec.Command("sh", "-ec", script).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", script, err, out)
	}
	return strings.TrimSpace(string(out))
}

func newSet(t *testing.T) *Set {
	t.Helper()
	playtest.Require(t)
	s := &Set{}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func specs(n int) (list []Spec, names []string) {
	for i := range n {
		name := fmt.Sprintf("n%d", i)
		list, names = append(list, Spec{Name: name, Mark: "mark of " + name}), append(names, name)
	}
	return list, names
}

func TestCreateAndDelete(t *testing.T) {
	s := newSet(t)
	list, names := specs(20)
	if err := errors.Join(s.Create(t.Context(), list)...); err != nil {
		t.Fatal(err)
	}
	if got := shell(t, "ip -n n7 -j link show lo | jq -r '.[0].ifalias, (.[0].flags|contains([\"UP\"]))'"); got != "mark of n7\ntrue" {
		t.Errorf("lo of n7: %s", got)
	}
	if got := shell(t, "findmnt -no PROPAGATION /run/netns | sort -u"); got != "shared" {
		t.Errorf("%s is mounted %s", Dir, got)
	}
	seven, err := s.Get("n7")
	if err != nil {
		t.Fatal(err)
	}
	pin, err := Lookup("n7")
	if err != nil || !pin.Mounted || pin.ID != seven.ID() {
		t.Errorf("n7 is %+v, %v", pin, err)
	}
	if err := errors.Join(s.Create(t.Context(), list[7:8])...); !errors.Is(err, fs.ErrExist) {
		t.Errorf("a second n7: %v", err)
	}
	if err := errors.Join(s.Delete(append(names, "never-was"))...); err != nil {
		t.Error(err)
	}
	if got := shell(t, "ls /run/netns | grep -c '^n[0-9]' || true"); got != "0" {
		t.Errorf("%s names are left", got)
	}
	if _, err := s.Get("n7"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a name that is gone: %v", err)
	}
}

func TestSocketsAreInTheirNamespace(t *testing.T) {
	s := newSet(t)
	list, names := specs(3)
	if err := errors.Join(s.Create(t.Context(), list)...); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Delete(names) })
	again := newSet(t)
	again.Preopen(t.Context(), append(names, "never-was", names[0]))
	for _, set := range []*Set{s, again} {
		for _, name := range names {
			ns, err := set.Get(name)
			if err != nil {
				t.Fatal(err)
			}
			checkSockets(t, ns)
		}
	}
	if got, want := shell(t, "readlink /proc/self/ns/net"), hostLink(t); got != want {
		t.Errorf("a child runs in %s, not in %s", got, want)
	}
}

func hostLink(t *testing.T) string {
	t.Helper()
	link, err := os.Readlink(ownPath)
	if err != nil {
		t.Fatal(err)
	}
	return link
}

func mustGet(t *testing.T, s *Set, name string) *Namespace {
	t.Helper()
	n, err := s.Get(name)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// checkSockets checks that the namespace's socket and thread see the mark of its lo.
func checkSockets(t *testing.T, ns *Namespace) {
	t.Helper()
	conn, err := ns.Route()
	if err != nil {
		t.Fatal(err)
	}
	var lo rtnl.Link
	if err := conn.Do(t.Context(), rtnl.GetLink(rtnl.ByName("lo"), &lo)); err != nil || lo.Alias != "mark of "+ns.Name() {
		t.Errorf("the rtnetlink socket of %s sees %q, %v", ns.Name(), lo.Alias, err)
	}
	err = ns.Do(t.Context(), func() error {
		link, err := os.Readlink(ownPath)
		if want := fmt.Sprintf("net:[%d]", ns.ID().Ino); link != want {
			t.Errorf("the thread of %s is in %s", ns.Name(), link)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
	fd, err := ns.Socket(unix.AF_INET, unix.SOCK_DGRAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	unix.Close(fd)
}

func TestNameWasReplaced(t *testing.T) {
	s := newSet(t)
	shell(t, "ip netns add x")
	first := mustGet(t, s, "x").ID()
	shell(t, "ip netns del x; ip netns add x")
	t.Cleanup(func() { shell(t, "ip netns del x") })
	if second := mustGet(t, s, "x").ID(); second == first {
		t.Error("the old namespace is given for the name")
	}
}

func TestWhatIsNoNamespace(t *testing.T) {
	playtest.Require(t)
	shell(t, "mkdir -p /run/netns/dir; mkfifo /run/netns/fifo; echo hello > /run/netns/file; unshare -u sh -c 'touch /run/netns/uts; mount --bind /proc/self/ns/uts /run/netns/uts'")
	t.Cleanup(func() { shell(t, "umount /run/netns/uts 2>/dev/null || true; cd /run/netns; rm -rf dir fifo file uts") })
	for _, name := range []string{"dir", "fifo", "file", "uts"} {
		if _, err := Open(name); !errors.Is(err, ErrNotNamespace) {
			t.Errorf("%s opens with %v", name, err)
		}
	}
	if pin, err := Lookup("file"); err != nil || pin.Mounted || pin.Mark != "hello" {
		t.Errorf("file is %+v, %v", pin, err)
	}
	for _, name := range []string{"", ".", "..", "a/b", "a\x00b", strings.Repeat("x", 300)} {
		if _, err := Open(name); err == nil {
			t.Errorf("the name %q is taken", name)
		}
	}
	names, err := List()
	if err != nil || len(names) < 4 {
		t.Errorf("the list is %v, %v", names, err)
	}
}

func TestWaitGone(t *testing.T) {
	s := newSet(t)
	list, names := specs(8)
	if err := errors.Join(s.Create(t.Context(), list)...); err != nil {
		t.Fatal(err)
	}
	host := mustGet(t, s, "")
	conn, err := host.Route()
	if err != nil {
		t.Fatal(err)
	}
	links := make([]rtnl.Link, len(names))
	for i, name := range names {
		if err := conn.Do(t.Context(),
			rtnl.CreateVeth(rtnl.LinkSpec{Name: "v" + name}, rtnl.PeerSpec{Name: "eth0", NetNS: mustGet(t, s, name).FD()}),
			rtnl.GetLink(rtnl.ByName("v"+name), &links[i])); err != nil {
			t.Fatal(err)
		}
	}
	var indexes []int
	for _, l := range links {
		indexes = append(indexes, l.Index)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := host.WaitGone(ctx, indexes); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("while they are there: %v", err)
	}
	if err := errors.Join(s.Delete(names)...); err != nil {
		t.Fatal(err)
	}
	ctx, cancel = context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := host.WaitGone(ctx, indexes); err != nil {
		t.Error(err)
	}
}

func TestAwaitLocal(t *testing.T) {
	s := newSet(t)
	list, names := specs(1)
	if err := errors.Join(s.Create(t.Context(), list)...); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Delete(names) })
	ns := mustGet(t, s, names[0])
	conn, err := ns.Route()
	if err != nil {
		t.Fatal(err)
	}
	there, missing := netip.MustParseAddr("fd00::1"), netip.MustParseAddr("fd00::2")
	a := rtnl.Address{Index: loopbackIndex, Prefix: netip.PrefixFrom(there, 64), Flags: unix.IFA_F_NODAD}
	if err := conn.Do(t.Context(), rtnl.AddAddress(a)); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	if err := ns.AwaitLocal(ctx, []netip.Addr{there}); err != nil {
		t.Error(err)
	}
	ctx, cancel = context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := ns.AwaitLocal(ctx, []netip.Addr{there, missing}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("an address that is not there: %v", err)
	}
}

const crashAction = "DIYFORM_TEST_CRASH"

func TestCrashingChild(t *testing.T) {
	action := os.Getenv(crashAction)
	if action == "" {
		t.Skip("TestKill runs this one")
	}
	s := newSet(t)
	if err := failpoint.Arm("DIYFORM_FAILPOINT"); err != nil {
		t.Fatal(err)
	}
	if action == "create" {
		s.Create(t.Context(), []Spec{{Name: "k", Mark: "the mark"}})
		return
	}
	s.Delete([]string{"k"})
}

// Killed at any step, what there is under the name says whose it is.
func TestKill(t *testing.T) {
	s := newSet(t)
	for _, action := range []string{"create", "delete"} {
		n := 1
		for ; killed(t, action, n); n++ {
			pin, err := Lookup("k")
			switch {
			case errors.Is(err, fs.ErrNotExist):
			case err != nil:
				t.Error(err)
			case pin.Mounted:
				checkMark(t, mustGet(t, s, "k"))
			case pin.Mark != "the mark":
				t.Errorf("killed at %d while %s, the file says %q", n, action, pin.Mark)
			}
			if err := errors.Join(s.Delete([]string{"k"})...); err != nil {
				t.Error(err)
			}
			if action == "delete" {
				if err := errors.Join(s.Create(t.Context(), []Spec{{Name: "k", Mark: "the mark"}})...); err != nil {
					t.Fatal(err)
				}
			}
		}
		if n < 5 {
			t.Errorf("%s has only %d failpoints", action, n-1)
		}
	}
}

func checkMark(t *testing.T, ns *Namespace) {
	t.Helper()
	conn, err := ns.Route()
	if err != nil {
		t.Fatal(err)
	}
	var lo rtnl.Link
	if err := conn.Do(t.Context(), rtnl.GetLink(rtnl.ByName("lo"), &lo)); err != nil || lo.Alias != "the mark" {
		t.Errorf("a visible namespace has the mark %q, %v", lo.Alias, err)
	}
}

func killed(t *testing.T, action string, n int) bool {
	t.Helper()
	cmd := exec.Command("/proc/self/exe", "-test.run=^TestCrashingChild$")
	cmd.Env = append(os.Environ(), crashAction+"="+action, fmt.Sprintf("DIYFORM_FAILPOINT=%d", n))
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.Sys().(syscall.WaitStatus).Signal() == syscall.SIGKILL {
		return true
	}
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return false
}
