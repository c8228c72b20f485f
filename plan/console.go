package plan

import (
	"context"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"github.com/diyform/diyform/config"
	"github.com/diyform/diyform/internal/addr"
	"github.com/diyform/diyform/internal/diag"
	"github.com/diyform/diyform/state"
)

// Scope evaluates single expressions, as outputs of the root module would be. It changes
// nothing, and reads from the kernel only data sources, each when an expression needs it for
// the first time.
type Scope struct {
	input     Input
	evaluator *Evaluator
	recorded  *recordedScope // nil: the evaluator knows all instances
}

// NewScope makes a scope of what is recorded: instances that are not are unknown.
func NewScope(in Input) (*Scope, hcl.Diagnostics) {
	diags := Validate(in.Config, in.Registry)
	if diags.HasErrors() {
		return nil, diags
	}
	e, err := NewEvaluator(in.Config, in.given(), in.Registry)
	if err != nil {
		return nil, append(diags, diag.FromError(err, "The configuration cannot be evaluated", nil)...)
	}
	s := &Scope{input: in, evaluator: e, recorded: &recordedScope{
		input: in, records: map[addr.Resource][]*state.Resource{}, ready: map[any]bool{}, data: dataCache{},
	}}
	for _, r := range in.State.Sorted() {
		s.recorded.records[r.Address.Resource] = append(s.recorded.records[r.Address.Resource], r)
	}
	s.addFunctions()
	return s, diags
}

// Scope gives a scope of what the plan expects to be there after apply.
func (p *Plan) Scope() *Scope {
	s := &Scope{input: p.Input, evaluator: p.Evaluator}
	s.addFunctions()
	return s
}

// addFunctions adds those of the console. Unlike in a plan, timestamp and its like have values.
func (s *Scope) addFunctions() {
	e := s.evaluator
	e.functions = config.FunctionScope{Dir: e.cfg.Dir, PlanTime: e.planTime, Console: true}.Functions()
	for _, m := range e.modules {
		m.forget()
	}
}

// Functions lists the names of the functions.
func (s *Scope) Functions() []string { return sortedNames(s.evaluator.functions) }

// Value evaluates an expression.
func (s *Scope) Value(ctx context.Context, expr hcl.Expression) (cty.Value, hcl.Diagnostics) {
	root := s.evaluator.root
	refs := config.References(expr)
	diags := root.cfg.CheckReferences(refs, config.Scope{})
	if !diags.HasErrors() && s.recorded != nil {
		diags = append(diags, s.recorded.need(ctx, root, refs)...)
	}
	if diags.HasErrors() {
		return cty.DynamicVal, diags
	}
	v, more := root.value(expr)
	return v, append(diags, root.suggestAttributes(root.cfg, more)...)
}

// Attributes gives the names that may follow the address of a block of the root module, or nil.
func (s *Scope) Attributes(a addr.Resource) []string {
	if b := s.evaluator.block(a); b != nil {
		return sortedNames(b.schema.ImpliedType().AttributeTypes())
	}
	return nil
}

// recordedScope finds out what is known without a plan, as far as expressions ask for it.
type recordedScope struct {
	input   Input
	records map[addr.Resource][]*state.Resource
	ready   map[any]bool // what was found out: each *block and *call, whose instances are known then, each nameIn
	data    dataCache
}

// need finds out what refs, which stand in m, lead to: over local values, variables and outputs
// to resources. That this ends is known: configuration has no circles.
func (s *recordedScope) need(ctx context.Context, m *module, refs []config.Reference) hcl.Diagnostics {
	var diags hcl.Diagnostics
	for _, ref := range refs {
		subject := ref.Subject
		switch subject.Kind {
		case config.ModuleSubject:
			diags = append(diags, s.needModule(ctx, m, ref)...)
		case config.ResourceSubject:
			b := m.blocks[subject.Resource]
			diags = append(diags, s.once(b, func() hcl.Diagnostics { return s.fill(ctx, b) })...)
		case config.LocalSubject, config.VariableSubject:
			diags = append(diags, s.once(nameIn{m, subject}, func() hcl.Diagnostics { return s.needName(ctx, m, subject) })...)
		}
	}
	return diags
}

// nameIn is a local value or variable of a module's instance.
type nameIn struct {
	module  *module
	subject config.Subject
}

// needName finds out what a local value, or a variable that a module block sets, leads to.
func (s *recordedScope) needName(ctx context.Context, m *module, name config.Subject) hcl.Diagnostics {
	if name.Kind == config.LocalSubject {
		return s.need(ctx, m, references(m.cfg.Locals[name.Name].Expr))
	}
	if m.parent == nil {
		return nil
	}
	if attr := m.call.cfg.Arguments[name.Name]; attr != nil {
		return s.need(ctx, m.parent, references(attr.Expr))
	}
	return nil
}

// once calls fill unless it has succeeded before. What failed may go better next time: it is
// asked of the kernel.
func (s *recordedScope) once(what any, fill func() hcl.Diagnostics) hcl.Diagnostics {
	if s.ready[what] {
		return nil
	}
	diags := fill()
	s.ready[what] = !diags.HasErrors()
	return diags
}

// needModule finds out the outputs of a module that a reference means.
func (s *recordedScope) needModule(ctx context.Context, m *module, ref config.Reference) hcl.Diagnostics {
	c := m.calls[ref.Subject.Name]
	diags := s.once(c, func() hcl.Diagnostics {
		diags := s.need(ctx, m, c.cfg.Repetition.References())
		if !diags.HasErrors() {
			_ = m.expandCall(c.cfg.Name) // with errors it is not known how many there should be
		}
		return diags
	})
	for _, key := range sortedKeys(c.instances) {
		child := c.instances[key]
		for _, name := range sortedNames(child.cfg.Outputs) {
			if ref.Output == "" || ref.Output == name {
				diags = append(diags, s.need(ctx, child, child.cfg.Outputs[name].References())...)
			}
		}
	}
	return diags
}

// fill makes the instances of a block known, as far as they are.
func (s *recordedScope) fill(ctx context.Context, b *block) hcl.Diagnostics {
	refs := b.cfg.Repetition.References()
	if b.addr.Mode == addr.Data {
		refs = b.needs
	}
	diags := s.need(ctx, b.in, refs)
	if diags.HasErrors() || b.in.expand(&b.expansion, &b.cfg.Repetition).HasErrors() {
		return diags // how many there should be is not known yet, and so the block is not
	}
	if b.addr.Mode == addr.Data {
		return s.read(ctx, b)
	}
	for _, r := range s.records[b.addr] {
		object, _, err := DecodeRecord(s.input.Registry, r)
		if err != nil {
			return append(diags, diag.FromError(err, "The state cannot be read", nil)...)
		}
		if v := object.Attributes; !v.IsNull() { // else it was being made when a run was killed
			b.values[r.Address.Key] = mark(v, append(pathsIn(v, r.Sensitive), b.schema.Sensitive(v)...))
		}
	}
	return diags
}

// read reads the instances of a data block whose arguments are known.
func (s *recordedScope) read(ctx context.Context, b *block) hcl.Diagnostics {
	var diags hcl.Diagnostics
	d := &decision{Plan: &Plan{Input: s.input}, data: s.data}
	for _, k := range b.expansion.keys {
		c := &Change{Address: b.addr.Instance(k), Schema: b.schema}
		args, more := b.in.Arguments(c.Address)
		diags = append(diags, more...)
		if more.HasErrors() {
			continue
		}
		c.Config, c.Sensitive = unmark(b.schema, args)
		query, more := dataQuery(b.schema, b.cfg, c.Config)
		if !more.HasErrors() && c.Config.IsWhollyKnown() {
			query, more = d.readData(ctx, b, c.Address, query)
		}
		c.After = query
		c.hideBySchema()
		diags = append(diags, c.censor(more)...)
		b.values[k] = mark(c.After, c.Sensitive)
	}
	return diags
}

// Show evaluates an expression and writes its value, or the type that type() gives.
func (s *Scope) Show(ctx context.Context, expr hcl.Expression) (string, hcl.Diagnostics) {
	if diags := checkTypeCalls(expr); diags.HasErrors() {
		return "", diags
	}
	v, diags := s.Value(ctx, expr)
	if diags.HasErrors() {
		return "", diags
	}
	if t, ok := config.TypeResult(v); ok {
		return config.TypeString(t), diags
	}
	return Format(v), diags
}

// checkTypeCalls refuses the function type as a part of an expression: a type is no value.
func checkTypeCalls(expr hcl.Expression) hcl.Diagnostics {
	native, ok := expr.(hclsyntax.Expression)
	if !ok {
		return nil
	}
	return hclsyntax.VisitAll(native, func(node hclsyntax.Node) hcl.Diagnostics {
		call, ok := node.(*hclsyntax.FunctionCallExpr)
		if !ok || call.Name != "type" || node == native {
			return nil
		}
		rng := call.Range()
		return hcl.Diagnostics{diag.Error(&rng, "Invalid use of the function type",
			"type() shows the type of one value, and cannot be part of an expression.")}
	})
}
