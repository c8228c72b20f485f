package main

import (
	"fmt"

	"github.com/spf13/cobra"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"

	"github.com/diyform/diyform/apply"
	"github.com/diyform/diyform/internal/diag"
	"github.com/diyform/diyform/plan"
	"github.com/diyform/diyform/state"
)

func newOutput(v *view) *cobra.Command {
	var asJSON, raw bool
	cmd := &cobra.Command{
		Use:   "output [NAME]",
		Short: "Show the outputs of the last apply",
		Args:  cobra.MaximumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			st, err := loadState()
			if err != nil {
				return v.stateError(err)
			}
			switch {
			case asJSON && raw:
				return v.failWith(&diag.Problem{Summary: "Two forms at once", Detail: "-json and -raw exclude each other."}, "")
			case len(args) == 1:
				return v.oneOutput(st, args[0], asJSON, raw)
			case raw:
				return v.failWith(&diag.Problem{Summary: "No output named", Detail: "-raw prints one output: name it."}, "")
			case asJSON:
				return v.json(plan.OutputsJSON(st.Outputs))
			}
			v.printOutputs(st.Outputs)
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print as JSON")
	cmd.Flags().BoolVar(&raw, "raw", false, "print a string, number or bool as it is, without a line's end")
	return cmd
}

func (v *view) oneOutput(st *state.State, name string, asJSON, raw bool) error {
	o := st.Outputs[name]
	if o == nil {
		return v.failWith(&diag.Problem{
			Summary: "No such output",
			Detail:  fmt.Sprintf("The last apply gave no output %q.%s", name, diag.Suggest(name, keys(st.Outputs))),
		}, "")
	}
	if asJSON {
		v.printf("%s\n", compactJSON(o.Value))
		return nil
	}
	value, err := plan.DecodeOutput(o)
	if err != nil {
		return v.stateError(err)
	}
	if !raw {
		v.printf("%s\n", plan.Format(value))
		return nil
	}
	s, err := convert.Convert(value, cty.String)
	if err != nil || s.IsNull() {
		return v.failWith(&diag.Problem{
			Summary: "The output has no plain form",
			Detail:  fmt.Sprintf("-raw prints strings, numbers and bools, and %q is %s. Use -json.", name, value.Type().FriendlyName()),
		}, "")
	}
	v.printf("%s", s.AsString())
	return nil
}

// printOutputs prints names and values; sensitive ones are named only.
func (v *view) printOutputs(outputs map[string]*state.Output) {
	for _, name := range keys(outputs) {
		text := plan.Hidden
		if o := outputs[name]; !o.Sensitive {
			value, err := plan.DecodeOutput(o)
			if err != nil {
				text = err.Error()
			} else {
				text = plan.Format(value)
			}
		}
		v.printf("%s = %s\n", name, text)
	}
}

func (s *session) printOutputs(r *apply.Result) {
	if len(r.Outputs) > 0 {
		s.view.printf("\n%s\n\n", palette(s.view.out).Bold("Outputs:"))
		s.view.printOutputs(r.Outputs)
	}
}
