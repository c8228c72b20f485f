package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/diyform/diyform/apply"
	"github.com/diyform/diyform/internal/addr"
	"github.com/diyform/diyform/plan"
	"github.com/diyform/diyform/providers/registry"
)

func newImport(v *view) *cobra.Command {
	flags := stackFlags{refresh: true}
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "import ADDRESS ID",
		Short: "Manage something that exists already",
		Long: "Makes what somebody else made the resource of an address, whose block the configuration has. Nothing\n" +
			"of it is changed but the mark that says whose it is: `diyform plan` then shows what the configuration\n" +
			"wants otherwise. From then on it is this state's, and diyform destroy destroys it.\n\n" +
			"What an ID is depends on the type:\n\n" + importForms() +
			"\nAn import block does the same as a part of a plan, and for_each in it for many.",
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			v.startStream(asJSON)
			a, err := addr.Parse(args[0])
			if err != nil {
				return v.failWith(err, "Not an address")
			}
			return v.importOne(cmd.Context(), plan.ImportRequest{To: a, ID: args[1]}, &flags)
		},
	}
	flags.addVariables(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print what happens as messages, one JSON object a line")
	return cmd
}

// importForms lists how each type's ids are written.
func importForms() string {
	var b strings.Builder
	r := registry.New()
	for _, name := range r.TypeNames() {
		if form := r.Type(name).ImportForm(); form != "" {
			fmt.Fprintf(&b, "  %s\n      %s\n", name, form)
		}
	}
	return b.String()
}

func (v *view) importOne(ctx context.Context, r plan.ImportRequest, f *stackFlags) error {
	s, err := v.open(ctx, "import", true, f)
	if err != nil {
		return err
	}
	defer s.close()
	if err := s.loadConfig(ctx, f, nil); err != nil {
		return err
	}
	p, err := s.plan(ctx, plan.Adopt, plan.Options{Import: r})
	if err != nil {
		return err
	}
	progress := v.reporter(p)
	result, diags := apply.Run(ctx, s.store, p, apply.Options{Observe: progress.step})
	progress.close()
	v.diagnostics(s.files(), diags)
	if result == nil || len(result.Failed) > 0 || diags.HasErrors() {
		return exitStatus(exitError)
	}
	v.tellImported(p, r, result)
	return nil
}

func (v *view) tellImported(p *plan.Plan, r plan.ImportRequest, result *apply.Result) {
	otherwise := ""
	if len(p.Pending) > 0 {
		otherwise = fmt.Sprintf("The configuration wants it otherwise: %s. `diyform plan` shows what apply would do.", pendingNames(p))
	}
	if v.stream != nil {
		v.stream.applied(p, result)
		if otherwise != "" {
			v.stream.log(otherwise)
		}
		return
	}
	c := palette(v.out)
	v.printf("\n%s\n", c.Bold(c.Green(fmt.Sprintf("Import complete! %q is %s now.", r.ID, r.To))))
	if otherwise != "" {
		v.printf("%s\n", otherwise)
	}
}

// pendingNames lists the arguments in which the object is not as it is wanted.
func pendingNames(p *plan.Plan) string {
	var names []string
	for _, d := range p.Pending {
		name := d.Path
		if d.Replace {
			name += " (which replaces it)"
		}
		names = append(names, name)
	}
	return strings.Join(names, ", ")
}
