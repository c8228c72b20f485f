package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/diyform/diyform/providers/container/supervisor"
)

func newStart(v *view) *cobra.Command {
	var flags containerFlags
	cmd := &cobra.Command{
		Use:   "start [flags] ADDRESS ...",
		Short: "Start containers that were stopped or have ended",
		Long: "Starts containers again that were stopped or have ended. They find what they have written to their\n" +
			"files. One that runs is left alone.",
		RunE: func(cmd *cobra.Command, args []string) error {
			l := orderly{name: "start", done: "started", wrong: "The container cannot be started"}
			l.do = func(ctx context.Context, c *recordedContainer) (supervisor.Status, error) {
				return c.client().Start(ctx, c.status.Spec.ID)
			}
			return l.run(cmd.Context(), v, args, flags)
		},
	}
	flags.add(cmd)
	return cmd
}
