package main

import (
	"runtime"

	"github.com/spf13/cobra"
)

func newVersion(v *view) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Show the version",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if asJSON {
				return v.json(map[string]string{"version": version, "go": runtime.Version(), "platform": runtime.GOOS + "_" + runtime.GOARCH})
			}
			v.printf("diyform %s (%s, %s/%s)\n", version, runtime.Version(), runtime.GOOS, runtime.GOARCH)
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print as JSON")
	return cmd
}
