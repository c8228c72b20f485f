package supervisor_test

import (
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/diyform/diyform/internal/linux/cgroup"
	"github.com/diyform/diyform/internal/playhost/playtest"
	"github.com/diyform/diyform/providers/container/launch"
	"github.com/diyform/diyform/providers/container/output"
	"github.com/diyform/diyform/providers/container/supervisor"
)

// runWith creates and starts a container with settings.
func (s stack) runWith(script string, settings supervisor.Settings) supervisor.Status {
	s.t.Helper()
	if settings.StopTimeout == 0 {
		settings.StopTimeout = defaults.StopTimeout
	}
	if _, err := s.Client.Create(testContext(s.t), withData(s.dir, spec(script)), settings); err != nil {
		s.t.Fatal(err)
	}
	status, err := s.Start(testContext(s.t), "box")
	if err != nil {
		s.t.Fatal(err)
	}
	return status
}

// await waits until a container's status is as wanted.
func (s stack) await(what string, wanted func(supervisor.Status) bool) supervisor.Status {
	s.t.Helper()
	ctx := testContext(s.t)
	var status supervisor.Status
	for ctx.Err() == nil {
		var err error
		if status, err = s.Inspect(ctx, "box"); err != nil {
			s.t.Fatal(err)
		}
		if wanted(status) {
			return status
		}
		time.Sleep(2 * time.Millisecond)
	}
	s.t.Fatalf("%s never comes: %+v", what, status)
	return status
}

func (s stack) killSupervisor() {
	s.t.Helper()
	if err := syscall.Kill(supervisorOf(s.t, s), syscall.SIGKILL); err != nil {
		s.t.Fatal(err)
	}
}

func TestRestartPolicy(t *testing.T) {
	playtest.AsEachUser(t, func(t *testing.T) {
		s := newStack(t)
		s.runWith("echo run; exit 3", supervisor.Settings{
			Restart: supervisor.Restart{Policy: supervisor.RestartOnFailure, Max: 2, Delay: 10 * time.Millisecond},
		})
		status, err := s.Wait(testContext(t), "box")
		if err != nil {
			t.Fatal(err)
		}
		if status.Phase != supervisor.Exited || status.Restarts != 2 || status.Exit == nil || status.Exit.Code != 3 {
			t.Errorf("status is %+v", status)
		}
		if log := s.log(status)[output.Stdout]; log != "run\nrun\nrun\n" {
			t.Errorf("log is %q", log)
		}
	})
}

// TestStartAgain checks that a container finds what it wrote before it was stopped.
func TestStartAgain(t *testing.T) {
	playtest.AsEachUser(t, func(t *testing.T) {
		s := newStack(t)
		s.runWith("echo x >> /opt/count; wc -l < /opt/count; "+forever, supervisor.Settings{
			Restart: supervisor.Restart{Policy: supervisor.RestartAlways},
		})
		waitForLog(t, s.await("run", func(s supervisor.Status) bool { return s.Phase == supervisor.Running }), "F 1")
		stopped, err := s.Stop(testContext(t), "box", time.Second)
		if err != nil || stopped.Phase != supervisor.Stopped {
			t.Fatalf("stopped: %+v, %v", stopped, err)
		}
		started, err := s.Start(testContext(t), "box")
		if err != nil || started.Phase != supervisor.Running || started.Exit != nil || started.PID == stopped.PID {
			t.Fatalf("started again: %+v, %v", started, err)
		}
		waitForLog(t, started, "F 2")
		again, err := s.Restart(testContext(t), "box")
		if err != nil || again.Phase != supervisor.Running || again.PID == started.PID {
			t.Fatalf("restarted: %+v, %v", again, err)
		}
		waitForLog(t, again, "F 3")
	})
}

// TestAdoptionRestarts checks that a pending restart is not forgotten with the supervisor, and
// that a container is restarted which ended while there was none.
func TestAdoptionRestarts(t *testing.T) {
	playtest.AsEachUser(t, func(t *testing.T) {
		s := newStack(t)
		s.runWith("echo run; exit 3", supervisor.Settings{
			Restart: supervisor.Restart{Policy: supervisor.RestartAlways, Delay: 200 * time.Millisecond},
		})
		s.await("pause", func(s supervisor.Status) bool { return s.Phase == supervisor.Restarting })
		s.killSupervisor()
		s.await("second run", func(s supervisor.Status) bool { return s.Restarts >= 2 })
		stopped, err := s.Stop(testContext(t), "box", time.Second)
		if err != nil || stopped.Phase != supervisor.Stopped {
			t.Fatalf("stopped: %+v, %v", stopped, err)
		}
	})
	playtest.AsEachUser(t, func(t *testing.T) {
		s := newStack(t)
		before := s.runWith(forever, supervisor.Settings{Restart: supervisor.Restart{Policy: supervisor.RestartAlways}})
		for _, pid := range []int{supervisorOf(t, s), before.PID} {
			if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
		}
		s.await("second run", func(s supervisor.Status) bool { return s.Phase == supervisor.Running && s.PID != before.PID })
	})
}

func TestWaitForInterfaces(t *testing.T) {
	playtest.AsEachUser(t, func(t *testing.T) {
		s := newStack(t)
		status := s.runWith("echo up; "+forever, supervisor.Settings{Interfaces: []string{"lo", "d0"}})
		if status.Phase != supervisor.Waiting {
			t.Fatalf("phase is %s", status.Phase)
		}
		s.killSupervisor()
		status = s.await("wait after adoption", func(now supervisor.Status) bool {
			return now.Phase == supervisor.Waiting && now.PID != status.PID
		})
		if list, err := s.List(testContext(t)); err != nil || len(list) != 1 {
			t.Fatalf("list is %v, %v", list, err)
		}
		addLink(t, status, "d0")
		running := s.await("start", func(s supervisor.Status) bool { return s.Phase == supervisor.Running })
		if running.PID != status.PID {
			t.Errorf("it runs as %d, and waited as %d", running.PID, status.PID)
		}
		waitForLog(t, running, "up")
	})
}

func TestHealth(t *testing.T) {
	playtest.AsEachUser(t, func(t *testing.T) {
		s := newStack(t)
		check := &supervisor.HealthCheck{
			Command: []string{"sh", "-c", "cat /opt/state && grep -q good /opt/state"}, Interval: 50 * time.Millisecond, Timeout: 5 * time.Second, Retries: 2,
		}
		s.runWith("sleep 0.1; echo good > /opt/state; "+forever, supervisor.Settings{Health: check})
		var seen []string
		status, err := s.WaitHealthy(testContext(t), "box", func(s supervisor.Status) { seen = append(seen, string(s.Health.Status)) })
		for err == nil && status.Health.Status == supervisor.Unhealthy { // a slow machine
			status = s.await("health", func(s supervisor.Status) bool { return s.Health.Status == supervisor.Healthy })
		}
		if err != nil || status.Health.Status != supervisor.Healthy || strings.TrimSpace(status.Health.Output) != "good" {
			t.Fatalf("status is %+v, %v", status.Health, err)
		}
		if len(seen) == 0 || seen[0] != "starting" {
			t.Errorf("seen on the way: %q", seen)
		}
		if out, code := inContainer(t, status, "echo bad > /opt/state"); code != 0 {
			t.Fatal(out)
		}
		s.await("sickness", func(s supervisor.Status) bool {
			return s.Health.Status == supervisor.Unhealthy && s.Health.Failures >= 2 && strings.TrimSpace(s.Health.Output) == "bad"
		})
		settings := status.Settings
		settings.Health = &supervisor.HealthCheck{TCP: "127.0.0.1:1", Interval: 10 * time.Millisecond, Timeout: time.Second, Retries: 1}
		if _, err := s.Configure(testContext(t), "box", settings); err != nil {
			t.Fatal(err)
		}
		s.await("refused connection", func(s supervisor.Status) bool {
			return s.Health.Status == supervisor.Unhealthy && strings.Contains(s.Health.Output, "connection refused")
		})
		settings.Health = nil
		if status, err := s.Configure(testContext(t), "box", settings); err != nil || status.Health != (supervisor.Health{}) {
			t.Errorf("without a check: %+v, %v", status.Health, err)
		}
	})
}

func TestHostsAtTheStart(t *testing.T) {
	playtest.AsEachUser(t, func(t *testing.T) {
		s := newStack(t)
		one := s.runWith(forever, supervisor.Settings{Hosts: map[string]string{"printer": "192.0.2.7"}})
		if out, _ := inContainer(t, one, "cat /etc/hostname; grep printer /etc/hosts"); out != "diy\n192.0.2.7\tprinter" {
			t.Errorf("files at the start: %q", out)
		}
	})
}

// TestHostsFollow checks that a container finds those that come and go by their names. Only in a
// network that has a name can somebody lay a cable, so only such a one is listened to.
func TestHostsFollow(t *testing.T) {
	playtest.Require(t) // where every user is root
	s := newStack(t)
	one := s.run(spec(forever))
	other := spec(forever)
	other.ID, other.Hostname, other.Network = "other", "friend", launch.Network{Name: "friend", Mark: "diyform:test"}
	two := s.run(other)
	addLink(t, two, "d0")
	addAddress(t, two, "d0", "10.7.7.2/24")
	awaitInContainer(t, one, "grep -c '10.7.7.2.friend$' /etc/hosts", "1")
	addAddress(t, two, "d0", "10.7.8.2/24") // long after they have begun
	awaitInContainer(t, one, "grep -c 'friend$' /etc/hosts", "2")
	if err := s.Remove(testContext(t), "other"); err != nil {
		t.Fatal(err)
	}
	awaitInContainer(t, one, "grep -c friend /etc/hosts", "0")
}

func awaitInContainer(t *testing.T, status supervisor.Status, script, want string) {
	t.Helper()
	ctx := testContext(t)
	var got string
	for ctx.Err() == nil {
		if got, _ = inContainer(t, status, script); got == want {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	text, _ := inContainer(t, status, "cat /etc/hosts")
	t.Fatalf("%s: %q, want %q\n%s", script, got, want, text)
}

func TestOOM(t *testing.T) {
	playtest.AsEachUser(t, func(t *testing.T) {
		limits := cgroup.Limits{Memory: 16 << 20}
		if err := cgroup.Supports(limits); err != nil {
			if os.Geteuid() == 0 && playtest.RealRoot() {
				t.Fatal(err)
			}
			s := newStack(t)
			_, err := s.Client.Create(testContext(t), withData(s.dir, spec(forever)), supervisor.Settings{Limits: limits})
			if err == nil || !strings.Contains(err.Error(), "ontrol group") {
				t.Errorf("limits that cannot be: %v", err)
			}
			return
		}
		s := newStack(t)
		s.runWith("exec tail /dev/zero", supervisor.Settings{Limits: limits})
		status, err := s.Wait(testContext(t), "box")
		if err != nil || !status.OOMKilled || status.Exit == nil || status.Exit.Code != 128+int(syscall.SIGKILL) {
			t.Errorf("status is %+v, %v", status, err)
		}
		s.expectNoGroup()

		// So it is when no supervisor was there to see it.
		unseen := newStack(t)
		before := unseen.runWith("sleep 0.2; exec tail /dev/zero", supervisor.Settings{Limits: limits})
		process, err := before.Find()
		if err != nil {
			t.Fatal(err)
		}
		defer process.Close()
		unseen.killSupervisor()
		if err := process.Wait(testContext(t)); err != nil {
			t.Fatal(err)
		}
		if status, err := unseen.Inspect(testContext(t), "box"); err != nil || !status.OOMKilled || status.Phase != supervisor.Exited {
			t.Errorf("status is %+v, %v", status, err)
		}
	})
}
