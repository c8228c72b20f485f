package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/diyform/diyform/providers/container/supervisor"
)

func newRestart(v *view) *cobra.Command {
	var flags containerFlags
	cmd := &cobra.Command{
		Use:   "restart [flags] ADDRESS ...",
		Short: "Stop containers and start them again",
		Long:  "Stops containers, as `diyform stop` does, and starts them again.",
		RunE: func(cmd *cobra.Command, args []string) error {
			l := orderly{name: "restart", done: "restarted", wrong: "The container cannot be restarted"}
			l.do = func(ctx context.Context, c *recordedContainer) (supervisor.Status, error) {
				return c.client().Restart(ctx, c.status.Spec.ID)
			}
			return l.run(cmd.Context(), v, args, flags)
		},
	}
	flags.add(cmd)
	return cmd
}
