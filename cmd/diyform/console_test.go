package main_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/creack/pty"
)

const consoleConfiguration = `
variable "subnet" {
  default = "10.0.0.0/24"
}
variable "name" {
  default = "lan0"
}
locals {
  lab = { first = "one", fifth = "five" }
}
resource "bridge" "lan" {
  name = var.name
}
data "host" "this" {}
module "inner" {
  source   = "./inner"
  for_each = toset(["east", "west"])
}
`

// dialogue is a program on a terminal.
type dialogue struct {
	*testing.T
	terminal *os.File
	cmd      *exec.Cmd
	shown    chan string // what the terminal shows; closed when nobody writes to it any more
	seen     string      // of that, what was not expected yet
}

func openConsole(t *testing.T, bin, dir string) *dialogue {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), filepath.Join(bin, "diyform"), "console")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "TERM=xterm", "NO_COLOR=1", "XDG_STATE_HOME="+filepath.Join(dir, "home"))
	d := startDialogue(t, cmd)
	d.expect(ready)
	return d
}

func startDialogue(t *testing.T, cmd *exec.Cmd) *dialogue {
	t.Helper()
	terminal, err := pty.StartWithSize(cmd, &pty.Winsize{Rows: 24, Cols: 80})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { terminal.Close() })
	d := &dialogue{T: t, terminal: terminal, cmd: cmd, shown: make(chan string, 1000)}
	go func() {
		defer close(d.shown)
		buf := make([]byte, 4096)
		for {
			n, err := terminal.Read(buf)
			d.shown <- string(buf[:n])
			if err != nil { // EIO, when the program has ended
				return
			}
		}
	}()
	return d
}

// types types keys and waits until the terminal shows each text, in order.
func (d *dialogue) types(keys string, shows ...string) {
	d.Helper()
	if _, err := d.terminal.WriteString(keys); err != nil {
		d.Fatal(err)
	}
	for _, text := range shows {
		d.expect(text)
	}
}

// patience is with a machine that has much else to do.
const patience = time.Minute

// expect waits until the terminal shows text, and gives what it showed before.
func (d *dialogue) expect(text string) string {
	d.Helper()
	deadline := time.After(patience)
	for {
		if before, after, found := strings.Cut(d.seen, text); found {
			d.seen = after
			return before
		}
		select {
		case more, ok := <-d.shown:
			if d.seen += more; !ok {
				d.Fatalf("the program ended, and no %q is in %q", text, d.seen)
			}
		case <-deadline:
			d.Fatalf("no %q in %q", text, d.seen)
		}
	}
}

// ends waits for the program's end, which has to come by itself.
func (d *dialogue) ends(exitCode int) {
	d.Helper()
	deadline := time.AfterFunc(patience, func() { _ = d.cmd.Process.Kill() })
	defer deadline.Stop()
	_ = d.cmd.Wait()
	if got := d.cmd.ProcessState.ExitCode(); got != exitCode {
		d.Errorf("the program ended with %d, not %d: %q", got, exitCode, d.seen)
	}
}

const (
	up, left  = "\x1b[A", "\x1b[D"
	ctrlC     = "\x03"
	ctrlD     = "\x04"
	backspace = "\x7f"
	ready     = "\x1b[?2004h> " // the prompt, after the terminal was told to mark what is pasted
)

// TestConsoleTerminal types to a console. The parts share one history.
func TestConsoleTerminal(t *testing.T) {
	c := &consoleTest{buildPrograms(t, false), t.TempDir()}
	c.writeConfiguration(t)
	t.Run("editing", c.edit)
	t.Run("interrupt", c.interrupt)
	t.Run("exit", c.exit)
	t.Run("signal", c.signal)
	t.Run("history", c.rememberLines)
	t.Run("bounded history", c.rememberSoMany)
	t.Run("completion", c.complete)
}

type consoleTest struct{ bin, dir string }

func (c *consoleTest) historyFile() string {
	return filepath.Join(c.dir, "home", "diyform", "console_history")
}

func (c *consoleTest) open(t *testing.T) *dialogue { return openConsole(t, c.bin, c.dir) }

func (c *consoleTest) writeConfiguration(t *testing.T) {
	if err := os.WriteFile(filepath.Join(c.dir, "lab.diy.hcl"), []byte(consoleConfiguration), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(c.dir, "inner"), 0o700); err != nil {
		t.Fatal(err)
	}
	inner := `output "gateway" { value = "10.0.0.1" }`
	if err := os.WriteFile(filepath.Join(c.dir, "inner", "main.diy.hcl"), []byte(inner), 0o600); err != nil {
		t.Fatal(err)
	}
}

func (c *consoleTest) edit(t *testing.T) {
	d := c.open(t)
	d.types("1 + 33"+left+backspace+"2 + \r", "6\r\n", ready) // 1 + 2 + 3
	d.types("upper(\r", ". ")
	d.types("\"a\"\r", ". ")
	d.types(")\r", "\"A\"", ready)
	d.types("bridge.lna\r", "Reference to undeclared resource", `"bridge.lan"?`, ready)
	d.types("help\r", "is answered with its value", ready)
	d.types("wrong"+ctrlC, "wrong^C\r\n", ready) // and the line is gone
	d.types("[1,\r", ". ")
	d.types(ctrlC, "^C\r\n", ready) // and the line before too
	d.types("var.name\r", "\"lan0\"", ready)
	d.types(ctrlD)
	d.ends(0)
}

func (c *consoleTest) interrupt(t *testing.T) {
	d := c.open(t)
	d.types(ctrlC)
	d.ends(0)
}

func (c *consoleTest) exit(t *testing.T) {
	d := c.open(t)
	d.types(" secret\r", "Invalid reference", ready)
	d.types("exit\r")
	d.ends(0)
}

func (c *consoleTest) signal(t *testing.T) {
	d := c.open(t)
	before := terminalFlags(t, d.terminal)
	d.types("1")
	if err := d.cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	d.ends(1)
	if after := terminalFlags(t, d.terminal); after == before || !strings.Contains(after, " icanon") {
		t.Errorf("the terminal is left raw: %s", after)
	}
}

func (c *consoleTest) rememberLines(t *testing.T) {
	d := c.open(t)
	d.types(up+up+"\r", "\"lan0\"", ready) // exit, var.name
	d.types("exit\r")
	d.ends(0)
	text, err := os.ReadFile(c.historyFile())
	if err != nil {
		t.Fatal(err)
	}
	if got := string(text); !strings.HasPrefix(got, "1 + 2 + 3\nupper(\n") || strings.Contains(got, "secret") || strings.Contains(got, "wrong") {
		t.Errorf("history:\n%s", got)
	}
	if info, err := os.Stat(c.historyFile()); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("history: %v, %v", info.Mode(), err)
	}
}

func (c *consoleTest) rememberSoMany(t *testing.T) {
	var long strings.Builder
	for i := range 1500 {
		fmt.Fprintf(&long, "%d\n", i)
	}
	if err := os.WriteFile(c.historyFile(), []byte(long.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	d := c.open(t)
	d.types(up, "1499")
	d.types("\r", ready)
	d.types("exit\r")
	d.ends(0)
	text, err := os.ReadFile(c.historyFile())
	if lines := strings.Split(string(text), "\n"); err != nil || lines[0] != "500" || len(lines) != 1002 {
		t.Errorf("history: %d lines from %q, %v", len(lines), lines[0], err)
	}
}

func (c *consoleTest) complete(t *testing.T) {
	d := c.open(t)
	d.types("va\t", "values(", "var.", "> va") // what there is; then what they have in common
	d.types("r\t\t", "name", "subnet", "> var.")
	d.types("s\t\r", "subnet", "\"10.0.0.0/24\"", ready)
	d.types("cidrho\t", "cidrhost(")
	d.types("var.su\t, 1)\r", "\"10.0.0.1\"", ready)
	d.types("bri\t", "bridge.lan")
	d.types(".mac\t\r", "mac_address", "(known after apply)", ready)
	d.types("local.lab.f\t", "i")
	d.types("\t", "fifth", "first", "> local.lab.fi")
	d.types("r\t\r", "\"one\"", ready)
	d.types("local.lab[\"fif\t\r", "\"five\"", ready)
	d.types("data.\t", "host", "this")
	d.types(".hostn\t != \"\"\r", "true", ready)
	d.types("mod\t", "module.inner")
	d.types("[\"w\t.g\t\r", "gateway", "\"10.0.0.1\"", ready)
	d.types("nothing.\t\r", "nothing.", "Invalid attribute name", ready)
	d.types("exit\r")
	d.ends(0)
}

func terminalFlags(t *testing.T, terminal *os.File) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "stty", "-a")
	cmd.Stdin = terminal
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}
