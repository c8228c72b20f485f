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

func newGraph(v *view) *cobra.Command {
	var flags stackFlags
	var kind string
	cmd := &cobra.Command{
		Use:   "graph",
		Short: "Print what depends on what, for Graphviz",
		Long: "Prints the resources and data of the configuration and what they refer to, in the DOT language:\n" +
			"diyform graph | dot -Tsvg >graph.svg. With -type=plan it prints the steps of a plan, and which\n" +
			"waits for which.",
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			switch kind {
			case "config":
				return v.configGraph(cmd.Context())
			case "plan":
				return v.planGraph(cmd, &flags)
			}
			return v.failWith(&diag.Problem{
				Summary: "Unknown kind of graph", Detail: fmt.Sprintf("-type is config or plan, not %q.", kind),
			}, "")
		},
	}
	flags.add(cmd)
	cmd.Flags().StringVar(&kind, "type", "config", "what the graph shows: config or plan")
	return cmd
}

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

func (v *view) planGraph(cmd *cobra.Command, flags *stackFlags) error {
	s, err := v.open(cmd.Context(), "graph", true, flags)
	if err != nil {
		return err
	}
	defer s.close()
	p, err := s.makePlan(cmd.Context(), plan.Normal, flags)
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
