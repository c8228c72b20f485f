package main_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/diyform/diyform/internal/linux/pidfd"
	"github.com/diyform/diyform/internal/playhost"
)

// A lab is a working folder in a playhost, for tests in Go that run the program many times.
type lab struct {
	*testing.T
	dir     string
	env     []string
	prefix  []string // of every command: as-user, or nothing
	lineage string
}

// within gives the same lab to a part of the test.
func (l *lab) within(t *testing.T) *lab {
	part := *l
	part.T = t
	return &part
}

// newLab makes a lab with a configuration of testdata, an archive rootfs.tar.gz and a folder
// shared.
func newLab(t *testing.T, configuration string) *lab {
	l := &lab{T: t, dir: "/run/work"}
	if err := os.Mkdir(l.dir, 0o755); err != nil {
		t.Fatal(err)
	}
	bin := os.Getenv(binVariable)
	l.env = append(os.Environ(), "GORACE=atexit_sleep_ms=0", "PATH="+bin+":"+os.Getenv("PATH"))
	for name, dir := range playhost.Folders(0) {
		l.env = append(l.env, name+"="+dir)
	}
	source, err := os.ReadFile(filepath.Join("testdata", configuration))
	if err != nil {
		t.Fatal(err)
	}
	l.write(configuration, source)
	if err := os.Mkdir(filepath.Join(l.dir, "shared"), 0o755); err != nil {
		t.Fatal(err)
	}
	l.tool("make-rootfs", "rootfs")
	l.tool("tar", "-C", "rootfs", "-czf", "rootfs.tar.gz", ".")
	return l
}

// mayLimit reports whether this playhost's root is the machine's, who may make control groups.
func mayLimit() bool {
	text, err := os.ReadFile("/proc/self/uid_map")
	return err == nil && strings.Contains(string(text), "4294967295")
}

// learnLineage reads what tells the lab's own things from others', after the first run.
func (l *lab) learnLineage() {
	l.Helper()
	var document struct{ Lineage string }
	text, err := os.ReadFile(filepath.Join(l.dir, "diyform.state.json"))
	if err == nil {
		err = json.Unmarshal(text, &document)
	}
	if err != nil || document.Lineage == "" {
		l.Fatalf("no lineage: %v", err)
	}
	l.lineage = document.Lineage
}

func (l *lab) write(name string, data []byte) {
	l.Helper()
	if err := os.WriteFile(filepath.Join(l.dir, name), data, 0o600); err != nil {
		l.Fatal(err)
	}
}

// tool runs a program in the lab's folder.
func (l *lab) tool(args ...string) {
	l.Helper()
	cmd := exec.CommandContext(l.Context(), args[0], args[1:]...)
	if path := filepath.Join(os.Getenv(binVariable), args[0]); fileExists(path) {
		cmd.Path, cmd.Err = path, nil
	}
	cmd.Dir, cmd.Env = l.dir, l.env
	if out, err := cmd.CombinedOutput(); err != nil {
		l.Fatalf("%s: %v\n%s", args, err, out)
	}
}

func fileExists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

func (l *lab) must(command string, more ...string) string {
	l.Helper()
	out, err := l.run(command, more...)
	if err != nil {
		l.Fatalf("%s %s: %v\n%s", command, more, err, out)
	}
	return out
}

// approved are the commands that would ask.
var approved = []string{"apply", "destroy"}

// run runs diyform. Arguments in capitals with a "=" are for its environment.
func (l *lab) run(command string, more ...string) (string, error) {
	args, env := strings.Fields(command), slices.Clone(l.env)
	if slices.Contains(approved, command) {
		args = append(args, "-auto-approve")
	}
	for _, s := range more {
		if strings.HasPrefix(s, "DIYFORM_") {
			env = append(env, s)
		} else {
			args = append(args, s)
		}
	}
	args = slices.Concat(l.prefix, []string{"diyform"}, args)
	cmd := exec.CommandContext(l.Context(), filepath.Join(os.Getenv(binVariable), args[0]), args[1:]...)
	cmd.Dir, cmd.Env = l.dir, env
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// settling is how long what runs in containers may take to be as apply has ordered it.
const settling = 30 * time.Second

// compare looks until the machine is as wanted: of all that it looks at there is no one event.
// Without patience it looks once: when destroy has ended, nothing may be on its way any more.
func (l *lab) compare(want machine, patience time.Duration) (difference string) {
	l.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
		difference = cmp.Diff(want, l.look())
		if difference == "" || time.Now().After(deadline) {
			return difference
		}
	}
}

// supervisor finds the process id of the stack's supervisor, or gives 0. A container that has
// not run its command yet has the same command line, but is in another user namespace.
func (l *lab) supervisor() int {
	l.Helper()
	for pid, line := range l.commandLines() {
		own, err := os.Readlink("/proc/self/ns/user")
		if err != nil {
			l.Fatal(err)
		}
		name, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/user", pid))
		if err == nil && name == own && strings.HasPrefix(line, "diyform-supervisor ") && strings.Contains(line, l.lineage) {
			return pid
		}
	}
	return 0
}

// killSupervisor kills the stack's supervisor, if there is one, and waits for its end.
func (l *lab) killSupervisor() {
	l.Helper()
	pid := l.supervisor()
	if pid == 0 {
		return
	}
	p, err := pidfd.Open(pid)
	if errors.Is(err, pidfd.ErrGone) {
		return
	}
	if err != nil {
		l.Fatal(err)
	}
	defer p.Close()
	if err := p.Signal(syscall.SIGKILL); err != nil && !errors.Is(err, pidfd.ErrGone) {
		l.Fatal(err)
	}
	if err := p.Wait(l.Context()); err != nil {
		l.Fatal(err)
	}
}
