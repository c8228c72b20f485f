package plan

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hcldec"
	"github.com/zclconf/go-cty/cty"

	"github.com/diyform/diyform/config"
	"github.com/diyform/diyform/internal/addr"
	"github.com/diyform/diyform/internal/diag"
)

// lifecycleReferences lists what a block's lifecycle refers to.
func lifecycleReferences(r *config.Resource) []config.Reference {
	l := &r.Lifecycle
	return slices.Concat(l.ReplaceTriggeredBy, config.ConditionReferences(l.Preconditions), config.ConditionReferences(l.Postconditions))
}

// checkLifecycle checks what a block's lifecycle refers to.
func checkLifecycle(cfg *config.Config, r *config.Resource) hcl.Diagnostics {
	l := &r.Lifecycle
	diags := cfg.CheckReferences(l.ReplaceTriggeredBy, r.Scope())
	after := r.Scope()
	after.Self = true
	diags = append(diags, cfg.CheckReferences(config.ConditionReferences(l.Preconditions), r.Scope())...)
	return append(diags, cfg.CheckReferences(config.ConditionReferences(l.Postconditions), after)...)
}

// checkIgnored finds items of ignore_changes that name nothing that configuration can set.
func (e *Evaluator) checkIgnored(r *config.Resource) hcl.Diagnostics {
	var diags hcl.Diagnostics
	if len(r.Lifecycle.Ignore) == 0 {
		return nil
	}
	t := hcldec.ImpliedType(e.registry.Schema(r.Addr).Spec())
	for _, item := range r.Lifecycle.Ignore {
		if why := leadsNowhere(t, item.Path); why != "" {
			diags = append(diags, diag.Error(&item.Range, "Invalid item of ignore_changes", why))
		}
	}
	return diags
}

// leadsNowhere tells why a path leads nowhere in values of a type; "" if it leads somewhere.
func leadsNowhere(t cty.Type, path cty.Path) string {
	for i, step := range path {
		attr, isAttr := step.(cty.GetAttrStep)
		switch {
		case t.IsObjectType() && isAttr && t.HasAttribute(attr.Name):
			t = t.AttributeType(attr.Name)
		case t.IsObjectType() && isAttr:
			return fmt.Sprintf("%s is no argument that configuration sets.%s", formatPath(path[:i+1]), diag.Suggest(attr.Name, sortedNames(t.AttributeTypes())))
		case t.IsMapType() && (isAttr || keyOf(step) == cty.String), t.IsListType() && keyOf(step) == cty.Number:
			t = t.ElementType()
		case t == cty.DynamicPseudoType:
			return ""
		default:
			return fmt.Sprintf("There is nothing of that kind in %s. A part of a list is named by its number, a part of a "+
				"map by its key.", formatPath(path[:i]))
		}
	}
	return ""
}

// keyOf gives the type of an index's key; cty.NilType of what is no index.
func keyOf(step cty.PathStep) cty.Type {
	if index, ok := step.(cty.IndexStep); ok {
		return index.Key.Type()
	}
	return cty.NilType
}

// ignore gives configuration with what lifecycle ignores as it is there.
func (b *block) ignore(config, there cty.Value) cty.Value {
	l := &b.cfg.Lifecycle
	if there.IsNull() {
		return config
	}
	switch {
	case l.IgnoreAll:
		return conform(there, b.schema.SettableType())
	case len(l.Ignore) > 0:
		there = conform(there, b.schema.SettableType())
	}
	for _, item := range l.Ignore {
		config = keep(config, there, item.Path)
	}
	return config
}

// conform gives a value without the attributes that a type has not: what is computed.
func conform(v cty.Value, t cty.Type) cty.Value {
	switch {
	case v.IsNull() || !v.IsKnown():
		return cty.NullVal(t)
	case t.IsObjectType():
		m := map[string]cty.Value{}
		for name, at := range t.AttributeTypes() {
			m[name] = conform(v.GetAttr(name), at)
		}
		return cty.ObjectVal(m)
	case t.IsListType() && t.ElementType().IsObjectType():
		var list []cty.Value
		for _, e := range v.AsValueSlice() {
			list = append(list, conform(e, t.ElementType()))
		}
		if len(list) == 0 {
			return cty.ListValEmpty(t.ElementType())
		}
		return cty.ListVal(list)
	}
	return v
}

// keep gives v with the part at path as it is in there, a value of the same type.
func keep(v, there cty.Value, path cty.Path) cty.Value {
	if len(path) == 0 {
		return there
	}
	if v.IsNull() || !v.IsKnown() || there.IsNull() {
		return v
	}
	switch step := path[0].(type) {
	case cty.GetAttrStep:
		return keepNamed(v, there, step.Name, path[1:])
	case cty.IndexStep:
		if step.Key.Type() == cty.String {
			return keepNamed(v, there, step.Key.AsString(), path[1:])
		}
		i, _ := step.Key.AsBigFloat().Int64()
		return keepNumbered(v, there, int(i), path[1:])
	}
	return v
}

// keepNamed is keep for an element of a map, or an attribute. One that is not there goes.
func keepNamed(v, there cty.Value, name string, rest cty.Path) cty.Value {
	if !isKeyed(v) || !isKeyed(there) {
		return v
	}
	m := v.AsValueMap()
	if m == nil {
		m = map[string]cty.Value{}
	}
	old, had := there.AsValueMap()[name]
	now, has := m[name]
	switch {
	case !had:
		delete(m, name)
	case len(rest) == 0 || !has:
		m[name] = old
	default:
		m[name] = keep(now, old, rest)
	}
	switch {
	case v.Type().IsObjectType() || !cty.CanMapVal(m): // the latter where a value may have any type
		return cty.ObjectVal(m)
	case len(m) == 0:
		return cty.MapValEmpty(v.Type().ElementType())
	}
	return cty.MapVal(m)
}

// keepNumbered is keep for an element of a list, or of a tuple.
func keepNumbered(v, there cty.Value, i int, rest cty.Path) cty.Value {
	if !isSequence(v) || !isSequence(there) {
		return v
	}
	list, old := v.AsValueSlice(), there.AsValueSlice()
	if i < 0 || i >= len(list) || i >= len(old) {
		return v
	}
	list[i] = keep(list[i], old[i], rest)
	if v.Type().IsListType() && cty.CanListVal(list) {
		return cty.ListVal(list)
	}
	return cty.TupleVal(list)
}

// triggered lists the instances that a change of others replaces: replace_triggered_by.
func (p *Plan) triggered() map[addr.Instance]force {
	taken := map[addr.Instance]force{}
	for _, c := range p.Changes {
		b := p.Evaluator.block(c.Address.Resource)
		if b == nil || c.Prior == nil || c.Action != NoOp && c.Action != Update {
			continue
		}
		for _, ref := range b.cfg.Lifecycle.ReplaceTriggeredBy {
			if by := p.trigger(b, c.Address, ref); by != nil {
				what := map[Action]string{Replace: "replaced", Update: "updated"}[by.Action]
				taken[c.Address] = force{replace: true, reason: fmt.Sprintf("%s is %s (replace_triggered_by)", by.Address, what)}
				break
			}
		}
	}
	return taken
}

// trigger gives the change that a reference in replace_triggered_by stands for, if there is
// one.
func (p *Plan) trigger(b *block, a addr.Instance, ref config.Reference) *Change {
	scope, diags := b.scope(a.Key)
	if diags.HasErrors() || ref.Subject.Kind != config.ResourceSubject {
		return nil
	}
	attribute, _ := p.Evaluator.attributeOf(b.in.cfg, ref)
	for _, d := range b.in.dependencies(scope, []config.Reference{ref}, nil) {
		for _, c := range p.instancesOf(d) {
			if c.Action == Replace || c.Action == Update && c.differsIn(attribute) {
				return c
			}
		}
	}
	return nil
}

// differsIn reports whether a change is about an attribute, or about any where none is named.
func (c *Change) differsIn(attribute string) bool {
	for _, d := range c.Differences {
		if attribute == "" || d.Path == attribute || strings.HasPrefix(d.Path, attribute+".") {
			return true
		}
	}
	return false
}

// checkProtected finds what is destroyed that must not be: prevent_destroy.
func (p *Plan) checkProtected() hcl.Diagnostics {
	if p.Input.Config == nil {
		return nil
	}
	var diags hcl.Diagnostics
	for _, c := range p.Changes {
		r := p.Input.Config.Resource(c.Address.Resource)
		if r == nil || !r.Lifecycle.PreventDestroy || !c.removes() || c.Deposed {
			continue
		}
		diags = append(diags, diag.Error(&r.DeclRange, "Protected resource would be destroyed",
			fmt.Sprintf("%s has prevent_destroy = true, and this plan would %s it%s. Take prevent_destroy away, or undo what "+
				"asks for that.", c.Address, c.Action, c.why())))
	}
	return diags
}

// why says in brackets what asks for a replacement or deletion, where that is known.
func (c *Change) why() string {
	if c.Reason != "" {
		return fmt.Sprintf(" (%s)", c.Reason)
	}
	if d := c.replacing(); d != "" {
		return fmt.Sprintf(" (%s cannot change in place)", d)
	}
	return ""
}

// replacing names the first difference that asks for a replacement, or "".
func (c *Change) replacing() string {
	for _, d := range c.Differences {
		if d.Replace {
			return d.Path
		}
	}
	return ""
}

// preconditions holds what must be true before a change is made. What is not known yet is
// asked again while applying.
func (b *block) preconditions(key addr.Key) hcl.Diagnostics {
	if len(b.cfg.Lifecycle.Preconditions) == 0 {
		return nil
	}
	scope, diags := b.scope(key)
	if diags.HasErrors() {
		return diags
	}
	return conditionErrors(b.cfg.Lifecycle.Preconditions, scope, "Precondition failed", b.addr.Instance(key).String(), b.condition(key))
}

// postconditions holds what must be true of a resource that is as v.
func (b *block) postconditions(key addr.Key, v cty.Value) hcl.Diagnostics {
	if len(b.cfg.Lifecycle.Postconditions) == 0 || v.IsNull() {
		return nil
	}
	scope, diags := b.scope(key)
	if diags.HasErrors() {
		return diags
	}
	scope = scope.NewChild()
	scope.Variables = map[string]cty.Value{"self": v}
	return conditionErrors(b.cfg.Lifecycle.Postconditions, scope, "Postcondition failed", b.addr.Instance(key).String(), b.condition(key))
}

// condition is what diagnostics of an instance's conditions carry.
func (b *block) condition(key addr.Key) diag.Condition {
	return diag.Condition{Object: b.addr.Instance(key).String(), Block: b.addr.String()}
}

func conditionErrors(conditions []config.Condition, scope *hcl.EvalContext, summary, of string, extra diag.Condition) hcl.Diagnostics {
	var diags hcl.Diagnostics
	for _, cond := range conditions {
		holds, message, more := cond.Evaluate(scope)
		diags = append(diags, more...)
		if more.HasErrors() || !holds.IsKnown() || holds.True() {
			continue
		}
		diags = append(diags, &hcl.Diagnostic{
			Severity: hcl.DiagError, Summary: summary,
			Detail:      fmt.Sprintf("%s\n\nThis is a condition of %s.", message, of),
			Subject:     cond.Condition.Range().Ptr(),
			Expression:  cond.Condition,
			EvalContext: scope,
			Extra:       extra,
		})
	}
	return diags
}

// Verify holds the postconditions of what a step has made or read. It comes after Learn.
func (p *Plan) Verify(c *Change, v cty.Value) hcl.Diagnostics {
	if p.Evaluator == nil {
		return nil
	}
	b := p.Evaluator.block(c.Address.Resource)
	if b == nil {
		return nil // it is deleted
	}
	return c.censor(b.postconditions(c.Address.Key, mark(v, c.Sensitive)))
}
