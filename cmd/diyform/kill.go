package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/diyform/diyform/internal/diag"
	"github.com/diyform/diyform/internal/linux/pidfd"
	"github.com/diyform/diyform/internal/linux/process"
)

func newKill(v *view) *cobra.Command {
	var name string
	var all bool
	cmd := &cobra.Command{
		Use:   "kill [flags] ADDRESS ...",
		Short: "Send a signal to containers",
		Long: "Sends a signal to the first process of containers. What that does is theirs: a restart policy may\n" +
			"start again what it ends. `diyform stop` stops containers.",
		ValidArgsFunction: completeContainers(0),
		Args:              func(_ *cobra.Command, args []string) error { return (&containerFlags{all: all}).check(args) },
		RunE: func(cmd *cobra.Command, args []string) error {
			s, err := parseSignal(name)
			if err != nil {
				return v.failWith(err, "")
			}
			return v.kill(cmd.Context(), args, all, s)
		},
	}
	cmd.Flags().StringVarP(&name, "signal", "s", "KILL", "the `SIGNAL`, by name or number")
	cmd.Flags().BoolVarP(&all, "all", "a", false, "all containers of the stack that run")
	return cmd
}

func parseSignal(text string) (syscall.Signal, error) {
	if n, err := strconv.Atoi(text); err == nil && n >= 1 && n <= 64 {
		return syscall.Signal(n), nil
	}
	name := strings.ToUpper(text)
	if !strings.HasPrefix(name, "SIG") {
		name = "SIG" + name
	}
	if n := process.Signal(name); n != 0 {
		return syscall.Signal(n), nil
	}
	return 0, &diag.Problem{
		Summary: "Not a signal",
		Detail:  fmt.Sprintf("-signal=%s is neither the name of a signal, as in HUP or SIGHUP, nor a number from 1 to 64.", text),
	}
}

// kill takes no lock: it changes no more than the container could itself.
func (v *view) kill(ctx context.Context, addresses []string, all bool, signal syscall.Signal) error {
	s, err := v.openContainers()
	if err != nil {
		return err
	}
	defer s.close()
	containers, err := s.containersOf(ctx, addresses, all)
	if err != nil {
		return err
	}
	var errs []error
	for _, c := range containers {
		if all && !c.status.Phase.Alive() {
			continue
		}
		err := c.client().Signal(ctx, c.status.Spec.ID, signal)
		switch {
		case errors.Is(err, pidfd.ErrGone) || err != nil && !c.status.Phase.Alive():
			errs = append(errs, c.notRunning(ctx, err))
		case err != nil:
			errs = append(errs, c.failWith(c.explainGone(err), "The signal cannot be sent"))
		default:
			c.printf("%s: sent %s\n", c.address(), process.SignalName(int(signal)))
		}
	}
	return errors.Join(errs...)
}
