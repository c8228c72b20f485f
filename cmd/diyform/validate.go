package main

import (
	"bytes"
	"encoding/json"

	"github.com/hashicorp/hcl/v2"
	"github.com/spf13/cobra"

	"github.com/diyform/diyform/internal/diag"
	"github.com/diyform/diyform/plan"
	"github.com/diyform/diyform/providers/registry"
)

func newValidate(v *view) *cobra.Command {
	var asJSON, compact bool
	cmd := &cobra.Command{
		Use:   "validate",
		Short: "Check the configuration",
		Long:  "Checks the configuration and its tests for themselves: no variables' values, no state, no kernel.",
		Args:  noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, diags := v.loadConfiguration(cmd.Context())
			if !diags.HasErrors() {
				diags = append(diags, plan.Validate(cfg, registry.New())...)
			}
			diags = append(diags, validateTests(cfg.Files)...)
			if asJSON {
				return v.validationJSON(cfg.Files, diags)
			}
			v.compact = compact
			v.diagnostics(cfg.Files, diags)
			if diags.HasErrors() {
				return exitStatus(exitError)
			}
			c := palette(v.out)
			v.printf("%s The configuration is valid.\n", c.Bold(c.Green("Success!")))
			return nil
		},
	}
	cmd.Flags().BoolVar(&compact, "compact-warnings", false, "tell warnings with a line or two each")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the result as JSON, in the form of terraform validate -json")
	return cmd
}

// documents gives diagnostics for scripts.
func documents(files map[string]*hcl.File, diags hcl.Diagnostics) []diag.Document {
	list := []diag.Document{}
	for _, d := range diags {
		list = append(list, diag.NewDocument(d, files))
	}
	return list
}

func (v *view) validationJSON(files map[string]*hcl.File, diags hcl.Diagnostics) error {
	errors := len(diag.Errors(diags))
	err := v.json(map[string]any{
		"format_version": "1.0", "valid": errors == 0,
		"error_count": errors, "warning_count": len(diags) - errors, "diagnostics": documents(files, diags),
	})
	if err == nil && errors > 0 {
		return exitStatus(exitError)
	}
	return err
}

// compactJSON is for values that stand inside a line.
func compactJSON(raw json.RawMessage) string {
	var b bytes.Buffer
	if err := json.Compact(&b, raw); err != nil {
		return string(raw)
	}
	return b.String()
}
