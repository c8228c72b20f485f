package plan

import (
	"context"
	"fmt"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"

	"github.com/diyform/diyform/config"
	"github.com/diyform/diyform/internal/addr"
	"github.com/diyform/diyform/internal/diag"
	"github.com/diyform/diyform/internal/marks"
	"github.com/diyform/diyform/providers"
	"github.com/diyform/diyform/state"
)

// Importing is how an object that is not recorded yet was named.
type Importing struct{ ID string }

// importTarget is one object that shall be imported.
type importTarget struct {
	to     addr.Instance
	id     string
	at, on *hcl.Range // of the id, and of the address; nil from the command line
}

// checkImportBlocks tells what is wrong with import blocks whatever is there.
func checkImportBlocks(cfg *config.Config, registry *providers.Registry) hcl.Diagnostics {
	var diags hcl.Diagnostics
	for _, i := range cfg.Imports {
		diags = append(diags, cfg.CheckReferences(config.References(i.ForEach), config.Scope{})...)
		for _, refs := range [][]config.Reference{config.References(i.ID), i.To.References(), config.References(i.ForEach)} {
			for _, ref := range refs {
				if isObject(ref) {
					diags = append(diags, diag.Error(&ref.Range, "Import by what a resource has",
						"What is imported is looked up before any resource is evaluated, so it can be named by variables, local values and "+
							"each alone. Write the value, or make it a local value that both use."))
					continue
				}
				diags = append(diags, cfg.CheckReference(ref, i.Scope())...)
			}
		}
		diags = append(diags, checkImportType(i, registry)...)
	}
	return diags
}

func checkImportType(i *config.Import, registry *providers.Registry) hcl.Diagnostics {
	a, ok := i.Type()
	if !ok {
		return hcl.Diagnostics{diag.Error(&i.To.Range, "Import of a module",
			"What is imported becomes a resource: name one, as in bridge.lan.")}
	}
	return refuseImport(a, registry, &i.To.Range)
}

// refuseImport refuses types of which nothing can be imported.
func refuseImport(name string, registry *providers.Registry, at *hcl.Range) hcl.Diagnostics {
	t := registry.Type(name)
	if t == nil {
		return hcl.Diagnostics{diag.Error(at, "Unknown resource type",
			fmt.Sprintf("diyform has no resource type %q.%s", name, diag.Suggest(name, registry.TypeNames())))}
	}
	if t.ImportForm() == "" {
		return hcl.Diagnostics{diag.Error(at, "Resources of this type cannot be imported",
			fmt.Sprintf("An object of type %s cannot become this state's. %s", name, t.RefuseImport()))}
	}
	return nil
}

// evaluateImports gives what configuration wants imported, for_each carried out.
func evaluateImports(cfg *config.Config, given Given, registry *providers.Registry) ([]*importTarget, hcl.Diagnostics) {
	if len(cfg.Imports) == 0 {
		return nil, nil
	}
	e, err := NewEvaluator(cfg, given, registry)
	if err != nil {
		return nil, diag.FromError(err, "The configuration cannot be evaluated", nil)
	}
	var out []*importTarget
	var diags hcl.Diagnostics
	first := map[addr.Instance]*importTarget{}
	for _, i := range cfg.Imports {
		list, more := e.importTargets(i)
		diags = append(diags, more...)
		for _, t := range list {
			if other := first[t.to]; other != nil {
				diags = append(diags, diag.Error(t.on, "Two imports to one address",
					fmt.Sprintf("%s cannot be both %q and %q, which the block at %s:%d wants. Remove one of the two.",
						t.to, t.id, other.id, other.on.Filename, other.on.Start.Line)))
				continue
			}
			first[t.to] = t
			out = append(out, t)
		}
	}
	return out, diags
}

func (e *Evaluator) importTargets(i *config.Import) ([]*importTarget, hcl.Diagnostics) {
	if i.ForEach == nil {
		t, diags := e.importTarget(i, nil)
		if diags.HasErrors() {
			return nil, diags
		}
		return []*importTarget{t}, diags
	}
	var x expansion
	diags := e.root.expandForEach(&x, &config.Repetition{ForEach: i.ForEach})
	if diags.HasErrors() {
		return nil, diags
	}
	var out []*importTarget
	for _, key := range x.keys {
		t, more := e.importTarget(i, x.repetition(key))
		if diags = append(diags, more...); !more.HasErrors() {
			out = append(out, t)
		}
	}
	return out, diags
}

func (e *Evaluator) importTarget(i *config.Import, each map[string]cty.Value) (*importTarget, hcl.Diagnostics) {
	refs := slices.Concat(references(i.ID), simpleKeys(i.To.References()))
	ctx, diags := e.root.context(nil, refs, each)
	if diags.HasErrors() {
		return nil, diags
	}
	to, diags := i.To.Evaluate(ctx)
	if diags.HasErrors() {
		return nil, diags
	}
	v, more := i.ID.Value(ctx)
	if diags = append(diags, more...); diags.HasErrors() {
		return nil, diags
	}
	at := i.ID.Range()
	if v.HasMark(marks.Sensitive) || v.HasMark(marks.Ephemeral) {
		return nil, append(diags, diag.Error(&at, "Invalid id", "The id comes from a value that must not be shown, and what is imported is always shown."))
	}
	v, _ = v.Unmark()
	id, err := convert.Convert(v, cty.String)
	switch {
	case err != nil || id.IsKnown() && (id.IsNull() || id.AsString() == ""):
		return nil, append(diags, diag.Error(&at, "Invalid id", "The id is a text that names what is to be imported."))
	case !id.IsKnown():
		return nil, append(diags, diag.Error(&at, "Invalid id", "The id depends on values that are known only after apply, so it cannot be told what is to be imported."))
	}
	return &importTarget{to: to.Instance(), id: id.AsString(), at: &at, on: &i.To.Range}, diags
}

// findImports reads what is to be imported, as if it were recorded already.
func (p *Plan) findImports(ctx context.Context) hcl.Diagnostics {
	targets, diags := p.importTargets()
	if diags.HasErrors() {
		return diags
	}
	for _, t := range targets {
		rec := p.recorded[t.to]
		if p.focus.includes(t.to) && (rec == nil || rec.Actual == nil) {
			p.imports = append(p.imports, t)
		}
	}
	for _, t := range p.imports {
		if p.Input.Config.Resource(t.to.Resource) == nil {
			diags = append(diags, noImportTarget(p.Input.Config, t))
		}
	}
	if diags.HasErrors() {
		return diags
	}
	return append(diags, p.readImports(ctx)...)
}

func (p *Plan) importTargets() ([]*importTarget, hcl.Diagnostics) {
	if p.Input.Mode != Adopt {
		return evaluateImports(p.Input.Config, p.Input.given(), p.Input.Registry)
	}
	r := p.Input.Options.Import
	if diags := p.checkImportRequest(r); diags.HasErrors() {
		return nil, diags
	}
	return []*importTarget{{to: r.To, id: r.ID}}, nil
}

func noImportTarget(cfg *config.Config, t *importTarget) *hcl.Diagnostic {
	if t.on == nil {
		return diag.Error(nil, "No resource for what is imported",
			fmt.Sprintf("There is no resource %s in the configuration that %q could become.%s Write its block first: resource %q %q {}",
				t.to.Resource, t.id, nearTargets(cfg, t.to.Resource), t.to.Type, t.to.Name))
	}
	return diag.Error(t.on, "No resource for what is imported",
		fmt.Sprintf("There is no resource %s in the configuration that %q could become.%s Write its block, or have it written: "+
			"diyform plan -generate-config-out=generated.diy.hcl.", t.to.Resource, t.id, nearTargets(cfg, t.to.Resource)))
}

// readImports finds the objects, and refuses those that a resource has already.
func (p *Plan) readImports(ctx context.Context) hcl.Diagnostics {
	bySession := map[providers.Session][]*importTarget{}
	for _, t := range p.imports {
		s := p.Input.Sessions.OfType(t.to.Type)
		bySession[s] = append(bySession[s], t)
	}
	held := p.heldPlaces()
	var diags hcl.Diagnostics
	for session, list := range bySession {
		requests := make([]providers.ImportRequest, len(list))
		for i, t := range list {
			requests[i] = providers.ImportRequest{Address: t.to, ID: t.id}
		}
		for i, r := range session.Snapshot().Import(ctx, requests) {
			t := list[i]
			if r.Err != nil {
				diags = append(diags, diag.FromError(r.Err, "The object cannot be imported", t.at)...)
				continue
			}
			diags = append(diags, p.takeImport(t, r.Object, held)...)
		}
	}
	return diag.InOrder(diags)
}

// heldPlaces tells which recorded object has which place.
func (p *Plan) heldPlaces() map[providers.Place]addr.Instance {
	held := map[providers.Place]addr.Instance{}
	for a, rec := range p.recorded {
		if rec.Actual == nil {
			continue
		}
		for _, place := range p.Input.Registry.Type(a.Type).Places(rec.Actual.Attributes).Holds {
			held[place] = a
		}
	}
	return held
}

func (p *Plan) takeImport(t *importTarget, o *providers.Object, held map[providers.Place]addr.Instance) hcl.Diagnostics {
	for _, place := range p.Input.Registry.Type(t.to.Type).Places(o.Attributes).Holds {
		if by, ok := held[place]; ok {
			return hcl.Diagnostics{diag.Error(t.at, "The object is managed already",
				fmt.Sprintf("The %s is that of %s. To give it the address %s, use a moved block instead: from = %s, to = %s.",
					place, by, t.to, by, t.to))}
		}
		held[place] = t.to
	}
	p.recorded[t.to] = &Recorded{
		Object: o, Actual: o, Importing: &Importing{ID: t.id},
		Record: &state.Resource{Address: t.to, Status: state.Ready, Identity: o.Identity, KnownAs: o.KnownAs},
	}
	return nil
}

// checkImports finds imports to instances that count or for_each does not give, and tells what
// an import would not outlive.
func (p *Plan) checkImports() hcl.Diagnostics {
	var diags hcl.Diagnostics
	for _, t := range p.imports {
		c := p.byAddress[t.to]
		switch {
		case c == nil || c.Importing == nil:
			diags = append(diags, diag.Error(t.on, "No resource for what is imported",
				fmt.Sprintf("The block %s has no instance %s, so %q cannot become that.%s", t.to.Resource, t.to, t.id, p.instancesHint(t.to.Resource))))
		case c.Action == Replace && p.Input.Mode != Adopt:
			diags = append(diags, diag.Warning(t.on, "What is imported would be replaced",
				fmt.Sprintf("%s is not as the configuration has %s, and %s cannot change in place: it would be destroyed, and made anew. "+
					"To keep it, let the block say what is there.", t.id, t.to, c.replacing())))
		}
	}
	return diags
}

func (p *Plan) instancesHint(r addr.Resource) string {
	b := p.Evaluator.block(r)
	if b == nil || len(b.expansion.keys) == 0 {
		return ""
	}
	return fmt.Sprintf(" It has %s.", r.Instance(b.expansion.keys[0]))
}
