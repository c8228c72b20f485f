package state

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"

	"github.com/diyform/diyform/internal/addr"
	"github.com/diyform/diyform/internal/failpoint"
)

// The tests start this binary again, to be killed or to hold a lock.
const (
	roleVariable      = "STATE_TEST_ROLE"
	dirVariable       = "STATE_TEST_DIR"
	failpointVariable = "DIYFORM_FAILPOINT"
)

func TestMain(m *testing.M) {
	var err error
	switch role := os.Getenv(roleVariable); role {
	case "":
		os.Exit(m.Run())
	case "hold-lock":
		err = holdLock(os.Getenv(dirVariable))
	case "run":
		if err = failpoint.Arm(failpointVariable); err == nil {
			err = run(os.Getenv(dirVariable), func(step int) { fmt.Println(step) })
		}
	case "push":
		if err = failpoint.Arm(failpointVariable); err == nil {
			err = push(os.Getenv(dirVariable))
		}
	default:
		err = fmt.Errorf("unknown role %q", role)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// run is an apply in the folder: it creates b, updates a, deletes c. done is told after each
// step, the last of which is the save.
func run(dir string, done func(step int)) error {
	s := Open(dir)
	l, err := s.Lock(context.Background(), LockInfo{Command: "diyform apply"}, 0, nil)
	if err != nil {
		return err
	}
	base, _, err := s.Load()
	if err != nil {
		return err
	}
	base.Lineage = testLineage // a first run makes up its own
	j, err := s.Begin(base)
	if err != nil {
		return err
	}
	done(1)
	a, b, c := crashLink("a", 9000), crashLink("b", 1500), crashLink("c", 1500)
	for i, entries := range [][]Entry{
		{Intent(Create, b.Address, b)},
		{Outcome(Create, b.Address, b, ""), Intent(Update, a.Address, a)},
		{Outcome(Update, a.Address, a, ""), Intent(Delete, c.Address, nil)},
		{Outcome(Delete, c.Address, nil, "")},
	} {
		if err := j.Append(entries...); err != nil {
			return err
		}
		done(i + 2)
	}
	if err := j.Close(); err != nil {
		return err
	}
	next := stateOf(a, b)
	next.BootID = base.BootID
	next.Serial = base.Serial + 1
	if err := s.Save(next); err != nil {
		return err
	}
	done(6)
	return l.Unlock()
}

func crashLink(name string, mtu int) *Resource {
	return &Resource{
		Address:    addr.Resource{Type: "veth_pair", Name: name}.Instance(addr.Key{}),
		Status:     Ready,
		Attributes: fmt.Appendf(nil, `{"mtu":%d}`, mtu),
	}
}

// TestCrash kills a run at each place where it can be, in each folder that it can find. What
// is then loaded is what the steps that were done have recorded, or one step more. And the
// next run gives what an undisturbed one gives.
func TestCrash(t *testing.T) {
	a, c := crashLink("a", 1500), crashLink("c", 1500)
	folders := map[string]func(t *testing.T, s *Store){
		"first run":    func(*testing.T, *Store) {},
		"second run":   func(t *testing.T, s *Store) { save(t, s, stateOf(a, c)) },
		"over a crash": func(t *testing.T, s *Store) { leaveJournal(t, s, stateOf(a), c) },
		"after a reboot, over a crash": func(t *testing.T, s *Store) {
			old := stateOf(a)
			old.BootID = "another boot"
			leaveJournal(t, s, old, c)
		},
	}
	for name, prepare := range folders {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			prepared := func() string {
				dir := t.TempDir()
				s := Open(dir)
				l, err := s.Lock(t.Context(), LockInfo{Command: "diyform apply"}, 0, nil)
				if err != nil {
					t.Fatal(err)
				}
				prepare(t, s)
				if err := l.Unlock(); err != nil {
					t.Fatal(err)
				}
				return dir
			}
			undisturbed := prepared()
			snapshots := []string{snapshot(t, undisturbed)}
			err := run(undisturbed, func(int) { snapshots = append(snapshots, snapshot(t, undisturbed)) })
			if err != nil {
				t.Fatal(err)
			}
			n := 1
			for ; ; n++ {
				dir := prepared()
				steps, killed := killedAt(t, "run", dir, n)
				if !killed {
					break
				}
				got := snapshot(t, dir)
				if got != snapshots[steps] && got != snapshots[steps+1] {
					t.Fatalf("killed at %d after %d steps:\n%s\nwant\n%s\nor\n%s", n, steps, got, snapshots[steps], snapshots[steps+1])
				}
				runAgain(t, dir, n, undisturbed)
			}
			if n < 20 {
				t.Errorf("the run could be killed at %d places only", n)
			}
		})
	}
}

// leaveJournal is a run that was killed while it made a resource.
func leaveJournal(t *testing.T, s *Store, base *State, making *Resource) {
	t.Helper()
	save(t, s, base)
	j, err := s.Begin(base)
	if err != nil {
		t.Fatal(err)
	}
	record(t, j, Intent(Create, making.Address, making))
}

// snapshot is what the next run would load.
func snapshot(t *testing.T, dir string) string {
	st, recovery := load(t, dir)
	if st.Serial == 0 && recovery == nil {
		st.Lineage = testLineage // nothing is recorded yet
	}
	return text(t, st)
}

// killedAt starts a run, or what else the role is, that is killed at its nth failpoint, and counts its steps.
func killedAt(t *testing.T, role, dir string, n int) (steps int, killed bool) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), roleVariable+"="+role, dirVariable+"="+dir, failpointVariable+"="+strconv.Itoa(n))
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	steps = bytes.Count(out, []byte("\n"))
	exit := (*exec.ExitError)(nil)
	switch {
	case err == nil:
		return steps, false
	case errors.As(err, &exit) && exit.Sys().(syscall.WaitStatus).Signal() == syscall.SIGKILL:
		return steps, true
	}
	t.Fatalf("run to be killed at %d: %v\n%s", n, err, stderr.String())
	return 0, false
}

// runAgain checks that a run after the crash leaves the folder as one without a crash, but
// for the serials.
func runAgain(t *testing.T, dir string, n int, undisturbed string) {
	t.Helper()
	if err := run(dir, func(int) {}); err != nil {
		t.Fatalf("after a kill at %d: %v", n, err)
	}
	got, recovery := load(t, dir)
	if recovery != nil {
		t.Errorf("after a kill at %d and a run: %+v", n, recovery)
	}
	want, _ := load(t, undisturbed)
	want.Serial = got.Serial
	if text(t, got) != text(t, want) {
		t.Fatalf("after a kill at %d and a run:\n%s\nwant\n%s", n, text(t, got), text(t, want))
	}
	for _, name := range names(t, dir) {
		switch name {
		case File, BackupFile, lockFile:
		default:
			t.Errorf("after a kill at %d and a run: %s is left", n, name)
		}
	}
}

// The failpoint log names the places, which the crash tests of the whole program count on.
func TestFailpointsAreNamed(t *testing.T) {
	dir, log := t.TempDir(), filepath.Join(t.TempDir(), "log")
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), roleVariable+"=run", dirVariable+"="+dir, failpointVariable+"=count:"+log)
	cmd.Stderr, cmd.Stdout = os.Stderr, io.Discard
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	hits := string(read(t, log))
	for _, name := range []string{
		"journal.before", "journal.after", "state.write.before", "state.rename.after", "state.remove_journal.after",
	} {
		if !bytes.Contains([]byte(hits), []byte(" "+name+"\n")) {
			t.Errorf("%s is not hit:\n%s", name, hits)
		}
	}
}
