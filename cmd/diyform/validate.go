package main

import (
	"bytes"
	"encoding/json"

	"github.com/hashicorp/hcl/v2"
	"github.com/spf13/cobra"

	"github.com/diyform/diyform/plan"
	"github.com/diyform/diyform/providers/registry"
)

func newValidate(v *view) *cobra.Command {
	var asJSON bool
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
				return v.validationJSON(diags)
			}
			v.diagnostics(cfg.Files, diags)
			if diags.HasErrors() {
				return exitStatus(exitError)
			}
			c := palette(v.out)
			v.printf("%s The configuration is valid.\n", c.Bold(c.Green("Success!")))
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the result as JSON, in the form of terraform validate -json")
	return cmd
}

// jsonDiagnostic is a diagnostic in the form of `terraform validate -json`.
type jsonDiagnostic struct {
	Severity string     `json:"severity"`
	Summary  string     `json:"summary"`
	Detail   string     `json:"detail"`
	Range    *jsonRange `json:"range,omitempty"`
}

type jsonRange struct {
	Filename string  `json:"filename"`
	Start    jsonPos `json:"start"`
	End      jsonPos `json:"end"`
}

type jsonPos struct {
	Line   int `json:"line"`
	Column int `json:"column"`
	Byte   int `json:"byte"`
}

func jsonDiagnostics(diags hcl.Diagnostics) []jsonDiagnostic {
	list := []jsonDiagnostic{}
	for _, d := range diags {
		j := jsonDiagnostic{Severity: "error", Summary: d.Summary, Detail: d.Detail}
		if d.Severity == hcl.DiagWarning {
			j.Severity = "warning"
		}
		if d.Subject != nil {
			j.Range = &jsonRange{d.Subject.Filename, jsonPos(d.Subject.Start), jsonPos(d.Subject.End)}
		}
		list = append(list, j)
	}
	return list
}

func (v *view) validationJSON(diags hcl.Diagnostics) error {
	errors, warnings := 0, 0
	for _, d := range diags {
		if d.Severity == hcl.DiagWarning {
			warnings++
		} else {
			errors++
		}
	}
	err := v.json(map[string]any{
		"format_version": "1.0", "valid": errors == 0,
		"error_count": errors, "warning_count": warnings, "diagnostics": jsonDiagnostics(diags),
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
