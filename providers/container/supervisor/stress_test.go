package supervisor_test

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/diyform/diyform/internal/linux/process"
	"github.com/diyform/diyform/internal/playhost/playtest"
	"github.com/diyform/diyform/providers/container/output"
	"github.com/diyform/diyform/providers/container/supervisor"
)

// TestFiftyLog kills the supervisor while 50 containers write numbered lines: none is lost or
// out of order, and how they end is known.
func TestFiftyLog(t *testing.T) {
	playtest.Require(t)
	s := newStack(t)
	const containers = 50
	var statuses []supervisor.Status
	for i := range containers {
		sp := spec(fmt.Sprintf("trap 'stop=1' TERM; i=0; while [ -z \"$stop\" ]; do i=$((i+1)); echo $i; sleep 0.1; done; echo end $i; exit %d", i))
		sp.ID = fmt.Sprint("box", i)
		statuses = append(statuses, s.run(sp))
	}
	for range 3 {
		time.Sleep(100 * time.Millisecond) // some lines
		s.killSupervisor()
		if list, err := s.List(testContext(t)); err != nil || len(list) != containers {
			t.Fatalf("adopted %d containers, %v", len(list), err)
		}
	}
	for i, before := range statuses {
		status, err := s.Stop(testContext(t), before.Spec.ID, 10*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		if status.PID != before.PID {
			t.Errorf("container %d was started again", i)
		}
		if kernelTellsExits() && (status.Exit == nil || status.Exit.Code != i) {
			t.Errorf("container %d ended with %+v (%s)", i, status.Exit, status.Problem)
		}
		checkNumbers(t, i, s.log(status)[output.Stdout])
	}
}

func checkNumbers(t *testing.T, container int, log string) {
	t.Helper()
	lines := strings.Split(strings.TrimSuffix(log, "\n"), "\n")
	last := len(lines) - 1
	for i, line := range lines[:last] {
		if line != fmt.Sprint(i+1) {
			t.Errorf("container %d: line %d is %q", container, i+1, line)
			return
		}
	}
	if lines[last] != fmt.Sprint("end ", last) {
		t.Errorf("container %d: the last of %d lines is %q", container, len(lines), lines[last])
	}
}

// remains counts what could be left behind.
type remains struct{ files, mounts, processes int }

func countRemains(t *testing.T, supervisor int) remains {
	t.Helper()
	fds, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", supervisor))
	if err != nil {
		t.Fatal(err)
	}
	mounts, err := os.ReadFile(fmt.Sprintf("/proc/%d/mountinfo", supervisor))
	if err != nil {
		t.Fatal(err)
	}
	return remains{len(fds), strings.Count(string(mounts), "\n"), len(childrenOf(t, supervisor))}
}

func childrenOf(t *testing.T, parent int) []int {
	t.Helper()
	var children []int
	for _, pid := range processes(t, "") {
		if p, err := process.Parent(pid); err == nil && p == parent {
			children = append(children, pid)
		}
	}
	return children
}

// TestManyStarts starts and stops containers, and checks that nothing gathers.
func TestManyStarts(t *testing.T) {
	playtest.Require(t)
	const every = 10 // starts and stops of one container before it is made anew
	rounds := 50
	if testing.Short() || raceDetector {
		rounds = 5
	}
	s := newStack(t)
	keeper := spec(forever)
	keeper.ID = "keeper"
	s.run(keeper)
	pid := supervisorOf(t, s)
	var before remains
	for round := range rounds {
		status := s.run(spec(forever))
		for range every - 1 {
			if _, err := s.Stop(testContext(t), "box", time.Second); err != nil {
				t.Fatal(err)
			}
			var err error
			if status, err = s.Start(testContext(t), "box"); err != nil || status.Phase != supervisor.Running {
				t.Fatalf("round %d: %+v, %v", round, status, err)
			}
		}
		if err := s.Remove(testContext(t), "box"); err != nil {
			t.Fatal(err)
		}
		if err := syscall.Kill(status.PID, 0); err == nil {
			t.Fatalf("round %d: process %d is left", round, status.PID)
		}
		if round == 0 {
			time.Sleep(100 * time.Millisecond)
			before = countRemains(t, pid)
		}
	}
	after := countRemains(t, pid)
	for ctx := testContext(t); after.files > before.files && ctx.Err() == nil; after = countRemains(t, pid) {
		time.Sleep(10 * time.Millisecond) // it may still listen for a container that has just ended
	}
	if after.mounts != before.mounts || after.processes != before.processes || after.files > before.files {
		t.Errorf("after the first round the supervisor had %+v, after the last %+v", before, after)
	}
	if _, err := os.Stat(dataOf(s.dir) + "/box"); err == nil {
		t.Error("the data folder is left")
	}
}
