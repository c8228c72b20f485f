package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/diyform/diyform/internal/diag"
	"github.com/diyform/diyform/plan"
	"github.com/diyform/diyform/providers/registry"
)

// graphModes are the kinds of graphs of steps, by the names that -type has for them.
var graphModes = map[string]plan.Mode{
	"plan": plan.Normal, "apply": plan.Normal, "plan-destroy": plan.Destroy, "plan-refresh-only": plan.RefreshOnly,
}

func newGraph(v *view) *cobra.Command {
	var flags stackFlags
	var kind, file string
	cmd := &cobra.Command{
		Use:   "graph",
		Short: "Print what depends on what, for Graphviz",
		Long: "Prints the resources and data of the configuration and what they refer to, in the DOT language.\n" +
			"With -type=plan, or with a plan file, it prints the steps of a plan, and which waits for which.",
		Example: "  diyform graph | dot -Tsvg >graph.svg\n" +
			"  diyform graph -type=plan-destroy\n" +
			"  diyform graph -plan=FILE",
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, steps := graphModes[kind]
			switch {
			case file != "" && cmd.Flags().Changed("type") && kind != "apply":
				return v.failWith(&diag.Problem{Summary: "Flags that contradict each other",
					Detail: "A plan file says what kind of plan it is: leave -type out, or use -type=apply."}, "")
			case file != "" || steps:
				return v.planGraph(cmd.Context(), kind, file, &flags)
			case kind == "config":
				return v.configGraph(cmd.Context())
			}
			return v.failWith(&diag.Problem{
				Summary: "Unknown kind of graph", Detail: fmt.Sprintf("-type is %s, not %q.%s",
					strings.Join(graphTypes(), ", "), kind, diag.Suggest(kind, graphTypes())),
			}, "")
		},
	}
	flags.add(cmd)
	cmd.Flags().StringVar(&kind, "type", "config", "what the graph shows: "+strings.Join(graphTypes(), ", "))
	cmd.Flags().StringVar(&file, "plan", "", "show the steps of the plan in this file")
	return cmd
}

func graphTypes() []string { return append([]string{"config"}, keys(graphModes)...) }

func (v *view) configGraph(ctx context.Context) error {
	cfg, diags := v.loadConfiguration(ctx)
	r := registry.New()
	if !diags.HasErrors() {
		diags = append(diags, plan.Validate(cfg, r)...)
	}
	if diags.HasErrors() {
		return v.fail(cfg.Files, diags)
	}
	var edges [][2]string
	for from, needs := range plan.BlockNeeds(cfg, r) {
		edges = append(edges, [2]string{from.String(), ""})
		for _, to := range needs {
			edges = append(edges, [2]string{from.String(), to.String()})
		}
	}
	writeDOT(v.out, edges)
	return nil
}

// planGraph prints the steps of a plan file, or of a plan that is made for it.
func (v *view) planGraph(ctx context.Context, kind, path string, flags *stackFlags) error {
	var file *plan.File
	var err error
	if path != "" {
		if file, err = readPlan(path); err != nil {
			return v.failWith(err, "The plan cannot be read")
		}
	}
	s, err := v.open(ctx, "graph", true, flags)
	if err != nil {
		return err
	}
	defer s.close()
	var p *plan.Plan
	if file != nil {
		p, err = s.approvedPlan(ctx, file, flags)
	} else {
		p, err = s.makePlan(ctx, graphModes[kind], flags)
	}
	if err != nil {
		return err
	}
	steps, diags := p.Steps()
	if diags.HasErrors() {
		return v.fail(s.files(), diags)
	}
	var edges [][2]string
	for i := range steps.Len() {
		edges = append(edges, [2]string{steps.Node(i).String(), ""})
		for _, to := range steps.Dependencies(i) {
			edges = append(edges, [2]string{steps.Node(i).String(), steps.Node(to).String()})
		}
	}
	writeDOT(v.out, edges)
	return nil
}

// writeDOT writes a graph of edges; one without an end is a node.
func writeDOT(w io.Writer, edges [][2]string) {
	slices.SortFunc(edges, func(a, b [2]string) int { return strings.Compare(a[0]+"\x00"+a[1], b[0]+"\x00"+b[1]) })
	fmt.Fprintln(w, "digraph {\n  rankdir = \"RL\";\n  node [shape = rect, fontname = \"sans-serif\"];")
	for _, e := range slices.Compact(edges) {
		if e[1] == "" {
			fmt.Fprintf(w, "  %s;\n", quoteDOT(e[0]))
		} else {
			fmt.Fprintf(w, "  %s -> %s;\n", quoteDOT(e[0]), quoteDOT(e[1]))
		}
	}
	fmt.Fprintln(w, "}")
}

// quoteDOT writes a quoted string of the DOT language, in which a backslash before a quotation
// mark is all that is special.
func quoteDOT(s string) string { return `"` + strings.ReplaceAll(s, `"`, `\"`) + `"` }
