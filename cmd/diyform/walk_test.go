package main_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/diyform/diyform/internal/playhost/playtest"
)

// The random walk does to a lab of containers what people and accidents do, in an order that
// a seed decides. Whatever has happened, an apply brings what is configured, and a destroy at
// the end nothing.

const (
	// walkVariable is set in the environment of the test binary that walks, in its playhost:
	// "root" or "user".
	walkVariable = "DIYFORM_WALK"
	// Which walk it is, and how long: numbers.
	seedVariable  = "DIYFORM_WALK_SEED"
	stepsVariable = "DIYFORM_WALK_STEPS"
)

func TestRandomWalk(t *testing.T) {
	if user := os.Getenv(walkVariable); user != "" {
		runWalk(t, user == "user")
		return
	}
	if err := playtest.Available(); err != nil {
		playtest.Missing(t, err)
	}
	if _, err := exec.LookPath("busybox"); err != nil {
		playtest.Missing(t, err)
	}
	bin := buildPrograms(t, false)
	for _, user := range []string{"root", "user"} {
		t.Run(user, func(t *testing.T) {
			t.Parallel()
			againInPlayhost(t, "TestRandomWalk", bin, walkVariable+"="+user)
		})
	}
}

// walk is a lab on its way.
type walk struct {
	*lab
	random *rand.Rand
	// What is configured at the moment, as environment.
	variables []string
	steps     []string
}

// A step is one that a walk can go, as often as its weight says.
type step struct {
	weight int
	name   string
	do     func(*walk) string // it tells with what
}

var steps = []step{
	{5, "apply", (*walk).apply},
	{3, "change", (*walk).change},
	{4, "interrupt", (*walk).interrupt},
	{3, "kill the supervisor", func(w *walk) string { w.killSupervisor(); return "" }},
	{3, "interrupt the supervisor", (*walk).interruptSupervisor},
	{2, "kill a container", (*walk).killContainer},
	{3, "order", (*walk).order},
	{2, "exec", func(w *walk) string {
		w.try("exec", "container.box", "--", "/bin/sh", "-c", "echo x >>/data/log")
		return ""
	}},
	{1, "destroy", func(w *walk) string { w.must("destroy"); return "" }},
}

func runWalk(t *testing.T, user bool) {
	seed, length := numberFrom(t, seedVariable, 1), numberFrom(t, stepsVariable, 60)
	w := &walk{lab: newLab(t, "walk.diy.hcl"), random: rand.New(rand.NewPCG(uint64(seed), 0))}
	if user {
		w.prefix = []string{"as-user"}
	}
	t.Cleanup(func() { t.Logf("seed %d: %s", seed, strings.Join(w.steps, ", ")) })
	w.must("apply")
	w.learnLineage()
	w.must("destroy")
	w.must("image prune", "-all")
	nothing := w.look()
	for range length {
		w.step()
	}
	w.must("apply", w.variables...)
	w.must("destroy")
	w.must("image prune", "-all")
	if diff := cmp.Diff(nothing, w.look()); diff != "" {
		t.Errorf("destroy has left something (- before, + after):\n%s", diff)
	}
}

func numberFrom(t *testing.T, variable string, otherwise int) int {
	text := os.Getenv(variable)
	if text == "" {
		return otherwise
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatalf("%s: %v", variable, err)
	}
	return n
}

func (w *walk) step() {
	w.Helper()
	total := 0
	for _, s := range steps {
		total += s.weight
	}
	at := w.random.IntN(total)
	for _, s := range steps {
		if at -= s.weight; at < 0 {
			w.steps = append(w.steps, s.name)
			if with := s.do(w); with != "" {
				w.steps[len(w.steps)-1] += " " + with
			}
			return
		}
	}
}

// one gives one of several.
func (w *walk) one(of ...string) string { return of[w.random.IntN(len(of))] }

// change changes the configuration.
func (w *walk) change() string {
	w.variables = []string{
		"DIYFORM_VAR_greeting=" + w.one("hello", "goodbye"),
		fmt.Sprintf("DIYFORM_VAR_beside=%d", w.random.IntN(3)),
		"DIYFORM_VAR_policy=" + w.one("never", "on-failure", "always"),
	}
	if memory := w.one("64M", "96M"); mayLimit() && len(w.prefix) == 0 {
		w.variables = append(w.variables, "DIYFORM_VAR_memory="+memory)
	}
	return strings.Join(w.variables, " ")
}

// apply brings what is configured, and nothing has to be done then.
func (w *walk) apply() string {
	w.must("apply", w.variables...)
	w.must("plan -detailed-exitcode", w.variables...)
	// One may be in the pause before its restart, which is as good as to run.
	ended := func(c walked) bool { return c.Status != "running" }
	list := w.containers()
	for deadline := time.Now().Add(settling); slices.ContainsFunc(list, ended); list = w.containers() {
		if time.Now().After(deadline) {
			w.Fatalf("after apply: %+v", list)
		}
	}
	return ""
}

// interrupt kills a command at one of its failpoints.
func (w *walk) interrupt() string {
	command := w.one("apply", "apply", "destroy", "restart", "stop", "start")
	point := fmt.Sprintf("DIYFORM_FAILPOINT=%d", 1+w.random.IntN(70))
	w.tryAll(command, append([]string{point}, w.variables...)...)
	return command + " " + point
}

// interruptSupervisor kills the supervisor at one of its failpoints, during a command.
func (w *walk) interruptSupervisor() string {
	w.killSupervisor()
	command := w.one("apply", "apply", "destroy", "restart", "stop", "start")
	point := fmt.Sprintf("DIYFORM_SUPERVISOR_FAILPOINT=%d", 1+w.random.IntN(60))
	killed := filepath.Join(w.dir, "killed") // those that follow it live
	if err := os.RemoveAll(killed); err != nil {
		w.Fatal(err)
	}
	w.tryAll(command, append([]string{point + ":" + killed}, w.variables...)...)
	return command + " " + point
}

// killContainer kills the first process of one of the containers.
func (w *walk) killContainer() string {
	i := w.random.IntN(3)
	list := w.containers()
	if len(list) == 0 || list[i%len(list)].PID == 0 {
		return ""
	}
	killed := list[i%len(list)]
	if err := syscall.Kill(killed.PID, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
		w.Fatal(err)
	}
	// Until the supervisor has heard of it there is nothing for an apply to repair.
	for deadline := time.Now().Add(settling); slices.Contains(w.containers(), killed); {
		if time.Now().After(deadline) {
			w.Fatalf("the supervisor does not notice that %s has ended", killed.Address)
		}
	}
	return killed.Address
}

// order stops, starts or restarts.
func (w *walk) order() string {
	command := w.one("stop", "start", "restart")
	address := w.one("-all", "container.box", "container.joined")
	w.try(command, address)
	return command + " " + address
}

// tryAll tries a command on all that there is.
func (w *walk) tryAll(command string, more ...string) {
	w.Helper()
	if !slices.Contains(approved, command) {
		more = append(more, "-all")
	}
	w.try(command, more...)
}

// try runs a command that may fail, as there may be nothing for it to do or something that
// an accident has left, and may be killed, but may neither crash nor hang.
func (w *walk) try(command string, more ...string) {
	w.Helper()
	out, err := w.run(command, more...)
	var exit *exec.ExitError
	if err == nil || errors.As(err, &exit) && (!exit.Exited() || exit.ExitCode() != 2) && !strings.Contains(out, "bug") {
		return
	}
	w.Fatalf("%s %s: %v\n%s", command, more, err, out)
}

// walked is what ps tells of a container.
type walked struct {
	Address, Status string
	PID             int
}

func (w *walk) containers() []walked {
	w.Helper()
	var list []walked
	if err := json.Unmarshal([]byte(w.must("ps -json")), &list); err != nil {
		w.Fatal(err)
	}
	return list
}
