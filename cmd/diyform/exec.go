package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/diyform/diyform/internal/diag"
	"github.com/diyform/diyform/internal/linux/cgroup"
	"github.com/diyform/diyform/internal/linux/pidfd"
	"github.com/diyform/diyform/providers/container/enter"
)

type execFlags struct {
	interactive bool
	terminal    bool
	user        string
	env         []string
	workingDir  string
}

func newExec(v *view) *cobra.Command {
	var flags execFlags
	cmd := &cobra.Command{
		Use:   "exec [flags] ADDRESS -- COMMAND [ARG ...]",
		Short: "Run a command in a container",
		Long: "Runs a command in a running container, in all its namespaces, and exits with the command's exit code:\n" +
			"127 where the container has no such command, 126 where it cannot be executed.\n" +
			"On a terminal the command gets a terminal; -t=false prevents that.",
		Args:              cobra.MinimumNArgs(2),
		ValidArgsFunction: completeContainers(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if !cmd.Flags().Changed("tty") {
				flags.terminal = v.interactive()
			}
			command := args[1:]
			if len(command) > 1 && command[0] == "--" {
				command = command[1:] // pflag takes it away only where flags may still follow
			}
			return v.exec(cmd.Context(), args[0], command, flags)
		},
	}
	cmd.Flags().SetInterspersed(false) // what follows the address is the command's
	cmd.Flags().BoolVarP(&flags.interactive, "interactive", "i", true, "give the command our standard input")
	cmd.Flags().BoolVarP(&flags.terminal, "tty", "t", false, "give the command a terminal (default: if we have one)")
	cmd.Flags().StringVarP(&flags.user, "user", "u", "", "run it as `USER[:GROUP]` of the container, by name or number")
	cmd.Flags().StringArrayVarP(&flags.env, "env", "e", nil, "set an environment variable: NAME=VALUE")
	cmd.Flags().StringVarP(&flags.workingDir, "workdir", "w", "", "folder to start in")
	return cmd
}

func (v *view) exec(ctx context.Context, address string, command []string, f execFlags) error {
	c, err := v.container(ctx, address)
	if err != nil {
		return err
	}
	if f.terminal && !term.IsTerminal(int(v.in.Fd())) {
		return v.failWith(&diag.Problem{
			Summary: "There is no terminal", Detail: "-t needs standard input to be a terminal. Leave it out.",
		}, "")
	}
	stdin := v.in
	if !f.interactive {
		if stdin, err = os.Open(os.DevNull); err != nil {
			return v.failWith(err, "The command cannot be run")
		}
		defer stdin.Close()
	}
	// Interrupts are the command's: it decides whether to end.
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGWINCH)
	defer signal.Stop(signals)
	target, err := c.status.Find()
	if err != nil {
		return c.execFailed(ctx, err)
	}
	defer target.Close()
	code, err := enter.Run(context.WithoutCancel(ctx), target, c.status.Spec, enter.Options{
		Command: command, User: f.user, Env: f.env, WorkingDir: f.workingDir, Terminal: f.terminal,
		Stdin: stdin, Stdout: v.out.File, Stderr: v.err, Signals: signals, Place: c.place(),
	})
	if err != nil {
		return c.execFailed(ctx, err)
	}
	if code != 0 {
		return exitStatus(code)
	}
	return nil
}

// place gives what puts a process under the container's limits; nil, where it has none.
func (c *recordedContainer) place() func(pid int) error {
	if c.status.Cgroup == "" {
		return nil
	}
	return func(pid int) error {
		group, err := cgroup.Open(c.status.Cgroup)
		if err != nil {
			return err
		}
		return group.Place(pid)
	}
}

// Exit codes of a command that could not be run, as shells have them: POSIX, 2.8.2.
const (
	exitNotExecutable = 126
	exitNotFound      = 127
)

func (c *recordedContainer) execFailed(ctx context.Context, err error) error {
	if errors.Is(err, pidfd.ErrGone) {
		return c.notRunning(ctx, err)
	}
	failure := c.failWith(err, "The command cannot be run")
	switch {
	case errors.Is(err, enter.ErrNotFound):
		return exitStatus(exitNotFound)
	case errors.Is(err, enter.ErrNotExecutable):
		return exitStatus(exitNotExecutable)
	}
	return failure
}

// notRunning tells that the container does not run, and why.
func (c *recordedContainer) notRunning(ctx context.Context, err error) error {
	return c.failWith(&diag.Problem{
		Summary: "The container does not run", Err: err,
		Detail: fmt.Sprintf("%s `diyform logs %s` shows what it wrote, `diyform apply` starts it again.", c.ending(ctx), c.address()),
	}, "")
}
