package plan

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"github.com/diyform/diyform/config"
	"github.com/diyform/diyform/internal/addr"
	"github.com/diyform/diyform/internal/dag"
	"github.com/diyform/diyform/internal/diag"
	"github.com/diyform/diyform/providers"
)

// evaluationOrder sorts the blocks so that each comes after those it refers to, local values
// included, gives which those are, and tells of cycles with the place of every edge.
func evaluationOrder(cfg *config.Config, registry *providers.Registry) (sorted []addr.Resource, needs map[addr.Resource][]addr.Resource, diags hcl.Diagnostics) {
	g := &blockGraph{edges: map[[2]int]hcl.Range{}}
	for _, a := range sortedBlocks(cfg) {
		r := cfg.Resources[a]
		from := g.AddNode(config.Subject{Kind: config.ResourceSubject, Resource: a})
		g.refer(from, config.References(r.Count))
		g.refer(from, config.References(r.ForEach))
		g.refer(from, r.DependsOn)
		g.refer(from, config.References(r.Lifecycle.Enabled))
		g.refer(from, lifecycleReferences(r))
		g.refer(from, config.BodyReferences(r.Body, specOf(a, registry)))
	}
	for _, name := range sortedNames(cfg.Locals) {
		from := g.AddNode(config.Subject{Kind: config.LocalSubject, Name: name})
		g.refer(from, config.References(cfg.Locals[name].Expr))
	}
	order, ok := g.Order()
	if !ok {
		return nil, nil, g.cycleErrors()
	}
	var out []addr.Resource
	for _, i := range order {
		if s := g.Node(i); s.Kind == config.ResourceSubject {
			out = append(out, s.Resource)
		}
	}
	return out, g.blockNeeds(), nil
}

func sortedBlocks(cfg *config.Config) []addr.Resource {
	list := make([]addr.Resource, 0, len(cfg.Resources))
	for a := range cfg.Resources {
		list = append(list, a)
	}
	slices.SortFunc(list, addr.Resource.Compare)
	return list
}

type blockGraph struct {
	dag.Graph[config.Subject]
	edges map[[2]int]hcl.Range // where the reference stands
}

func (g *blockGraph) refer(from int, refs []config.Reference) {
	for _, ref := range refs {
		s := ref.Subject
		if s.Kind != config.ResourceSubject && s.Kind != config.LocalSubject {
			continue
		}
		edge := [2]int{from, g.AddNode(s)}
		if _, ok := g.edges[edge]; !ok {
			g.edges[edge] = ref.Range
			g.AddEdge(edge[0], edge[1])
		}
	}
}

func (g *blockGraph) cycleErrors() hcl.Diagnostics {
	var diags hcl.Diagnostics
	for _, cycle := range g.Cycles() {
		var b strings.Builder
		b.WriteString("These refer to each other in a circle, so none of them can be first:\n")
		for i, from := range cycle {
			to := cycle[(i+1)%len(cycle)]
			at := g.edges[[2]int{from, to}]
			fmt.Fprintf(&b, "\n  %s refers to %s at %s:%d", g.Node(from), g.Node(to), at.Filename, at.Start.Line)
		}
		b.WriteString("\n\nRemove one of these references.")
		at := g.edges[[2]int{cycle[0], cycle[1%len(cycle)]}]
		diags = append(diags, diag.Error(&at, "Cycle", b.String()))
	}
	return diags
}
