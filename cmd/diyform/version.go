package main

import (
	"fmt"
	"runtime"

	"github.com/spf13/cobra"

	"github.com/diyform/diyform/plan"
)

func newVersion(v *view) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Show the version",
		Args:  noArguments,
		RunE: func(*cobra.Command, []string) error {
			if asJSON {
				return v.json(map[string]any{
					"version": version, "go": runtime.Version(), "platform": runtime.GOOS + "_" + runtime.GOARCH,
					// What readers of terraform version -json look for.
					"format_version": "1.0", "terraform_version": plan.TerraformVersion,
					"provider_selections": map[string]string{}, "terraform_outdated": false,
				})
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
