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

// node is a name of the configuration, in the module that it is declared in: a resource, a local
// value, a variable or output of a module that is called, the call, a variable's validations.
type node struct {
	module  addr.Module // static
	subject config.Subject
}

func (n node) String() string { return n.module.Join(n.subject.String()) }

// block gives the address of a node that is a resource.
func (n node) block() addr.Resource { return n.module.Resource(n.subject.Resource) }

// evaluationOrder sorts what has to be evaluated so that each comes after what it refers to,
// gives the graph of what refers to what, and tells of cycles with the place of every edge.
func evaluationOrder(cfg *config.Config, registry *providers.Registry) (sorted []node, refers *blockGraph, diags hcl.Diagnostics) {
	g := &blockGraph{edges: map[[2]int]hcl.Range{}}
	for _, c := range cfg.All() {
		g.addModule(c, registry)
	}
	order, ok := g.Order()
	if !ok {
		return nil, nil, g.cycleErrors()
	}
	var first []node // validations that no resource or module has a part in: before anything is made of the values
	free := make([]bool, g.Len())
	for _, i := range order {
		n := g.Node(i)
		free[i] = n.subject.Kind != config.ResourceSubject && n.subject.Kind != config.ModuleSubject
		for _, needed := range g.Dependencies(i) {
			free[i] = free[i] && free[needed]
		}
		switch n.subject.Kind {
		case config.ValidationSubject:
			if free[i] {
				first = append(first, n)
				continue
			}
			sorted = append(sorted, n)
		case config.ResourceSubject, config.ModuleSubject, config.VariableSubject:
			sorted = append(sorted, n)
		}
	}
	return slices.Concat(first, sorted), g, nil
}

type blockGraph struct {
	dag.Graph[node]
	edges map[[2]int]hcl.Range // where the reference stands
}

// addModule adds what is declared in a module.
func (g *blockGraph) addModule(c *config.Config, registry *providers.Registry) {
	for _, a := range sortedBlocks(c) {
		r := c.Resources[a]
		from := g.add(c, config.ResourceSubject, "", a.Local())
		g.refer(from, c, r.Repetition.References())
		g.refer(from, c, r.DependsOn)
		g.refer(from, c, lifecycleReferences(r))
		g.refer(from, c, config.BodyReferences(r.Body, registry.Schema(a).Spec()))
		g.afterCall(from, c, r.DeclRange)
	}
	for _, name := range sortedNames(c.Locals) {
		g.refer(g.add(c, config.LocalSubject, name, addr.Resource{}), c, config.References(c.Locals[name].Expr))
	}
	for _, name := range sortedNames(c.Outputs) {
		o := c.Outputs[name]
		from := g.add(c, config.OutputSubject, name, addr.Resource{})
		g.refer(from, c, o.References())
		g.afterCall(from, c, o.DeclRange)
	}
	for _, name := range sortedNames(c.Calls) {
		g.addCall(c, c.Calls[name])
	}
	for _, name := range sortedNames(c.Variables) {
		if v := c.Variables[name]; len(v.Validations) > 0 {
			from := g.add(c, config.ValidationSubject, name, addr.Resource{})
			g.connect(from, g.add(c, config.VariableSubject, name, addr.Resource{}), v.DeclRange)
			g.refer(from, c, config.ConditionReferences(v.Validations))
			g.afterCall(from, c, v.DeclRange)
		}
	}
}

// addCall adds a module block, and the variables that it sets in its module.
func (g *blockGraph) addCall(c *config.Config, call *config.Call) {
	from := g.add(c, config.ModuleSubject, call.Name, addr.Resource{})
	g.refer(from, c, call.Repetition.References())
	g.refer(from, c, call.DependsOn)
	g.afterCall(from, c, call.DeclRange)
	child := c.Children[call.Name]
	for _, name := range sortedNames(call.Arguments) {
		attr := call.Arguments[name]
		variable := g.add(child, config.VariableSubject, name, addr.Resource{})
		g.refer(variable, c, config.References(attr.Expr))
		g.connect(variable, from, attr.NameRange)
	}
}

func (g *blockGraph) add(c *config.Config, kind config.SubjectKind, name string, r addr.Resource) int {
	return g.AddNode(node{c.Path, config.Subject{Kind: kind, Name: name, Resource: r}})
}

// afterCall puts what a module has after the call of the module, which makes its instances.
func (g *blockGraph) afterCall(from int, c *config.Config, at hcl.Range) {
	if c.Parent != nil {
		_, step := c.Path.Split()
		g.connect(from, g.add(c.Parent, config.ModuleSubject, step.Name, addr.Resource{}), at)
	}
}

func (g *blockGraph) connect(from, to int, at hcl.Range) {
	edge := [2]int{from, to}
	if _, ok := g.edges[edge]; !ok {
		g.edges[edge] = at
		g.AddEdge(from, to)
	}
}

func (g *blockGraph) refer(from int, c *config.Config, refs []config.Reference) {
	for _, ref := range refs {
		switch s := ref.Subject; s.Kind {
		case config.ResourceSubject, config.LocalSubject:
			g.connect(from, g.AddNode(node{c.Path, s}), ref.Range)
		case config.VariableSubject:
			if c.Parent != nil {
				g.connect(from, g.AddNode(node{c.Path, s}), ref.Range)
			}
		case config.ModuleSubject:
			g.referToModule(from, c, ref)
		}
	}
}

// referToModule puts what refers to a module after the outputs that are meant, or after all
// that is in it.
func (g *blockGraph) referToModule(from int, c *config.Config, ref config.Reference) {
	g.connect(from, g.AddNode(node{c.Path, ref.Subject}), ref.Range)
	child := c.Children[ref.Subject.Name]
	if child == nil {
		return // told already
	}
	if ref.Everything {
		for _, inner := range child.All() {
			for a := range inner.Resources {
				g.connect(from, g.add(inner, config.ResourceSubject, "", a.Local()), ref.Range)
			}
		}
		return
	}
	names := []string{ref.Output}
	if ref.Output == "" {
		names = sortedNames(child.Outputs)
	}
	for _, name := range names {
		g.connect(from, g.add(child, config.OutputSubject, name, addr.Resource{}), ref.Range)
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
