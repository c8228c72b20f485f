package main

import (
	"fmt"
	"runtime"

	"github.com/spf13/cobra"
)

func newVersion(v *view) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Show the version",
		Args:  noArguments,
		RunE: func(*cobra.Command, []string) error {
			if asJSON {
				return v.json(map[string]string{"version": version, "go": runtime.Version(), "platform": runtime.GOOS + "_" + runtime.GOARCH})
			}
			v.printf("%s", versionLine())
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print as JSON")
	return cmd
}

func versionLine() string {
	return fmt.Sprintf("diyform %s (%s, %s/%s)\n", version, runtime.Version(), runtime.GOOS, runtime.GOARCH)
}
