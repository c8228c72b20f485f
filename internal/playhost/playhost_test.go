package playhost_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/creack/pty"

	"github.com/diyform/diyform/internal/playhost"
	"github.com/diyform/diyform/internal/playhost/playtest"
)

func TestMain(m *testing.M) {
	if playhost.IsInit() {
		os.Exit(playhost.InitMain())
	}
	if script := os.Getenv(scriptVariable); script != "" {
		os.Exit(runScript(script))
	}
	os.Exit(m.Run())
}

// run runs a shell script in a playhost and returns its standard output.
func run(t *testing.T, script string) (string, error) {
	t.Helper()
	if err := playtest.Available(); err != nil {
		playtest.Missing(t, err)
	}
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(t.Context(), "sh", "-c", script)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := playhost.Run(cmd)
	if err != nil {
		t.Logf("%s", stderr.String())
	}
	return strings.TrimSpace(stdout.String()), err
}

func TestExitCode(t *testing.T) {
	for _, test := range []struct {
		script string
		code   int
	}{
		{"exit 0", 0},
		{"exit 7", 7},
		{"kill -TERM $$", 128 + 15},
		{"(sleep 60 &) ; exit 3", 3},
	} {
		_, err := run(t, test.script)
		code := 0
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			code = exit.ExitCode()
		} else if err != nil {
			t.Fatal(err)
		}
		if code != test.code {
			t.Errorf("%s: exit code %d, want %d", test.script, code, test.code)
		}
	}
}

func TestNothingOfTheMachineIsChanged(t *testing.T) {
	before := machineState(t)
	_, err := run(t, `set -e
		mkdir -p /var/lib/diyform /run/diyform
		hostname other
		ip link add name left type bridge
		ip netns add left
		sysctl -q -w net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
		mount -t tmpfs left /mnt`)
	if err != nil {
		t.Fatal(err)
	}
	if after := machineState(t); after != before {
		t.Errorf("before:\n%s\nafter:\n%s", before, after)
	}
}

// machineState is what of this machine the test above would change if it were not played.
// Other tests may run beside it, so it is nothing more.
func machineState(t *testing.T) string {
	t.Helper()
	var state strings.Builder
	for _, path := range []string{
		"/proc/sys/kernel/hostname",
		"/proc/sys/net/ipv4/ip_forward",
		"/proc/sys/net/ipv6/conf/all/forwarding",
	} {
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&state, "%s = %s", path, content)
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintln(&state, "mounted:", strings.Contains(string(mounts), " left "))
	for _, path := range []string{
		"/var/lib/diyform", "/run/diyform", "/run/netns/left", "/sys/class/net/left",
	} {
		_, err := os.Stat(path)
		fmt.Fprintln(&state, path, err == nil)
	}
	return state.String()
}

func TestEndsWithItsContext(t *testing.T) {
	if err := playtest.Available(); err != nil {
		playtest.Missing(t, err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	cmd := exec.CommandContext(ctx, "sh", "-c", "setsid sleep 600 & sleep 600")
	var out bytes.Buffer // the orphan would hold the pipe open, and Run wait for it
	cmd.Stdout = &out
	started := time.Now()
	if err := playhost.Run(cmd); err == nil {
		t.Error("a playhost that was ended reports success")
	}
	if took := time.Since(started); took > time.Minute {
		t.Errorf("the playhost ended after %v", took)
	}
}

// A shell that does not know the process group to which it should return the terminal
// leaves it in a state in which the next read of it fails.
func TestTerminal(t *testing.T) {
	if err := playtest.Available(); err != nil {
		playtest.Missing(t, err)
	}
	cmd := exec.Command("/proc/self/exe", "-test.run=^TestTerminalSession$")
	cmd.Env = append(os.Environ(), sessionVariable+"=1")
	terminal, err := pty.Start(cmd)
	if err != nil {
		t.Fatal(err)
	}
	defer terminal.Close()
	if _, err := terminal.WriteString("echo in-$((40+2)); exit\nnext line\n"); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	_, _ = out.ReadFrom(terminal) // ends with EIO when the session does
	if err := cmd.Wait(); err != nil {
		t.Errorf("session: %v", err)
	}
	for _, want := range []string{"in-42", "session read: next line"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in:\n%s", want, out.String())
		}
	}
}

const sessionVariable = "PLAYHOST_TEST_SESSION"

// TestTerminalSession is the other process of TestTerminal.
func TestTerminalSession(t *testing.T) {
	if os.Getenv(sessionVariable) == "" {
		return
	}
	cmd := exec.Command("sh", "-i")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	if err := playhost.Run(cmd); err != nil {
		t.Fatal(err)
	}
	line := make([]byte, 100)
	n, err := os.Stdin.Read(line)
	if err != nil {
		t.Fatal(err)
	}
	os.Stdout.WriteString("session read: " + string(line[:n]))
}
