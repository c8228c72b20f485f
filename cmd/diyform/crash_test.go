package main_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/diyform/diyform/internal/playhost"
	"github.com/diyform/diyform/internal/playhost/playtest"
)

// The crash test kills diyform with SIGKILL at its failpoints: before and after each line of
// the journal, each request to the kernel, each step of saving; and the containers'
// supervisor at its own. Then a second run must give exactly what an undisturbed one gives,
// or exactly nothing.

const (
	// crashVariable is set in the environment of the test binary that runs one share of the
	// test, "SHARE/SHARES", in its playhost.
	crashVariable = "DIYFORM_CRASH"
	// everyVariable makes the test kill at every failpoint, with all that may follow it.
	// Otherwise it is at each kind of failpoint, and at a share of the others.
	everyVariable = "DIYFORM_CRASH_EVERY"

	crashShares = 2
	crashStride = 20
)

func TestCrash(t *testing.T) {
	if share := os.Getenv(crashVariable); share != "" {
		runCrashes(t, share)
		return
	}
	if err := playtest.Available(); err != nil {
		playtest.Missing(t, err)
	}
	bin := buildPrograms(t, false) // a killed program tells of no races, and a raced one takes thrice as long
	for i := range crashShares {
		t.Run(fmt.Sprintf("share %d", i+1), func(t *testing.T) {
			t.Parallel()
			againInPlayhost(t, "TestCrash", bin, fmt.Sprintf("%s=%d/%d", crashVariable, i, crashShares))
		})
	}
}

// againInPlayhost runs one test of this binary again, in a playhost and with more environment.
func againInPlayhost(t *testing.T, test, bin string, env ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "/proc/self/exe", "-test.run=^"+test+"$", "-test.v")
	cmd.Env = append(append(os.Environ(), binVariable+"="+bin), env...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := playhost.Run(cmd); err != nil {
		t.Errorf("%s\n%v", strings.TrimSpace(out.String()), err)
	} else {
		t.Log(strings.TrimSpace(out.String()))
	}
}

// crashLab is the lab in which diyform is killed again and again.
type crashLab struct {
	*lab
	seed []byte // a state without resources: the lineage, and so the MAC addresses, stay

	nothing  machine // before everything, and after destroy
	applied  machine // after an undisturbed apply
	replaced machine // after another one, with a changed container
}

// A disturbance is a command that is killed, or whose supervisor is.
type disturbance struct {
	command  string // of the lab: apply, replace or destroy
	variable string // that sets the failpoint
}

// What names the process that is killed, in messages.
func (d disturbance) String() string {
	if d.variable == supervisorFailpoint {
		return "the supervisor during " + d.command
	}
	return d.command
}

const (
	commandFailpoint    = "DIYFORM_FAILPOINT"
	supervisorFailpoint = "DIYFORM_SUPERVISOR_FAILPOINT"
)

// followers are the commands of the lab that may come after a disturbed one.
var followers = map[string][]string{
	"apply":   {"apply", "destroy"},
	"replace": {"replace", "destroy"},
	"destroy": {"destroy", "apply"},
}

func runCrashes(t *testing.T, share string) {
	var part, parts int
	if _, err := fmt.Sscanf(share, "%d/%d", &part, &parts); err != nil {
		t.Fatal(err)
	}
	lab := newCrashLab(t)
	done, crashes := 0, 0
	for _, variable := range []string{commandFailpoint, supervisorFailpoint} {
		for _, command := range []string{"apply", "replace", "destroy"} {
			d := disturbance{command, variable}
			points, next := lab.failpoints(d)
			for i, at := range points {
				for j, follower := range next {
					if os.Getenv(everyVariable) == "" && (i+j)%len(next) != 0 {
						continue
					}
					if crashes++; crashes%parts == part {
						lab.crash(d, at, follower)
						done++
					}
				}
			}
		}
	}
	t.Logf("%d crashes", done)
}

func newCrashLab(t *testing.T) *crashLab {
	lab := &crashLab{lab: newLab(t, "crash.diy.hcl")}
	if mayLimit() {
		lab.env = append(lab.env, "DIYFORM_VAR_memory=64M")
	}
	lab.must("apply")
	lab.must("destroy") // the kernel keeps a few things that first use makes
	lab.must("image prune", "-all")
	lab.learnLineage()
	var err error
	if lab.seed, err = os.ReadFile(filepath.Join(lab.dir, "diyform.state.json")); err != nil {
		t.Fatal(err)
	}
	lab.nothing = lab.look()
	lab.must("apply")
	lab.applied = lab.look()
	lab.keepInVolume()
	lab.do("replace")
	lab.replaced = lab.look()
	lab.reset()
	return lab
}

// do runs a command of the lab: one of diyform, or replace, which is an apply that replaces a
// container.
func (lab *crashLab) do(command string, env ...string) (string, error) {
	if command == "replace" {
		return lab.run("apply", append(env, "DIYFORM_VAR_greeting=goodbye")...)
	}
	return lab.run(command, env...)
}

// wanted is what there shall be after a command of the lab, and how long that may take.
func (lab *crashLab) wanted(command string) (machine, time.Duration) {
	switch command {
	case "apply":
		return lab.applied, settling
	case "replace":
		return lab.replaced, settling
	}
	return lab.nothing, 0
}

// prepare makes what a command of the lab begins with.
func (lab *crashLab) prepare(command string) {
	lab.Helper()
	if command == "apply" {
		return
	}
	lab.must("apply")
	if command == "replace" {
		lab.keepInVolume()
	}
}

// keepInVolume puts a file into the volume that is lost if that is made anew.
func (lab *crashLab) keepInVolume() {
	lab.Helper()
	volumes, err := filepath.Glob("/var/lib/diyform/volumes/*/data")
	if err != nil || len(volumes) != 1 {
		lab.Fatalf("volumes: %q, %v", volumes, err)
	}
	if err := os.WriteFile(filepath.Join(volumes[0], "kept"), nil, 0o600); err != nil {
		lab.Fatal(err)
	}
}

// reset destroys what is there and forgets it.
func (lab *crashLab) reset() {
	lab.Helper()
	lab.must("destroy")
	lab.must("image prune", "-all")
	if diff := lab.compare(lab.nothing, 0); diff != "" {
		lab.Fatalf("destroy has left something (- before, + after):\n%s", diff)
	}
	// A journal that is in the document already stays until the next run that changes
	// something, and means nothing to the seed.
	if err := os.RemoveAll(filepath.Join(lab.dir, ".diyform")); err != nil {
		lab.Fatal(err)
	}
	lab.write("diyform.state.json", lab.seed)
}

// failpoints gives at which failpoints to crash, and what may follow.
func (lab *crashLab) failpoints(d disturbance) (points []int, next []string) {
	lab.Helper()
	lab.prepare(d.command)
	if d.variable == supervisorFailpoint {
		lab.killSupervisor() // the next one has another environment
	}
	file := filepath.Join(lab.TempDir(), "hits")
	if out, err := lab.do(d.command, d.variable+"=count:"+file); err != nil {
		lab.Fatalf("%s: %v\n%s", d, err, out)
	}
	hits, err := os.ReadFile(file)
	if err != nil {
		lab.Fatal(err)
	}
	lab.reset()
	points, all := sample(string(hits))
	lab.Logf("%s: %d of %d failpoints", d, len(points), all)
	if all < 20 {
		lab.Fatalf("%s: these are too few:\n%s", d, hits)
	}
	return points, followers[d.command]
}

// sample chooses of the failpoints that were hit, "1 journal.before\n2 ...", those to kill at: the
// first of each name, and every so many of all.
func sample(hits string) (points []int, all int) {
	seen := map[string]bool{}
	names := strings.Fields(hits)
	for at := 1; at <= len(names)/2; at++ {
		name := names[2*at-1]
		if os.Getenv(everyVariable) != "" || !seen[name] || at%crashStride == 0 {
			points = append(points, at)
		}
		seen[name] = true
	}
	return points, len(names) / 2
}

// crash disturbs a command at a failpoint, runs next, and compares what is then there.
func (lab *crashLab) crash(d disturbance, at int, next string) {
	lab.Helper()
	lab.prepare(d.command)
	point := strconv.Itoa(at)
	if d.variable == supervisorFailpoint {
		lab.killSupervisor()                                  // the next one has another environment
		point += ":" + filepath.Join(lab.TempDir(), "killed") // those that follow it live
	}
	out, err := lab.do(d.command, d.variable+"="+point)
	what := fmt.Sprintf("%s was killed at failpoint %d", d, at)
	var exit *exec.ExitError
	// A command may do without a supervisor that dies: it meets with the next one. A container
	// that was just being started is lost, which the command says; then the next one is wanted.
	killed := errors.As(err, &exit) && !exit.Exited()
	if err != nil && !killed && (exit == nil || d.variable == commandFailpoint) {
		lab.Fatalf("%s: %v\n%s", what, err, out)
	}
	first := out
	if out, err = lab.do(next); err != nil {
		lab.Fatalf("%s after %s: %v\n%s\nbefore:\n%s", next, what, err, out, first)
	}
	if next == "destroy" {
		lab.must("image prune", "-all")
	}
	want, patience := lab.wanted(next)
	if diff := lab.compare(want, patience); diff != "" {
		lab.Fatalf("%s after %s (- want, + got):\n%s\n%s\nbefore:\n%s", next, what, diff, out, first)
	}
	if next != "destroy" {
		plan := []string{"-detailed-exitcode"}
		if next == "replace" {
			plan = append(plan, "DIYFORM_VAR_greeting=goodbye")
		}
		if out, err := lab.run("plan", plan...); err != nil {
			lab.Fatalf("plan after %s and %s repaired it: %v\n%s", what, next, err, out)
		}
	}
	lab.reset()
}
