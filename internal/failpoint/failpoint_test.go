package failpoint_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/diyform/diyform/internal/failpoint"
)

const variable = "FAILPOINT_TEST"

// TestMain is also the process that is to be killed: it hits three failpoints.
func TestMain(m *testing.M) {
	if os.Getenv("FAILPOINT_TEST_ROLE") == "" {
		os.Exit(m.Run())
	}
	if err := failpoint.Arm(variable); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Printf("environment: %q\n", os.Getenv(variable))
	for i := range 3 {
		failpoint.Hit(fmt.Sprintf("place.%d", i))
		fmt.Println("passed", i)
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() { failpoint.Hit("together") })
	}
	wg.Wait()
	os.Exit(0)
}

func start(t *testing.T, spec string) (output string, err error) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "FAILPOINT_TEST_ROLE=hit", variable+"="+spec)
	out, err := cmd.Output()
	return string(out), err
}

func TestKill(t *testing.T) {
	const first = "environment: \"\"\n"
	tests := map[string]string{
		"1": first,
		"2": first + "passed 0\n",
		"5": first + "passed 0\npassed 1\npassed 2\n",
	}
	for spec, want := range tests {
		got, err := start(t, spec)
		exit := (*exec.ExitError)(nil)
		if !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
			t.Errorf("%s: ended with %v", spec, err)
		}
		if got != want {
			t.Errorf("%s: got %q, want %q", spec, got, want)
		}
	}
}

// Who is started again after the kill, with the same environment, is let live.
func TestKillOnce(t *testing.T) {
	file := filepath.Join(t.TempDir(), "killed")
	if got, err := start(t, "2:"+file); err == nil || got != "environment: \"\"\npassed 0\n" {
		t.Errorf("the first: %q, %v", got, err)
	}
	if name, err := os.ReadFile(file); err != nil || string(name) != "place.1\n" {
		t.Errorf("the file has %q, %v", name, err)
	}
	if got, err := start(t, "2:"+file); err != nil {
		t.Errorf("the second: %q, %v", got, err)
	}
}

func TestOff(t *testing.T) {
	for _, spec := range []string{"", "8"} {
		if got, err := start(t, spec); err != nil {
			t.Errorf("%q: %v\n%s", spec, err, got)
		}
	}
}

func TestCount(t *testing.T) {
	log := filepath.Join(t.TempDir(), "log")
	if out, err := start(t, "count:"+log); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	got, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(got)), "\n")
	slices.Sort(lines) // the four together write in any order
	want := []string{
		"1 place.0", "2 place.1", "3 place.2", "4 together", "5 together", "6 together", "7 together",
	}
	if !slices.Equal(lines, want) {
		t.Errorf("got %q, want %q", lines, want)
	}
}

func TestArmRefuses(t *testing.T) {
	for _, spec := range []string{"0", "-1", "x", "1:", "count:" + t.TempDir()} {
		if out, err := start(t, spec); err == nil || out == "" {
			t.Errorf("%q was taken: %s", spec, out)
		}
	}
}

func BenchmarkHitOff(b *testing.B) {
	for b.Loop() {
		failpoint.Hit("place")
	}
}
