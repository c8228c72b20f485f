package plan

import (
	"fmt"
	"path/filepath"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/diyform/diyform/config"
	"github.com/diyform/diyform/internal/addr"
	"github.com/diyform/diyform/internal/diag"
	"github.com/diyform/diyform/internal/marks"
)

// module is an instance of a module: what the expressions in it can refer to. Variables, local
// values and outputs are evaluated when they are first asked for.
type module struct {
	*Evaluator
	cfg    *config.Config
	addr   addr.Module
	parent *module // nil of the root module
	call   *call   // in the parent
	key    addr.Key

	blocks map[addr.Resource]*block // by the addresses in the module
	calls  map[string]*call
	paths  cty.Value

	evaluated map[config.Subject]evaluated    // variables, local values, outputs
	needs     map[config.Subject][]Dependency // of the same
	inherited []Dependency                    // of everything in it: depends_on of the calls
}

// call is a module block in one instance of the module that it stands in.
type call struct {
	cfg       *config.Call
	expansion expansion
	instances map[addr.Key]*module
}

type evaluated struct {
	value cty.Value
	diags hcl.Diagnostics
}

// newModule makes the instance of a call with a key, or the root module, whose call is nil.
func (e *Evaluator) newModule(cfg *config.Config, parent *module, c *call, key addr.Key) *module {
	m := &module{
		Evaluator: e, cfg: cfg, parent: parent, call: c, key: key,
		blocks: make(map[addr.Resource]*block, len(cfg.Resources)), calls: make(map[string]*call, len(cfg.Calls)),
		paths: cty.ObjectVal(map[string]cty.Value{
			"module": cty.StringVal(filepath.ToSlash(cfg.Dir)), "root": cty.StringVal(filepath.ToSlash(e.cfg.Dir)),
			"cwd": cty.StringVal(e.cwd),
		}),
	}
	if parent != nil {
		m.addr = parent.addr.Child(c.cfg.Name, key)
	}
	m.forget()
	for a := range cfg.Resources {
		b := &block{definition: e.definitions[a], in: m, addr: m.addr.Resource(a), values: map[addr.Key]cty.Value{}}
		m.blocks[a.Local()] = b
	}
	for name, c := range cfg.Calls {
		m.calls[name] = &call{cfg: c, instances: map[addr.Key]*module{}}
	}
	e.modules[m.addr] = m
	e.instances[cfg.Path] = append(e.instances[cfg.Path], m)
	return m
}

// forget drops what was evaluated from the values of resources.
func (m *module) forget() {
	m.evaluated = map[config.Subject]evaluated{}
	m.needs = map[config.Subject][]Dependency{}
	for _, b := range m.blocks {
		b.whole, b.base = cty.NilVal, nil
	}
}

// value evaluates an expression that stands outside of any block.
func (m *module) value(expr hcl.Expression) (cty.Value, hcl.Diagnostics) {
	ctx, diags := m.context(nil, references(expr), nil)
	if diags.HasErrors() {
		return cty.DynamicVal, diags
	}
	return expr.Value(ctx)
}

// checkScope is the scope of a check's expressions, which see its own data block.
func (m *module) checkScope(k *config.Check, data cty.Value, refs []config.Reference) (*hcl.EvalContext, hcl.Diagnostics) {
	if k.Data != nil {
		own := k.Data.Addr.Local()
		m.blocks[own] = &block{
			definition: &definition{cfg: k.Data, schema: m.registry.Schema(own)}, in: m,
			expansion: expansion{kind: single, keys: []addr.Key{{}}, exists: map[addr.Key]bool{{}: true}},
			values:    map[addr.Key]cty.Value{{}: data},
		}
		defer delete(m.blocks, own)
	}
	return m.context(nil, simpleKeys(refs), nil)
}

// context makes a scope with what refs refer to and the each or count object.
func (m *module) context(parent *hcl.EvalContext, refs []config.Reference, repetition map[string]cty.Value) (*hcl.EvalContext, hcl.Diagnostics) {
	ctx := &hcl.EvalContext{Functions: m.functions, Variables: map[string]cty.Value{}}
	if parent != nil {
		ctx = parent.NewChild()
		ctx.Variables = map[string]cty.Value{}
	}
	for name, v := range repetition {
		ctx.Variables[name] = v
	}
	var diags hcl.Diagnostics
	var variables, locals map[string]cty.Value
	for _, ref := range refs {
		switch s := ref.Subject; s.Kind {
		case config.VariableSubject:
			v, more := m.variable(s.Name)
			diags = append(diags, more...)
			put(&variables, s.Name, v)
		case config.LocalSubject:
			v, more := m.local(s.Name)
			diags = append(diags, more...)
			put(&locals, s.Name, v)
		case config.PathSubject:
			ctx.Variables["path"] = m.paths
		case config.WorkspaceSubject:
			ctx.Variables["diyform"] = cty.ObjectVal(map[string]cty.Value{"workspace": cty.StringVal(m.workspace)})
		}
	}
	if variables != nil {
		ctx.Variables["var"] = cty.ObjectVal(variables)
	}
	if locals != nil {
		ctx.Variables["local"] = cty.ObjectVal(locals)
	}
	if !diags.HasErrors() {
		diags = append(diags, m.addObjects(ctx, refs)...)
	}
	return ctx, diags
}

func put(m *map[string]cty.Value, name string, v cty.Value) {
	if *m == nil {
		*m = map[string]cty.Value{}
	}
	(*m)[name] = v
}

// once evaluates what a name in the module stands for, unless that was done.
func (m *module) once(kind config.SubjectKind, name string, evaluate func() (cty.Value, hcl.Diagnostics)) (cty.Value, hcl.Diagnostics) {
	s := config.Subject{Kind: kind, Name: name}
	out, ok := m.evaluated[s]
	if !ok {
		out.value, out.diags = evaluate()
		m.evaluated[s] = out
	}
	return out.value, out.diags
}

func (m *module) local(name string) (cty.Value, hcl.Diagnostics) {
	return m.once(config.LocalSubject, name, func() (cty.Value, hcl.Diagnostics) { return m.value(m.cfg.Locals[name].Expr) })
}

// variable gives what the module block sets, evaluated where that stands, or the default.
func (m *module) variable(name string) (cty.Value, hcl.Diagnostics) {
	if m.parent == nil {
		return m.variables[name], nil
	}
	return m.once(config.VariableSubject, name, func() (cty.Value, hcl.Diagnostics) {
		v := m.cfg.Variables[name]
		attr := m.call.cfg.Arguments[name]
		if attr == nil {
			return v.Value(cty.NilVal, nil)
		}
		ctx, diags := m.callScope(references(attr.Expr))
		if diags.HasErrors() {
			return cty.UnknownVal(v.Type), diags
		}
		given, diags := attr.Expr.Value(ctx)
		if diags.HasErrors() {
			return cty.UnknownVal(v.Type), diags
		}
		return v.Value(given, attr.Expr.Range().Ptr())
	})
}

// callScope is the scope of the arguments of the module block that m is an instance of.
func (m *module) callScope(refs []config.Reference) (*hcl.EvalContext, hcl.Diagnostics) {
	repetition, diags := m.parent.repetition(&m.call.expansion, &m.call.cfg.Repetition, m.key)
	if diags.HasErrors() {
		return nil, diags
	}
	return m.parent.context(nil, refs, repetition)
}

// output evaluates an output and holds its conditions. Its value is marked as what its block
// says that it is.
func (m *module) output(name string) (cty.Value, hcl.Diagnostics) {
	return m.once(config.OutputSubject, name, func() (cty.Value, hcl.Diagnostics) {
		o := m.cfg.Outputs[name]
		ctx, diags := m.context(nil, simpleKeys(o.References()), nil)
		if diags.HasErrors() {
			return cty.DynamicVal, diags
		}
		if diags = conditionErrors(o.Conditions, ctx, "Precondition failed", m.nameOf("output", name),
			diag.Condition{Object: m.addr.Join("output." + name)}); diags.HasErrors() {
			return cty.DynamicVal, diags
		}
		v, more := o.Expr.Value(ctx)
		diags = append(diags, more...)
		if o.Sensitive {
			v = v.Mark(marks.Sensitive)
		}
		if o.Ephemeral {
			v = v.Mark(marks.Ephemeral)
		} else if marks.Contains(v, marks.Ephemeral) {
			diags = append(diags, ephemeralOutput(o, m.parent == nil))
		}
		return v, diags
	})
}

// nameOf names what the module declares, for people: `output "gateway" of module.lab`.
func (m *module) nameOf(what, name string) string {
	if m.addr.IsRoot() {
		return fmt.Sprintf("%s %q", what, name)
	}
	return fmt.Sprintf("%s %q of %s", what, name, m.addr)
}

func ephemeralOutput(o *config.Output, root bool) *hcl.Diagnostic {
	advice := "Outputs of the root module are recorded, so it cannot be one: use ephemeralasnull(), or leave it out."
	if !root {
		advice = "Add ephemeral = true to the output."
	}
	rng := o.Expr.Range()
	return diag.Error(&rng, "Output of an ephemeral value",
		fmt.Sprintf("The value of output %q comes from an ephemeral value, which nothing may record. %s", o.Name, advice))
}

// moduleValue gives what `module.lab` stands for, as far as it is asked for: the outputs of its
// instances.
func (m *module) moduleValue(sel *moduleSelection) (cty.Value, hcl.Diagnostics) {
	var diags hcl.Diagnostics
	outputs := func(k addr.Key) cty.Value {
		child := sel.call.instances[k]
		names := sel.keys[k]
		if sel.whole || slices.Contains(names, "") {
			names = sortedNames(child.cfg.Outputs)
		}
		values := make(map[string]cty.Value, len(names))
		for _, name := range names {
			v, more := child.output(name)
			diags = append(diags, more...)
			values[name] = v
		}
		return cty.ObjectVal(values)
	}
	x := &sel.call.expansion
	switch {
	case x.kind == single && !x.has(addr.Key{}):
		return cty.NullVal(cty.DynamicPseudoType), nil
	case sel.whole || x.kind == single || x.kind == unexpanded:
		return x.whole(outputs), diags
	}
	return partValue(sortedKeys(sel.keys), outputs), diags
}
