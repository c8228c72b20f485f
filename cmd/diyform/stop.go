package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/diyform/diyform/providers/container/supervisor"
)

func newStop(v *view) *cobra.Command {
	var flags containerFlags
	var seconds uint
	cmd := &cobra.Command{
		Use:   "stop [flags] ADDRESS ...",
		Short: "Stop containers",
		Long: "Asks containers to end by their stop_signal, and ends them when their stop_timeout is over.\n" +
			"No restart policy starts them again; `diyform start` does, and the next apply.",
		RunE: func(cmd *cobra.Command, args []string) error {
			var timeout *time.Duration
			if cmd.Flags().Changed("time") {
				d := time.Duration(seconds) * time.Second
				timeout = &d
			}
			l := orderly{name: "stop", done: "stopped", wrong: "The container cannot be stopped", backwards: true}
			l.do = func(ctx context.Context, c *recordedContainer) (supervisor.Status, error) {
				return c.client().Stop(ctx, c.status.Spec.ID, timeout)
			}
			return l.run(cmd.Context(), v, args, flags)
		},
	}
	flags.add(cmd)
	cmd.Flags().UintVarP(&seconds, "time", "t", 0, "give each so many `SECONDS` instead of its stop_timeout")
	return cmd
}
