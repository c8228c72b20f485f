package main

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/diyform/diyform/internal/diag"
	"github.com/diyform/diyform/providers/container/supervisor"
)

type waitFlags struct {
	all, healthy, asJSON bool
	timeout              time.Duration
}

// waitedFor is a container as `diyform wait` shows it.
type waitedFor struct {
	Address  string `json:"address"`
	Status   string `json:"status"`
	ExitCode *int   `json:"exit_code"` // null while it runs, and where nobody knows it
	Health   string `json:"health,omitempty"`
}

func newWait(v *view) *cobra.Command {
	var flags waitFlags
	cmd := &cobra.Command{
		Use:   "wait [flags] ADDRESS ...",
		Short: "Wait until containers have ended, or are healthy",
		Long: "Waits until containers have ended for good, and prints the exit code of each on a line of its own.\n" +
			"With -health it waits until all are healthy, and fails where one is not, or ends.",
		ValidArgsFunction: completeContainers(0),
		Args:              func(_ *cobra.Command, args []string) error { return (&containerFlags{all: flags.all}).check(args) },
		RunE: func(cmd *cobra.Command, args []string) error {
			return v.wait(cmd.Context(), args, flags)
		},
	}
	cmd.Flags().BoolVarP(&flags.all, "all", "a", false, "all containers of the stack")
	cmd.Flags().BoolVar(&flags.healthy, "health", false, "wait until they are healthy instead")
	cmd.Flags().DurationVar(&flags.timeout, "timeout", 0, "fail after that time, as in 30s")
	cmd.Flags().BoolVar(&flags.asJSON, "json", false, "print as JSON")
	return cmd
}

var errWaited = errors.New("the time is up")

func (v *view) wait(ctx context.Context, addresses []string, flags waitFlags) error {
	s, err := v.openContainers()
	if err != nil {
		return err
	}
	defer s.close()
	containers, err := s.containersOf(ctx, addresses, flags.all)
	if err != nil {
		return err
	}
	if flags.timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, flags.timeout, errWaited)
		defer cancel()
	}
	statuses, errs := make([]supervisor.Status, len(containers)), make([]error, len(containers))
	var waiting sync.WaitGroup
	for i, c := range containers {
		waiting.Go(func() { statuses[i], errs[i] = c.await(ctx, flags.healthy) })
	}
	waiting.Wait()
	rows := []waitedFor{}
	for i, c := range containers {
		if errs[i] != nil {
			errs[i] = c.failWith(c.explainGone(errs[i]), "To wait for the container has failed")
			continue
		}
		rows = append(rows, newWaitedFor(c, statuses[i]))
	}
	return errors.Join(append(errs, v.printWaited(rows, flags))...)
}

func (c *recordedContainer) await(ctx context.Context, healthy bool) (supervisor.Status, error) {
	if healthy {
		return c.client().WaitHealthy(ctx, c.status.Spec.ID, func(supervisor.Status) {})
	}
	status, err := c.client().Wait(ctx, c.status.Spec.ID)
	if err == nil && status.Exit == nil {
		err = &diag.Problem{Summary: "How the container ended is not known", Detail: status.Ending()}
	}
	return status, err
}

func newWaitedFor(c *recordedContainer, s supervisor.Status) waitedFor {
	row := waitedFor{Address: c.address().String(), Status: string(s.Phase), Health: string(s.Health.Status)}
	if s.Exit != nil && !s.Phase.Alive() {
		row.ExitCode = &s.Exit.Code
	}
	return row
}

func (v *view) printWaited(rows []waitedFor, flags waitFlags) error {
	if flags.asJSON {
		return v.json(rows)
	}
	for _, r := range rows {
		if flags.healthy {
			v.printf("%s: %s\n", r.Address, r.Health)
		} else if r.ExitCode != nil {
			v.printf("%d\n", *r.ExitCode)
		}
	}
	return nil
}
