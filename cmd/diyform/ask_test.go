package main_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const askConfiguration = `
variable "secret" {
  sensitive = true
}
variable "subnet" {
  description = "The lab's network."
}
resource "trigger" "t" {
  input = [var.secret, var.subnet]
}
output "subnet" {
  value = var.subnet
}
`

func startAsking(t *testing.T, args ...string) *dialogue {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "main.diy.hcl"), []byte(askConfiguration), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), filepath.Join(buildPrograms(t, false), "diyform"), args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "TERM=xterm", "NO_COLOR=1")
	return startDialogue(t, cmd)
}

func TestAskForVariables(t *testing.T) {
	d := startAsking(t, "plan")
	d.expect("var.secret\r\n")
	d.expect("Enter a value: ")
	d.awaitEcho(false)
	d.types("hush\r")
	if shown := d.expect("var.subnet\r\n  The lab's network.\r\n"); strings.Contains(shown, "hush") {
		t.Errorf("the terminal shows the secret: %q", shown)
	}
	d.expect("Enter a value: ")
	d.awaitEcho(true)
	d.types("10.0.0.0/24\r", "10.0.0.0/24\r\n", "+ input", "(sensitive value)", `+ subnet = "10.0.0.0/24"`)
	d.ends(0)
}

// An interrupt ends a question at once: nobody has to press Enter after it.
func TestInterruptAQuestion(t *testing.T) {
	d := startAsking(t, "plan")
	d.expect("Enter a value: ")
	d.awaitEcho(false)
	d.types(ctrlC, "Error: Interrupted", "nothing changed")
	d.awaitEcho(true)
	d.ends(1)

	d = startAsking(t, "apply", "-var=secret=1", "-var=subnet=1")
	d.expect("Enter a value: ")
	d.types(ctrlC, "Cancelled: nothing was changed.")
	d.ends(1)
}

// awaitEcho waits until the terminal shows what is typed, or does not.
func (d *dialogue) awaitEcho(want bool) {
	d.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; {
		flags := terminalFlags(d.T, d.terminal)
		if strings.Contains(flags, " echo ") == want {
			return
		}
		if time.Now().After(deadline) {
			d.Fatalf("echo is not %v: %s", want, flags)
		}
	}
}
