package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/diyform/diyform/internal/diag"
	"github.com/diyform/diyform/state"
)

// unit is a systemd unit that applies a folder's configuration at boot.
type unit struct {
	name      string
	dir       string // of the configuration
	workspace string
	program   string
	variables variableFlags
	user      bool
	onStop    string
}

// What the unit does when it is stopped.
const (
	stopContainers = "stop"
	stopDestroys   = "destroy"
	stopLeaves     = "leave"
)

func newSystemd(v *view) *cobra.Command {
	var u unit
	cmd := &cobra.Command{
		Use:   "systemd",
		Short: "Print a systemd unit that applies the configuration at boot",
		Long: "Print a systemd unit that applies the configuration of this folder at boot, in the workspace that is selected\n" +
			"now. It begins with the commands that put it in its place; nothing is installed.\n\n" +
			"systemctl stop, and with it a shutdown, stops the containers and leaves the rest: a destroy would take along\n" +
			"volumes too. -on-stop=destroy does that where nothing has to be kept, -on-stop=leave does nothing.\n" +
			"systemctl reload applies again what was changed in the files.",
		Example: "  diyform systemd > /etc/systemd/system/diyform-lab.service\n" +
			"  diyform systemd -user > ~/.config/systemd/user/diyform-lab.service",
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := u.locate(); err != nil {
				return v.failWith(err, "The unit cannot be written")
			}
			if cfg, diags := v.loadConfiguration(cmd.Context()); diags.HasErrors() {
				return v.fail(cfg.Files, diags)
			}
			v.printf("%s", u.text())
			return nil
		},
	}
	cmd.Flags().StringVar(&u.name, "name", "", "name of the unit (default diyform- and the folder's, and the workspace's)")
	cmd.Flags().BoolVar(&u.user, "user", os.Geteuid() != 0, "a unit of this user's, for systemctl --user")
	cmd.Flags().StringVar(&u.onStop, "on-stop", stopContainers, "what systemctl stop does: stop, destroy or leave")
	cmd.Flags().Var(variableFlag{&u.variables, false}, "var", "set a variable, as in apply")
	cmd.Flags().Var(variableFlag{&u.variables, true}, "var-file", "read variables from a file, as in apply")
	return cmd
}

// locate finds out what the flags leave out, and checks what they say.
func (u *unit) locate() error {
	if u.onStop != stopContainers && u.onStop != stopDestroys && u.onStop != stopLeaves {
		return &diag.Problem{Summary: "Flag out of range", Detail: fmt.Sprintf("-on-stop=%s: there is stop, destroy and leave.%s",
			u.onStop, diag.Suggest(u.onStop, []string{stopContainers, stopDestroys, stopLeaves}))}
	}
	var err error
	if u.dir, err = os.Getwd(); err != nil {
		return err
	}
	if u.program, err = os.Executable(); err != nil {
		return err
	}
	s, err := newSession(nil)
	if err != nil {
		return err
	}
	u.workspace = s.workspace
	for _, path := range []string{u.dir, u.program} {
		if strings.ContainsAny(path, "\n\"\\") {
			return &diag.Problem{Summary: "The folder cannot be named in a unit",
				Detail: fmt.Sprintf("%q has a line break, a quotation mark or a backslash in its name. Use another folder.", path)}
		}
	}
	if u.name = strings.TrimSuffix(u.name, ".service"); u.name == "" {
		u.name = "diyform-" + unitName(filepath.Base(u.dir))
		if u.workspace != state.DefaultWorkspace {
			u.name += "-" + u.workspace
		}
	}
	if u.name != unitName(u.name) || len(u.name) > maxUnitName {
		return &diag.Problem{Summary: "Invalid unit name",
			Detail: fmt.Sprintf("%q cannot be a unit's name. Use letters, digits and _ . - only, at most %d.", u.name, maxUnitName)}
	}
	return nil
}

// maxUnitName is what systemd.unit(5) allows, without the suffix.
const maxUnitName = 255 - len(".service")

// unitName makes of any text what a unit may be called.
func unitName(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', strings.ContainsRune("_.-", r):
			return r
		}
		return '-'
	}, text)
}

// text is the unit: systemd.unit(5), systemd.service(5).
func (u *unit) text() string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	u.comment(line)
	line("[Unit]")
	line("Description=diyform apply in %s", specifier(u.dir))
	line("RequiresMountsFor=%s", quoted(u.dir))
	target := "default.target"
	if !u.user {
		// A user's systemd has no such target: its units begin after the system's.
		line("Wants=network-online.target")
		line("After=network-online.target")
		target = "multi-user.target"
	}
	line("")
	line("[Service]")
	line("Type=oneshot")
	line("RemainAfterExit=yes")
	line("WorkingDirectory=%s", specifier(u.dir))
	line("Environment=%s=%s", workspaceVariable, u.workspace)
	apply := append([]string{"apply", "-auto-approve", "-input=false", "-lock-timeout=10m"}, u.arguments()...)
	line("ExecStart=%s", u.command(apply...))
	line("ExecReload=%s", u.command(apply...))
	switch u.onStop {
	case stopContainers:
		line("ExecStop=%s", u.command("stop", "-all", "-lock-timeout=10m"))
	case stopDestroys:
		line("ExecStop=%s", u.command("destroy", "-auto-approve", "-lock-timeout=10m"))
	}
	line("TimeoutStopSec=5min")
	line("# The supervisor keeps the containers, and does not end with the command that started it.")
	line("KillMode=process")
	line("")
	line("[Install]")
	line("WantedBy=%s", target)
	return b.String()
}

// comment says where the unit belongs.
func (u *unit) comment(line func(string, ...any)) {
	folder, systemctl := "/etc/systemd/system", "systemctl"
	if u.user {
		folder, systemctl = "~/.config/systemd/user", "systemctl --user"
	}
	line("# Save this as %s/%s.service, and then:", folder, u.name)
	line("#   %s daemon-reload", systemctl)
	line("#   %s enable --now %s", systemctl, u.name)
	if u.user {
		line("# Without this it begins with the user's first login, and ends with the last logout:")
		line("#   loginctl enable-linger")
	}
}

// arguments are the flags for variables. What DIYFORM_VAR_name sets here is not set at boot.
func (u *unit) arguments() []string {
	var list []string
	for _, v := range u.variables {
		if v.File {
			list = append(list, "-var-file="+v.Text)
		} else {
			list = append(list, "-var="+v.Text)
		}
	}
	return list
}

// command writes a command line as ExecStart= has it.
func (u *unit) command(args ...string) string {
	words := []string{quoted(u.program)}
	for _, a := range args {
		words = append(words, strings.ReplaceAll(quoted(a), "$", "$$"))
	}
	return strings.Join(words, " ")
}

// specifier keeps systemd from reading a % as one of its specifiers.
func specifier(s string) string { return strings.ReplaceAll(s, "%", "%%") }

// quoted writes a word so that systemd reads it as one: "Quoting" in systemd.syntax(7).
func quoted(s string) string {
	s = specifier(s)
	if !strings.ContainsAny(s, " \t\n\"'\\;") {
		return s
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(s) + `"`
}
