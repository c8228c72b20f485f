package main_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/diyform/diyform/internal/playhost/playtest"
)

// completionConfiguration has names that a shell has to quote.
const completionConfiguration = `
variable "subnet" {}
resource "bridge" "lan" {}
resource "bridge" "wan" {}
module "inner" { source = "./inner" }
`

// TestShellCompletion lets the shells complete, each with its own script.
func TestShellCompletion(t *testing.T) {
	bin, dir := buildPrograms(t, false), t.TempDir()
	for name, text := range map[string]string{"lab.diy.hcl": completionConfiguration, "inner/main.diy.hcl": ""} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	// bash wants the part behind the = alone, the others the whole word.
	cases := []struct{ line, want string }{
		{"diyform pla", "plan"},
		{"diyform state s", "show"},
		{"diyform apply -auto", "-auto-approve"},
		{"diyform apply --auto", "--auto-approve"},
		{"diyform plan -target bridge.l", "bridge.lan"},
		{"diyform plan -target=bridge.l", "-target=bridge.lan"},
		{"diyform plan -refresh=f", "-refresh=false"},
		{"diyform plan -var su", "subnet="},
		{"diyform plan -exclude mod", "module.inner"},
		{"diyform graph -type a", "apply"},
		{"diyform completion z", "zsh"},
		{"diyform -chd", "-chdir="},
		{"diyform -chdir=in", "-chdir=inner"},
	}
	for shell, start := range map[string]func(*testing.T, string, string) completes{
		"bash": startBash, "fish": startFish, "zsh": startZsh,
	} {
		t.Run(shell, func(t *testing.T) {
			if _, err := exec.LookPath(shell); err != nil {
				playtest.Missing(t, err)
			}
			complete := start(t, bin, dir)
			for _, c := range cases {
				got := complete(c.line)
				if strings.TrimSuffix(got, "/") != c.want { // some mark folders
					t.Errorf("%s is completed with %q, not %q", c.line, got, c.want)
				}
			}
		})
	}
}

// completes gives what a shell makes of the last word of a line.
type completes func(line string) string

func shellCommand(t *testing.T, bin, dir, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"), "HOME="+dir, "TERM=xterm",
		"XDG_DATA_HOME="+dir, "XDG_CONFIG_HOME="+dir)
	return cmd
}

func output(t *testing.T, cmd *exec.Cmd) string {
	t.Helper()
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", cmd.Args, err, out)
	}
	return strings.TrimSpace(string(out))
}

const bashCompletion = "/usr/share/bash-completion/bash_completion"

// startBash calls what bash calls on Tab, with the words that it makes of a line.
func startBash(t *testing.T, bin, dir string) completes {
	if _, err := os.Stat(bashCompletion); err != nil {
		playtest.Missing(t, err)
	}
	return func(line string) string {
		words := strings.Fields(strings.ReplaceAll(line, "=", " = ")) // it breaks them at = too
		script := fmt.Sprintf(`source %s; source <(diyform completion bash)
			COMP_WORDS=('%s') COMP_CWORD=%d COMP_LINE='%s' COMP_POINT=%d COMP_TYPE=9
			__start_diyform 2>/dev/null; echo "${COMPREPLY[*]}"`,
			bashCompletion, strings.Join(words, "' '"), len(words)-1, line, len(line))
		text := unescaped(output(t, shellCommand(t, bin, dir, "bash", "--norc", "-c", script)))
		if flag, _, ok := strings.Cut(line[strings.LastIndexByte(line, ' ')+1:], "="); ok { // it puts back what stands before the =
			return flag + "=" + text
		}
		return text
	}
}

// startFish asks fish, which gives whole words, and descriptions.
func startFish(t *testing.T, bin, dir string) completes {
	return func(line string) string {
		script := fmt.Sprintf("diyform completion fish | source; complete -C '%s'", line)
		text, _, _ := strings.Cut(output(t, shellCommand(t, bin, dir, "fish", "--no-config", "-c", script)), "\t")
		return text
	}
}

// startZsh types lines and Tab, and has zsh tell what it has in the line then.
func startZsh(t *testing.T, bin, dir string) completes {
	d := startDialogue(t, shellCommand(t, bin, dir, "zsh", "-f", "-i"))
	d.types("PS1='; '; autoload -U compinit; compinit -u -D; source <(diyform completion zsh)\r")
	d.types("tell() { print -rn -- \"$BUFFER\" >told; print to''ld }; zle -N tell; bindkey '^Xt' tell\r")
	d.types("print rea''dy\r", "ready")
	return func(line string) string {
		d.types(line+"\t\x18t", "told")
		text, err := os.ReadFile(filepath.Join(dir, "told"))
		if err != nil {
			t.Fatal(err)
		}
		d.types("\x15") // and the line is empty
		return unescaped(strings.TrimPrefix(string(text), line[:strings.LastIndexByte(line, ' ')+1]))
	}
}

func unescaped(s string) string { return strings.TrimSpace(strings.ReplaceAll(s, "\\", "")) }
