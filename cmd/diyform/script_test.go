// The behaviour that users see is tested by scripts, testdata/script/*.txtar, which run
// the real binary. Each script has a playhost to itself: there is nothing that it could
// break for another, nor leave behind.
//
// Besides testscript's own commands a script has `json` (below), `ecosystem` and `terraform-json`
// (ecosystem_test.go), `registry` and the programs in testdata/bin. $HOST4, $GATEWAY4, $INTERNET4 and the same with 6 are playhost's addresses,
// $EXAMPLES is the folder of examples.
package main_test

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/diyform/diyform/internal/playhost"
	"github.com/diyform/diyform/internal/playhost/playtest"
)

// Set in the environment of the test binary that runs one script, in its playhost.
const (
	scriptVariable = "DIYFORM_SCRIPT"     // the script's file
	binVariable    = "DIYFORM_SCRIPT_BIN" // the folder of diyform and testdata/bin

	// Where the program writes what the scripts cover, if set. It is not GOCOVERDIR, which go
	// test -cover sets to a folder that an ordinary user cannot write to.
	coverVariable = "DIYFORM_GOCOVERDIR"
)

var update = flag.Bool("update", false, "write what the scripts' cmp commands find into the scripts")

func TestMain(m *testing.M) {
	if playhost.IsInit() {
		os.Exit(playhost.InitMain())
	}
	code := m.Run()
	removeBuilt()
	os.Exit(code)
}

func TestScripts(t *testing.T) {
	if script := os.Getenv(scriptVariable); script != "" {
		runScript(t, script)
		return
	}
	if err := playtest.Available(); err != nil {
		playtest.Missing(t, err)
	}
	scripts, err := filepath.Glob("testdata/script/*.txtar")
	if err != nil || len(scripts) == 0 {
		t.Fatalf("no scripts found: %v", err)
	}
	// A raced program takes thrice as long. What is raced are the packages' own tests, the lives of
	// all types (TestConformance) and of containers (TestMatrix), and with this variable all scripts.
	bin := buildPrograms(t, raced && os.Getenv("DIYFORM_RACE_SCRIPTS") != "")
	for _, script := range scripts {
		t.Run(strings.TrimSuffix(filepath.Base(script), ".txtar"), func(t *testing.T) {
			t.Parallel()
			runInPlayhost(t, script, bin)
		})
	}
}

// TestConformance takes every resource type through the same life: testdata/conformance.
func TestConformance(t *testing.T) {
	if err := playtest.Available(); err != nil {
		playtest.Missing(t, err)
	}
	const folder = "testdata/conformance"
	steps, err := os.ReadFile(filepath.Join(folder, "steps.txtar"))
	if err != nil {
		t.Fatal(err)
	}
	types, err := filepath.Glob(filepath.Join(folder, "*.txtar"))
	if err != nil {
		t.Fatal(err)
	}
	bin, scripts := buildPrograms(t, raced), t.TempDir()
	for _, file := range types {
		if filepath.Base(file) == "steps.txtar" {
			continue
		}
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			t.Parallel()
			files, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			script := filepath.Join(scripts, filepath.Base(file))
			if err := os.WriteFile(script, slices.Concat(steps, files), 0o600); err != nil {
				t.Fatal(err)
			}
			runInPlayhost(t, script, bin)
		})
	}
}

// runInPlayhost runs this test binary again in a playhost, for the one script.
func runInPlayhost(t *testing.T, script, bin string) {
	ctx := t.Context()
	if deadline, ok := t.Deadline(); ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, deadline.Add(-5*time.Second))
		defer cancel()
	}
	verbose := testing.Verbose() || playtest.InCI() // CI wants to see what is skipped
	cmd := exec.CommandContext(ctx, "/proc/self/exe", "-test.run=^TestScripts$",
		fmt.Sprintf("-test.v=%t", verbose), fmt.Sprintf("-update=%t", *update))
	cmd.Env = append(os.Environ(), scriptVariable+"="+script, binVariable+"="+bin)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := playhost.Run(cmd)
	log := strings.TrimSpace(out.String())
	switch {
	case err != nil:
		t.Errorf("%s\n%v", log, err)
	case skipped.MatchString(log):
		playtest.Missing(t, fmt.Errorf("the script skips itself:\n%s", log))
	default:
		t.Log(log)
	}
}

var skipped = regexp.MustCompile(`(?m)^\s*--- SKIP: `)

// runScript runs the script in the playhost where this process is.
func runScript(t *testing.T, script string) {
	const work = "/run/work"
	if err := os.Mkdir(work, 0o755); err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Files:               []string{script},
		WorkdirRoot:         work,
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		UpdateScripts:       *update,
		Setup:               setUpScript,
		Condition:           hasFile,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"json":           checkJSON,
			"ecosystem":      checkEcosystem,
			"terraform-json": checkTerraformJSON,
			"registry":       startRegistry,
		},
	})
}

// hasFile is the script condition [has:FILE]: the script brings that file.
func hasFile(cond string) (bool, error) {
	name, ok := strings.CutPrefix(cond, "has:")
	if !ok {
		return false, fmt.Errorf("unknown condition %q", cond)
	}
	script, err := os.ReadFile(os.Getenv(scriptVariable))
	return bytes.Contains(script, []byte("\n-- "+name+" --\n")), err
}

func setUpScript(env *testscript.Env) error {
	if err := os.Chmod(env.WorkDir, 0o755); err != nil {
		return err
	}
	examples, err := filepath.Abs("../../examples")
	if err != nil {
		return err
	}
	env.Setenv("EXAMPLES", examples)
	env.Setenv("PATH", os.Getenv(binVariable)+":"+env.Getenv("PATH"))
	for name, dir := range playhost.Folders(0) {
		env.Setenv(name, dir)
	}
	for name, value := range map[string]string{
		"HOST4": playhost.HostAddress4, "HOST6": playhost.HostAddress6,
		"GATEWAY4": playhost.GatewayAddress4, "GATEWAY6": playhost.GatewayAddress6,
		"INTERNET4": playhost.InternetAddress4, "INTERNET6": playhost.InternetAddress6,
		"GOCOVERDIR": os.Getenv(coverVariable),
		// A raced program sleeps for a second before it exits, unless told not to.
		"GORACE": "atexit_sleep_ms=0",
	} {
		env.Setenv(name, value)
	}
	return nil
}

// checkJSON is the script command
//
//	[!] json FILTER WANT
//
// which gives the last command's standard output to jq and compares the result, in jq's
// raw and compact form, with WANT.
func checkJSON(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: json FILTER WANT")
	}
	jq := exec.Command("jq", "--raw-output", "--compact-output", args[0])
	jq.Stdin = strings.NewReader(ts.ReadFile("stdout"))
	out, err := jq.CombinedOutput()
	got := strings.TrimSpace(string(out))
	if err != nil {
		ts.Fatalf("jq %q: %v: %s", args[0], err, got)
	}
	if equal := got == args[1]; equal == neg {
		ts.Fatalf("%s is %q; want equal to %q: %t", args[0], got, args[1], !neg)
	}
}

// buildPrograms gives the folder of the program, with the race detector or without, and of the
// scripts' own programs, where also an ordinary user can reach them. They are built once for all
// tests. With DIYFORM_GOCOVERDIR set the program counts what the scripts cover.
func buildPrograms(t *testing.T, raced bool) string {
	t.Helper()
	build := plainPrograms
	if raced {
		build = racedPrograms
	}
	bin, err := build()
	if err != nil {
		t.Fatal(err)
	}
	return bin
}

var (
	plainPrograms = sync.OnceValues(func() (string, error) { return build(false) })
	racedPrograms = sync.OnceValues(func() (string, error) { return build(true) })

	builtMu sync.Mutex
	built   []string // folders, to be removed in the end
)

func removeBuilt() {
	builtMu.Lock()
	defer builtMu.Unlock()
	for _, dir := range built {
		os.RemoveAll(dir)
	}
}

func build(raced bool) (string, error) {
	bin, err := os.MkdirTemp("", "diyform-script-bin-")
	if err != nil {
		return "", err
	}
	builtMu.Lock()
	built = append(built, bin)
	builtMu.Unlock()
	if err := os.Chmod(bin, 0o755); err != nil {
		return "", err
	}
	args := []string{"build", "-buildvcs=false", "-o", filepath.Join(bin, "diyform")}
	if raced {
		// Static as ever: it runs itself where there are no libraries, in containers.
		args = append(args, "-race", "-tags=netgo,osusergo", "-ldflags=-linkmode=external -extldflags=-static")
	}
	if os.Getenv(coverVariable) != "" {
		args = append(args, "-cover", "-coverpkg=github.com/diyform/diyform/...")
	}
	build := exec.Command("go", append(args, ".")...)
	if !raced {
		build.Env = append(os.Environ(), "CGO_ENABLED=0") // whatever the tests are built with
	}
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build diyform: %w\n%s", err, out)
	}
	return bin, os.CopyFS(bin, os.DirFS("testdata/bin"))
}
