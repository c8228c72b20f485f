package plan

import (
	"bytes"
	"context"
	"fmt"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hcldec"
	"github.com/hashicorp/hcl/v2/hclwrite"
	"github.com/zclconf/go-cty/cty"

	"github.com/diyform/diyform/internal/diag"
	"github.com/diyform/diyform/providers"
	"github.com/diyform/diyform/providers/schema"
)

// Generate writes resource blocks for what import blocks name and no block is there for, from
// what is read of it. It gives nil where there is nothing to write.
func Generate(ctx context.Context, in Input) ([]byte, hcl.Diagnostics) {
	diags := checkTypes(in.Config, in.Registry)
	diags = append(diags, checkImportBlocks(in.Config, in.Registry)...)
	if diags.HasErrors() {
		return nil, diags
	}
	p := &Plan{Input: in, focus: &focus{all: true}}
	if diags = p.applyMoves(); diags.HasErrors() {
		return nil, diags
	}
	if diags = p.refresh(ctx); diags.HasErrors() {
		return nil, diags
	}
	targets, diags := p.importTargets()
	if diags.HasErrors() {
		return nil, diags
	}
	for _, t := range targets {
		if rec := p.recorded[t.to]; p.Input.Config.Resource(t.to.Resource) != nil || rec != nil && rec.Actual != nil {
			continue
		}
		diags = append(diags, checkGenerated(t)...)
		p.imports = append(p.imports, t)
	}
	if len(p.imports) == 0 || diags.HasErrors() {
		return nil, diags
	}
	if diags = p.readImports(ctx); diags.HasErrors() {
		return nil, diags
	}
	return p.generated(ctx), diags
}

// checkGenerated refuses blocks that could not be written well.
func checkGenerated(t *importTarget) hcl.Diagnostics {
	switch {
	case !t.to.Module.IsRoot():
		return hcl.Diagnostics{diag.Error(t.on, "No block can be written into a module",
			fmt.Sprintf("%s is in a module, whose files may be somebody else's, and of which there may be several instances. Write its block there yourself.", t.to))}
	case !t.to.Key.IsZero():
		return hcl.Diagnostics{diag.Error(t.on, "No block can be written for an instance",
			fmt.Sprintf("%s is an instance of a block with count or for_each, which several imports would share. Write that block yourself, "+
				"or import to an address without an index.", t.to))}
	}
	return nil
}

func (p *Plan) generated(ctx context.Context) []byte {
	var out bytes.Buffer
	out.WriteString("# Written by diyform from what is there. Look through these blocks, and move them to where they belong.\n")
	slices.SortFunc(p.imports, func(a, b *importTarget) int { return a.to.Compare(b.to) })
	for _, t := range p.imports {
		file := hclwrite.NewEmptyFile()
		o := p.recorded[t.to].Actual
		typ := p.Input.Registry.Type(t.to.Type)
		body := file.Body().AppendNewBlock("resource", []string{t.to.Type, t.to.Name}).Body()
		g := generator{ctx: ctx, typ: typ, env: p.Input.Env, object: o}
		writeBody(body, typ.Schema(), g.least())
		fmt.Fprintf(&out, "\n# From %q.\n", t.id)
		out.Write(hclwrite.Format(file.Bytes()))
	}
	return out.Bytes()
}

// generator finds the least that configuration has to say of an object.
type generator struct {
	ctx    context.Context
	typ    providers.Type
	env    providers.Env
	object *providers.Object
}

// least gives the configuration that leaves the object as it is: without what is a default, or
// follows from the rest.
func (g *generator) least() cty.Value {
	s := g.typ.Schema()
	v := conform(g.object.Attributes, hcldec.ImpliedType(s.Spec()))
	v = withoutDefaults(s, v)
	for _, path := range derivedPaths(s) {
		if less := without(v, path); !less.RawEquals(v) && g.leaves(less) {
			v = less
		}
	}
	return v
}

// leaves reports whether a configuration changes nothing of the object.
func (g *generator) leaves(config cty.Value) bool {
	s := g.typ.Schema()
	canonical, problems := s.Canonical(config)
	d := &providers.Derivation{
		Context: g.ctx, Address: g.object.Origin(), Prior: g.object, Env: g.env, Config: canonical,
		Planned: s.Propose(canonical, g.object.Attributes),
	}
	if len(problems) > 0 {
		return false
	}
	g.typ.Derive(d)
	return len(s.Diff(g.object.Attributes, d.Planned)) == 0
}

// derivedPaths lists the attributes that have a value when they are left out, but for names:
// what a name follows from may change.
func derivedPaths(s *schema.Schema) [][]string {
	var out [][]string
	for _, a := range s.Attributes {
		if a.Settable() && a.Computed && a.Name != "name" {
			out = append(out, []string{a.Name})
		}
	}
	for _, b := range s.Blocks {
		if b.Nesting == schema.List {
			continue
		}
		for _, path := range derivedPaths(b.Schema) {
			out = append(out, append([]string{b.Name}, path...))
		}
	}
	return out
}

func without(v cty.Value, path []string) cty.Value {
	if v.IsNull() {
		return v
	}
	m := v.AsValueMap()
	if len(path) == 1 {
		m[path[0]] = cty.NullVal(m[path[0]].Type())
	} else {
		m[path[0]] = without(m[path[0]], path[1:])
	}
	return cty.ObjectVal(m)
}

func withoutDefaults(s *schema.Schema, v cty.Value) cty.Value {
	if v.IsNull() {
		return v
	}
	m := v.AsValueMap()
	for _, a := range s.Attributes {
		if a.Settable() && !a.Required && a.Default != cty.NilVal && a.Equal(m[a.Name], a.Default) {
			m[a.Name] = cty.NullVal(a.Type)
		}
	}
	for _, b := range s.Blocks {
		if b.Nesting != schema.List {
			m[b.Name] = withoutDefaults(b.Schema, m[b.Name])
			continue
		}
		var list []cty.Value
		for _, e := range listElements(m[b.Name]) {
			list = append(list, withoutDefaults(b.Schema, e))
		}
		if len(list) > 0 {
			m[b.Name] = cty.ListVal(list)
		}
	}
	return cty.ObjectVal(m)
}

// writeBody writes what has a value.
func writeBody(body *hclwrite.Body, s *schema.Schema, v cty.Value) {
	for _, a := range s.Attributes {
		if !a.Settable() {
			continue
		}
		e := attribute(v, a.Name)
		if isNull(e) || !e.Type().IsPrimitiveType() && e.LengthInt() == 0 {
			continue
		}
		body.SetAttributeValue(a.Name, e)
	}
	for _, b := range s.Blocks {
		list := []cty.Value{attribute(v, b.Name)}
		if b.Nesting == schema.List {
			list = listElements(list[0])
		}
		for _, e := range list {
			if isNull(e) {
				continue
			}
			writeBody(body.AppendNewBlock(b.Name, nil).Body(), b.Schema, e)
		}
	}
}
