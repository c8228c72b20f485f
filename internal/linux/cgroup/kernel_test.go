package cgroup

import (
	"errors"
	"io/fs"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/diyform/diyform/internal/playhost/playtest"
)

// newGroup makes a group with limits, which the machine must be able to enforce.
func newGroup(t *testing.T, id string, l Limits) *Group {
	t.Helper()
	if err := Supports(l); err != nil {
		playtest.Missing(t, err)
	}
	g, err := Create(stackName(), id, l)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := g.Kill(); err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Error(err)
		}
		if err := g.Remove(); err != nil {
			t.Error(err)
		}
		for _, dir := range g.dirs {
			if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%s is left: %v", dir, err)
			}
		}
	})
	return g
}

func TestMemoryHogIsKilledAndCounted(t *testing.T) {
	none := int64(0)
	for name, limits := range map[string]Limits{
		"memory":          {Memory: 32 << 20},
		"memory and swap": {Memory: 32 << 20, Swap: &none},
	} {
		t.Run(name, func(t *testing.T) {
			if limits.Swap == nil {
				noSwapSpace(t)
			}
			g := newGroup(t, "hog", limits)
			if n, err := g.OOMKills(); n != 0 || err != nil {
				t.Fatalf("%d processes were killed before (%v)", n, err)
			}
			err := place(t, g, "eat memory").Wait()
			var status syscall.WaitStatus
			if exit := asExit(err); exit != nil {
				status = exit.Sys().(syscall.WaitStatus)
			}
			if status.Signal() != syscall.SIGKILL {
				t.Errorf("it ended by %v", err)
			}
			if n, err := g.OOMKills(); n != 1 || err != nil {
				t.Errorf("%d processes were killed, not 1 (%v)", n, err)
			}
		})
	}
}

func TestForkBombStops(t *testing.T) {
	g := newGroup(t, "bomb", Limits{PIDs: 20})
	bomb := place(t, g, "fork")
	if err := bomb.Wait(); err != nil {
		t.Fatalf("%v: %s", err, bomb.out.String())
	}
	if !strings.HasPrefix(bomb.out.String(), "stopped after ") || !strings.Contains(bomb.out.String(), "resource temporarily unavailable") {
		t.Errorf("it says %q", bomb.out.String())
	}
}

func TestCPUIsThrottled(t *testing.T) {
	g := newGroup(t, "burner", Limits{CPUs: 0.1, CPUWeight: 50})
	if err := place(t, g, "burn").Wait(); err != nil {
		t.Fatal(err)
	}
	if n, err := g.Throttled(); n == 0 || err != nil {
		t.Errorf("it was throttled %d times (%v)", n, err)
	}
	if u, err := g.Usage(); u.CPU == 0 || err != nil {
		t.Errorf("it used no processor time: %+v (%v)", u, err)
	}
}

func TestUsageIsThatOfTheProcesses(t *testing.T) {
	g := newGroup(t, `container.web["a/b"]`, Limits{PIDs: 100})
	place(t, g, "wait")
	reopened, err := Open(g.Path())
	if err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(10 * time.Second); ; {
		u, err := reopened.Usage()
		if err != nil {
			t.Fatal(err)
		}
		if u.Memory > 0 && u.CPU > 0 && u.PIDs > 0 && u.OOMKills == 0 {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("usage is %+v", u)
		}
	}
}

func TestLimitsChangeWhileItRuns(t *testing.T) {
	g := newGroup(t, "live", Limits{Memory: 64 << 20, PIDs: 50, CPUs: 1})
	place(t, g, "wait")
	for _, l := range []Limits{
		{Memory: 512 << 20, PIDs: 60, CPUs: 1.5, CPUWeight: 1000},
		{Memory: 128 << 20, CPUWeight: 1},
		{},
		{Memory: 256 << 20},
	} {
		if err := g.Set(l); err != nil {
			t.Fatalf("%+v: %v", l, err)
		}
		memory := l.Memory
		for _, file := range []string{"memory.max", limitFile} {
			dir := g.with(file)
			if dir == "" {
				continue
			}
			now, err := readNumber(dir, file)
			if err != nil || memory != 0 && now != memory || memory == 0 && now < 1<<60 {
				t.Errorf("%+v: %s is %d (%v)", l, file, now, err)
			}
		}
	}
}

func TestRemoveTakesWhatIsBelow(t *testing.T) {
	g := newGroup(t, "parent", Limits{PIDs: 10})
	for _, dir := range g.dirs {
		if err := os.MkdirAll(dir+"/a/b", 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := g.Remove(); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(g.Path()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("it can be opened: %v", err)
	}
	if _, err := g.Usage(); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("its usage can be read: %v", err)
	}
}

func TestKillEndsAll(t *testing.T) {
	g := newGroup(t, "killed", Limits{PIDs: 100})
	var all []*member
	for range 5 {
		all = append(all, place(t, g, "wait"))
	}
	if err := g.Kill(); err != nil {
		t.Fatal(err)
	}
	for _, m := range all {
		if exit := asExit(m.Wait()); exit == nil || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
			t.Errorf("a process ended by %v", exit)
		}
	}
}

// noSwapSpace ends a test in which the kernel could swap instead of killing.
func noSwapSpace(t *testing.T) {
	t.Helper()
	text, err := os.ReadFile("/proc/swaps")
	if err == nil && strings.Count(string(text), "\n") > 1 {
		t.Skip("there is swap space")
	}
}
