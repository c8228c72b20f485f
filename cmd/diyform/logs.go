package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/diyform/diyform/providers/container/supervisor"
)

func newLogs(v *view) *cobra.Command {
	var follow bool
	cmd := &cobra.Command{
		Use:   "logs [-f] ADDRESS",
		Short: "Show what a container has written",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := v.container(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			err = supervisor.Connect(c.runtimeDir).Logs(cmd.Context(), c.status.Spec.ID, follow, v.out)
			if err != nil && context.Cause(cmd.Context()) == nil {
				return c.failWith(err, "The log cannot be read")
			}
			return nil // an interrupt is how following ends
		},
	}
	cmd.Flags().BoolVarP(&follow, "follow", "f", false, "go on as it writes, until it ends")
	return cmd
}
