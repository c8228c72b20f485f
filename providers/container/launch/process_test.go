package launch

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/diyform/diyform/internal/linux/netns"
	"github.com/diyform/diyform/internal/linux/pidfd"
	"github.com/diyform/diyform/internal/playhost/playtest"
	"github.com/diyform/diyform/providers/container/rootfs"
)

func TestInit(t *testing.T) {
	playtest.AsEachUser(t, func(t *testing.T) {
		expect(t, shell(t, "echo $$; tr '\\0' ' ' < /proc/1/comm"), "2\ninit")
		expect(t, shell(t, "exit 7"), "exit code 7")
		expect(t, shell(t, "kill -9 $$"), "exit code 137")
		no := shell(t, "echo $$")
		no.Init = InitNo
		expect(t, no, "1")
		program := shell(t, "")
		program.Command = []string{"/bin/cat", "/proc/self/status"}
		expect(t, program, "\nPid:\t1\n")
		program.Init = InitYes
		expect(t, program, "\nPid:\t2\n")
		program.Command = []string{"no-such-command"}
		expect(t, program, `no command "no-such-command" in its PATH`)
	})
}

// TestInitReapsAndForwards checks what a shell as the first process does not do.
func TestInitReapsAndForwards(t *testing.T) {
	playtest.AsEachUser(t, func(t *testing.T) {
		// The orphan is reaped, so that its entry in /proc vanishes.
		expect(t, shell(t, "orphan=$(sh -c 'sleep 0.05 >/dev/null & echo $!'); for i in 1 2 3 4 5 6 7 8 9 10; do [ -d /proc/$orphan ] || break; sleep 0.1; done; [ -d /proc/$orphan ] || echo reaped"), "reaped")
		c, err := begin(t, shell(t, "trap 'echo got it; exit 3' USR1; echo ready > /dev/shm/ready; while :; do sleep 0.05; done"), Options{})
		if err != nil {
			t.Fatal(err)
		}
		if !c.Init {
			t.Error("a shell has no init")
		}
		if err := c.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		ready := fmt.Sprintf("/proc/%d/root/dev/shm/ready", c.Process.PID)
		for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
			if _, err := os.Stat(ready); err == nil {
				break
			}
		}
		rollup, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", c.Process.PID))
		if err != nil {
			t.Fatal(err)
		}
		var pss int
		for line := range strings.Lines(string(rollup)) {
			fmt.Sscanf(line, "Pss: %d kB", &pss)
		}
		t.Logf("the init has %d kB", pss)
		if pss == 0 || pss > 100 {
			t.Errorf("the init has %d kB of memory", pss)
		}
		if err := c.Process.Signal(syscall.SIGUSR1); err != nil {
			t.Fatal(err)
		}
		if output, exit := c.finish(); output != "got it" || exit.Code != 3 {
			t.Errorf("output %q, exit %+v", output, exit)
		}
	})
}

func TestUsers(t *testing.T) {
	playtest.AsEachUser(t, func(t *testing.T) {
		const who = "id -u; id -g; echo $HOME; grep CapEff /proc/self/status"
		expect(t, shell(t, who), "0\n0\n/root\n")
		unknown := shell(t, who)
		unknown.User = "nosuchuser"
		expect(t, unknown, `find user "nosuchuser": the container's root has none`)
		single := shell(t, who)
		single.IDMap, single.User = IDMapSingle, "1234"
		expect(t, single, `become user 1234: it does not exist in the container`)
		if _, err := chooseIDs(IDMapRange, "a"); err != nil {
			t.Skip(err)
		}
		daemon := shell(t, who)
		daemon.User = "daemon"
		expect(t, daemon, "1\n1\n/usr/sbin\nCapEff:\t0000000000000000")
		number := shell(t, who)
		number.User, number.Privileges.Add = "1234:77", []string{"NET_RAW"}
		expect(t, number, "1234\n77\n/\nCapEff:\t0000000000002000")
		daemon.WorkingDir = "/tmp/new/folder"
		daemon.Command[2] = "pwd; touch x; stat -c %u .; stat -c %u .."
		expect(t, daemon, "/tmp/new/folder\n1\n0")
		daemon.User = "70000"
		expect(t, daemon, "whose ids are 0")
	})
}

func TestWorkingDirInside(t *testing.T) {
	playtest.AsEachUser(t, func(t *testing.T) {
		for fd := range 12 {
			s := shell(t, "pwd; ls")
			s.WorkingDir = fmt.Sprintf("/proc/self/fd/%d", fd)
			if got := outcome(t, s); !strings.HasPrefix(got, "error: ") {
				t.Errorf("through descriptor %d: %q", fd, got)
			}
		}
	})
}

func TestCapabilities(t *testing.T) {
	playtest.AsEachUser(t, func(t *testing.T) {
		const caps = "grep -E 'CapBnd|NoNewPrivs|Seccomp:' /proc/self/status | tr '\\n\\t' '  '"
		s := shell(t, caps)
		s.Privileges.Drop = []string{"ALL"}
		expect(t, s, "CapBnd: 0000000000000000 NoNewPrivs: 1 Seccomp: 2")
		s.Privileges.Add = []string{"SYS_ADMIN"}
		expect(t, s, "CapBnd: 0000000000200000")
		s.Privileges = Privileges{Privileged: true}
		expect(t, s, "ffffffff NoNewPrivs: 0 Seccomp: 0")
		s.Privileges = Privileges{Seccomp: unconfined}
		expect(t, s, "NoNewPrivs: 1 Seccomp: 0")
		s.Privileges = Privileges{Add: []string{"NET_RAWW"}}
		expect(t, s, `Did you mean "NET_RAW"?`)
	})
}

func TestSettings(t *testing.T) {
	playtest.AsEachUser(t, func(t *testing.T) {
		s := shell(t, "ulimit -n; ulimit -Hn; cat /proc/sys/net/ipv4/ip_forward /proc/sys/kernel/shmmni /proc/self/oom_score_adj /proc/sys/kernel/domainname")
		s.ResourceLimits = []ResourceLimit{{"nofile", 99, 100}}
		s.Sysctls = map[string]string{"net.ipv4.ip_forward": "1", "kernel.shmmni": "777"}
		adj := 500
		s.OOMScoreAdj, s.Domain = &adj, "example"
		expect(t, s, "99\n100\n1\n777\n500\nexample")
		s.Sysctls = map[string]string{"vm.swappiness": "1"}
		expect(t, s, "the whole machine's")
		s = shell(t, "true")
		s.Sysctls = map[string]string{"net.no.such": "1"}
		expect(t, s, "net/no/such")
		if os.Geteuid() != 0 {
			s = shell(t, "true")
			s.ResourceLimits = []ResourceLimit{{"nofile", 1, 1 << 30}}
			expect(t, s, "CAP_SYS_RESOURCE")
			s = shell(t, "true")
			low := -900
			s.OOMScoreAdj = &low
			expect(t, s, "CAP_SYS_RESOURCE")
		}
	})
}

func TestKeep(t *testing.T) {
	playtest.AsEachUser(t, func(t *testing.T) {
		for kind, file := range map[string]string{
			kindUTS: "uts", kindIPC: "ipc", kindNetwork: "net", kindCgroup: "cgroup", kindTime: "time", kindPID: "pid", kindUser: "user",
		} {
			ours, err := os.Readlink("/proc/self/ns/" + file)
			if err != nil {
				t.Fatal(err)
			}
			s := shell(t, "readlink /proc/self/ns/"+file)
			s.Namespaces.Keep = []string{kind}
			if kind == kindUser && os.Geteuid() != 0 {
				ours = "only root may"
			}
			t.Run(kind, func(t *testing.T) { expect(t, s, ours) })
		}
	})
}

func TestJoin(t *testing.T) {
	playtest.AsEachUser(t, func(t *testing.T) {
		first, err := begin(t, shell(t, "hostname first; sleep 100"), Options{})
		if err != nil {
			t.Fatal(err)
		}
		if err := first.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		find := func(string) (*pidfd.Process, error) { return pidfd.Open(first.Process.PID) }
		for kind, file := range map[string]string{kindUTS: "uts", kindIPC: "ipc", kindNetwork: "net", kindPID: "pid", kindTime: "time", kindCgroup: "cgroup"} {
			t.Run(kind, func(t *testing.T) {
				theirs, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/%s", first.Process.PID, file))
				if err != nil {
					t.Fatal(err)
				}
				s := shell(t, "readlink /proc/self/ns/"+file)
				s.ID = "second"
				s.Namespaces = Namespaces{Join: []string{kind}, Container: "box"}
				c, err := begin(t, s, Options{Join: find})
				if err != nil {
					t.Fatal(err)
				}
				if err := c.Start(t.Context()); err != nil {
					t.Fatal(err)
				}
				if output, _ := c.finish(); output != theirs {
					t.Errorf("in %s, want %s", output, theirs)
				}
			})
		}
	})
}

func TestPlaceComesFirst(t *testing.T) {
	playtest.AsEachUser(t, func(t *testing.T) {
		var placed []int
		c, err := begin(t, shell(t, "true"), Options{
			Place:  func(pid int) error { placed = append(placed, pid); return nil },
			Record: func(*pidfd.Process, *netns.Namespace) error { placed = append(placed, 0); return nil },
		})
		if err != nil {
			t.Fatal(err)
		}
		c.Kill()
		if len(placed) != 2 || placed[0] == 0 {
			t.Errorf("placed %v", placed)
		}
	})
}

func TestStdin(t *testing.T) {
	playtest.AsEachUser(t, func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "input")
		if err := os.WriteFile(file, []byte("typed"), 0o644); err != nil {
			t.Fatal(err)
		}
		input, err := os.Open(file)
		if err != nil {
			t.Fatal(err)
		}
		defer input.Close()
		c, err := begin(t, shell(t, "cat"), Options{Stdin: input})
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		if output, _ := c.finish(); output != "typed" {
			t.Errorf("read %q", output)
		}
	})
}

func TestSeccompProfile(t *testing.T) {
	playtest.AsEachUser(t, func(t *testing.T) {
		s := shell(t, "mkdir /tmp/x; grep Seccomp: /proc/self/status")
		s.Privileges.Seccomp = `{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
			{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 28}]}`
		expect(t, s, "No space left on device\nSeccomp:\t2")
		s.Privileges.Seccomp = `{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"name": "mkdir", "action": "SCMP_ACT_KILL_PROCESS"}]}`
		s.Command[2] = "exec mkdir /tmp/x"
		expect(t, s, "exit code 159")
		s.Privileges.Seccomp = `{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"name": "wait4", "action": "SCMP_ACT_ERRNO"}]}`
		expect(t, s, "forbids wait4")
		s.Init = InitNo
		expect(t, s, "")
		s.Privileges.Seccomp = `{"defaultAction": "SCMP_ACT_ALLOW"`
		expect(t, s, "read seccomp profile")
	})
}

// TestHostileImage has an image whose files of accounts, and whose working folder, lead out of
// it or do not end: CVE-2024-21626 and its like.
func TestHostileImage(t *testing.T) {
	playtest.AsEachUser(t, func(t *testing.T) {
		busybox, err := os.ReadFile("/bin/busybox")
		if err != nil {
			playtest.Missing(t, err)
		}
		outside := filepath.Join(t.TempDir(), "passwd")
		if err := os.WriteFile(outside, []byte("evil:x:0:0::/:/bin/sh\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		for name, c := range map[string]struct {
			make func(passwd string) error
			want string
		}{
			"a link out":      {func(p string) error { return os.Symlink("../../../../../.."+outside, p) }, "none of that name"},
			"an absolute one": {func(p string) error { return os.Symlink(outside, p) }, "none of that name"},
			"a loop":          {func(p string) error { return os.Symlink("passwd", p) }, "none of that name"},
			"a magic link":    {func(p string) error { return os.Symlink("/proc/1/root"+outside, p) }, "none of that name"},
			"a pipe":          {func(p string) error { return syscall.Mkfifo(p, 0o666) }, "no regular file"},
			"a folder":        {func(p string) error { return os.Mkdir(p, 0o755) }, "no regular file"},
			"without end": {func(p string) error {
				return errors.Join(os.WriteFile(p, nil, 0o644), os.Truncate(p, 1<<40))
			}, `find user "evil"`},
		} {
			t.Run(name, func(t *testing.T) {
				image := dataFolder(t)
				for _, dir := range []string{"bin", "etc"} {
					if err := os.Mkdir(filepath.Join(image, dir), 0o755); err != nil {
						t.Fatal(err)
					}
				}
				if err := os.WriteFile(filepath.Join(image, "bin/busybox"), busybox, 0o755); err != nil {
					t.Fatal(err)
				}
				if err := c.make(filepath.Join(image, "etc/passwd")); err != nil {
					t.Fatal(err)
				}
				s := shell(t, "")
				s.Root, s.Command, s.User = rootfs.Spec{Directory: image}, []string{"/bin/busybox", "id"}, "evil"
				expect(t, s, c.want)
			})
		}
		image := dataFolder(t)
		if err := os.Mkdir(filepath.Join(image, "bin"), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(image, "bin/busybox"), busybox, 0o755); err != nil {
			t.Fatal(err)
		}
		victim := filepath.Dir(outside)
		if err := os.Symlink(victim, filepath.Join(image, "work")); err != nil {
			t.Fatal(err)
		}
		s := shell(t, "")
		s.Root, s.WorkingDir = rootfs.Spec{Directory: image}, "/work/made"
		s.Command = []string{"/bin/busybox", "pwd"}
		outcome(t, s)
		if _, err := os.Stat(filepath.Join(victim, "made")); err == nil {
			t.Error("the working folder was made outside of the root")
		}
	})
}

// TestOwnProgramIsOutOfReach has a command that has the launching program run in the
// container: CVE-2019-5736.
func TestOwnProgramIsOutOfReach(t *testing.T) {
	playtest.AsEachUser(t, func(t *testing.T) {
		s := shell(t, "")
		s.Command = []string{"/proc/self/exe", "x"}
		// The program that executes commands lacks its arguments then, and does not live.
		if got := outcome(t, s); !strings.Contains(got, "exit code 139") {
			t.Errorf("got %q", got)
		}
	})
}
