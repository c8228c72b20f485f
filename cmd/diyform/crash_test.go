package main_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/diyform/diyform/internal/playhost"
	"github.com/diyform/diyform/internal/playhost/playtest"
)

// The crash test kills diyform with SIGKILL at every failpoint: before and after each line
// of the journal, each request to the kernel, each step of saving. Then a second run must
// give exactly what an undisturbed one gives, or exactly nothing.

// crashVariable is set in the environment of the test binary that runs one share of the
// test, "SHARE/SHARES", in its playhost.
const crashVariable = "DIYFORM_CRASH"

const crashShares = 2

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
			cmd := exec.CommandContext(t.Context(), "/proc/self/exe", "-test.run=^TestCrash$", "-test.v")
			cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%d/%d", crashVariable, i, crashShares), binVariable+"="+bin)
			var out bytes.Buffer
			cmd.Stdout, cmd.Stderr = &out, &out
			err := playhost.Run(cmd)
			if err != nil {
				t.Errorf("%s\n%v", strings.TrimSpace(out.String()), err)
			} else {
				t.Log(strings.TrimSpace(out.String()))
			}
		})
	}
}

// crashLab is the working folder in which diyform is killed again and again.
type crashLab struct {
	*testing.T
	dir  string
	env  []string
	seed []byte // a state without resources: the lineage, and so the MAC addresses, stay

	nothing machine // before everything, and after destroy
	applied machine // after an undisturbed apply
}

func runCrashes(t *testing.T, share string) {
	var part, parts int
	if _, err := fmt.Sscanf(share, "%d/%d", &part, &parts); err != nil {
		t.Fatal(err)
	}
	lab := newCrashLab(t)
	for at, n := 1+part, lab.count("apply"); at <= n; at += parts {
		lab.crash("apply", at, "apply", lab.applied)
		lab.crash("apply", at, "destroy", lab.nothing)
	}
	for at, n := 1+part, lab.count("destroy"); at <= n; at += parts {
		lab.crash("destroy", at, "destroy", lab.nothing)
		lab.crash("destroy", at, "apply", lab.applied)
	}
}

func newCrashLab(t *testing.T) *crashLab {
	lab := &crashLab{T: t, dir: t.TempDir()}
	lab.env = append(os.Environ(), "GORACE=atexit_sleep_ms=0")
	for name, dir := range playhost.Folders(0) {
		lab.env = append(lab.env, name+"="+dir)
	}
	source, err := os.ReadFile("testdata/crash.diy.hcl")
	if err != nil {
		t.Fatal(err)
	}
	lab.write("crash.diy.hcl", source)
	lab.must("apply")
	lab.must("destroy") // the kernel keeps a few things that first use makes
	if lab.seed, err = os.ReadFile(filepath.Join(lab.dir, "diyform.state.json")); err != nil {
		t.Fatal(err)
	}
	lab.nothing = lab.look()
	lab.must("apply")
	lab.applied = lab.look()
	lab.reset()
	return lab
}

func (lab *crashLab) write(name string, data []byte) {
	if err := os.WriteFile(filepath.Join(lab.dir, name), data, 0o600); err != nil {
		lab.Fatal(err)
	}
}

// reset destroys what is there and forgets it.
func (lab *crashLab) reset() {
	lab.Helper()
	lab.must("destroy")
	if diff := cmp.Diff(lab.nothing, lab.look()); diff != "" {
		lab.Fatalf("destroy has left something (- before, + after):\n%s", diff)
	}
	// A journal that is in the document already stays until the next run that changes
	// something, and means nothing to the seed.
	if err := os.RemoveAll(filepath.Join(lab.dir, ".diyform")); err != nil {
		lab.Fatal(err)
	}
	lab.write("diyform.state.json", lab.seed)
}

// count gives how many failpoints a command hits.
func (lab *crashLab) count(command string) int {
	lab.Helper()
	if command == "destroy" {
		lab.must("apply")
	}
	file := filepath.Join(lab.TempDir(), "hits")
	if out, err := lab.run(command, "DIYFORM_FAILPOINT=count:"+file); err != nil {
		lab.Fatalf("%s: %v\n%s", command, err, out)
	}
	hits, err := os.ReadFile(file)
	if err != nil {
		lab.Fatal(err)
	}
	lab.reset()
	n := bytes.Count(hits, []byte("\n"))
	lab.Logf("%s has %d failpoints", command, n)
	if n < 20 {
		lab.Fatalf("%d failpoints are too few:\n%s", n, hits)
	}
	return n
}

// crash kills command at a failpoint, runs next, and compares what is then there.
func (lab *crashLab) crash(command string, at int, next string, want machine) {
	lab.Helper()
	if command == "destroy" {
		lab.must("apply")
	}
	out, err := lab.run(command, "DIYFORM_FAILPOINT="+strconv.Itoa(at))
	var exit *exec.ExitError
	if err != nil && (!errors.As(err, &exit) || exit.Exited()) {
		lab.Fatalf("%s was to be killed at failpoint %d: %v\n%s", command, at, err, out)
	}
	out, err = lab.run(next)
	if err != nil {
		lab.Fatalf("%s after %s was killed at failpoint %d: %v\n%s", next, command, at, err, out)
	}
	if diff := cmp.Diff(want, lab.look()); diff != "" {
		lab.Fatalf("%s after %s was killed at failpoint %d (- want, + got):\n%s\n%s", next, command, at, diff, out)
	}
	if next == "apply" {
		if out, err := lab.run("plan", "-detailed-exitcode"); err != nil {
			lab.Fatalf("plan after %s was killed at failpoint %d and apply repaired it: %v\n%s", command, at, err, out)
		}
	}
	lab.reset()
}

func (lab *crashLab) must(command string) {
	lab.Helper()
	if out, err := lab.run(command); err != nil {
		lab.Fatalf("%s: %v\n%s", command, err, out)
	}
}

// run runs diyform. Arguments with a "=" but no dash are for its environment.
func (lab *crashLab) run(command string, more ...string) (string, error) {
	args, env := []string{command}, slices.Clone(lab.env)
	if command != "plan" {
		args = append(args, "-auto-approve")
	}
	for _, s := range more {
		if strings.HasPrefix(s, "-") {
			args = append(args, s)
		} else {
			env = append(env, s)
		}
	}
	cmd := exec.CommandContext(lab.Context(), filepath.Join(os.Getenv(binVariable), "diyform"), args...)
	cmd.Dir, cmd.Env = lab.dir, env
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// machine is what other tools see of the kernel, by namespace and kind, without the numbers
// that every making of an object gives anew.
type machine map[string]any

// volatile are those numbers, and what follows from timing.
var volatile = []string{"ifindex", "link_index", "link_netnsid", "handle", "stats64", "stats", "operstate", "flags", "linkmode", "valid_life_time", "preferred_life_time"}

func (lab *crashLab) look() machine {
	lab.Helper()
	m := machine{}
	pins, err := filepath.Glob("/run/netns/*")
	if err != nil {
		lab.Fatal(err)
	}
	m["namespaces"] = pins
	for _, pin := range append(pins, "/proc/self/ns/net") {
		m[pin+" addresses"] = lab.json(pin, "ip", "-json", "-details", "address", "show")
		m[pin+" routes"] = lab.json(pin, "ip", "-json", "route", "show", "table", "all")
		m[pin+" routes6"] = lab.json(pin, "ip", "-6", "-json", "route", "show", "table", "all")
		m[pin+" rules"] = lab.json(pin, "nft", "--json", "list", "ruleset")
		m[pin+" forward"] = lab.output(pin, "sysctl", "net.ipv4.ip_forward", "net.ipv6.conf.all.forwarding")
	}
	m["processes"] = lab.output("", "sh", "-c", "ps -e -o args= | grep -E '^(diyform|/bin/sleep)' | sort")
	m["mounts"] = lab.output("", "findmnt", "--raw", "--noheadings", "--output", "TARGET,FSTYPE")
	m["files"] = lab.output("", "sh", "-c", "find /run/diyform /var/lib/diyform -type d -o -type s 2>/dev/null | sort")
	return m
}

func (lab *crashLab) output(pin string, args ...string) string {
	lab.Helper()
	if pin != "" {
		args = append([]string{"nsenter", "--net=" + pin}, args...)
	}
	out, err := exec.CommandContext(lab.Context(), args[0], args[1:]...).CombinedOutput()
	if err != nil && args[0] != "sh" {
		lab.Fatalf("%s: %v\n%s", args, err, out)
	}
	return string(out)
}

func (lab *crashLab) json(pin string, args ...string) any {
	lab.Helper()
	out := lab.output(pin, args...)
	var v any
	if strings.TrimSpace(out) == "" {
		return nil
	}
	if err := json.Unmarshal([]byte(out), &v); err != nil {
		lab.Fatalf("%s: %v\n%s", args, err, out)
	}
	return sorted(stable(v))
}

// stable takes the volatile numbers out of what a tool printed.
func stable(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for _, key := range volatile {
			delete(v, key)
		}
		for key, e := range v {
			if strings.HasSuffix(key, "_timer") {
				delete(v, key)
			} else {
				v[key] = stable(e)
			}
		}
	case []any:
		for i, e := range v {
			v[i] = stable(e)
		}
	}
	return v
}

// sorted brings the outer list into an order that does not tell which object was first.
func sorted(v any) any {
	if rules, ok := v.(map[string]any); ok {
		v = rules["nftables"]
	}
	list, ok := v.([]any)
	if !ok {
		return v
	}
	slices.SortFunc(list, func(a, b any) int {
		x, _ := json.Marshal(a)
		y, _ := json.Marshal(b)
		return bytes.Compare(x, y)
	})
	return list
}
