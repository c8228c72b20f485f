package plan

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/ext/dynblock"
	"github.com/hashicorp/hcl/v2/hcldec"
	"github.com/zclconf/go-cty/cty"

	"github.com/diyform/diyform/config"
	"github.com/diyform/diyform/internal/addr"
	"github.com/diyform/diyform/internal/diag"
	"github.com/diyform/diyform/internal/marks"
	"github.com/diyform/diyform/providers"
	"github.com/diyform/diyform/providers/schema"
)

// Validate tells what is wrong with a configuration whatever the values of its variables and
// the state of the kernel: unknown types, names and arguments, wrong types, cycles, literals
// that mean nothing.
func Validate(cfg *config.Config, registry *providers.Registry) hcl.Diagnostics {
	diags := checkTypes(cfg, registry)
	if diags.HasErrors() {
		return diags
	}
	for _, c := range cfg.All() {
		diags = append(diags, checkReferences(c, registry)...)
	}
	if diags.HasErrors() {
		return diags
	}
	_, _, more := evaluationOrder(cfg, registry)
	diags = append(diags, more...)
	diags = append(diags, checkMoves(cfg)...)
	diags = append(diags, checkRemoved(cfg)...)
	diags = append(diags, checkImportBlocks(cfg, registry)...)
	if diags.HasErrors() {
		return diags
	}
	e, err := NewEvaluator(cfg, Given{}, registry)
	if err != nil {
		return append(diags, diag.FromError(err, "The configuration cannot be evaluated", nil)...)
	}
	for _, c := range cfg.All() {
		diags = append(diags, e.suggestAttributes(c, e.validateModule(c))...)
	}
	return diag.InOrder(diag.Distinct(Explain(diags)))
}

func (e *Evaluator) validateModule(c *config.Config) hcl.Diagnostics {
	var diags hcl.Diagnostics
	for _, a := range sortedBlocks(c) {
		diags = append(diags, e.validateBlock(c, c.Resources[a])...)
	}
	for _, name := range sortedNames(c.Checks) {
		if k := c.Checks[name]; k.Data != nil {
			diags = append(diags, e.validateBlock(c, k.Data)...)
		}
	}
	return append(diags, e.validateValues(c)...)
}

// validateValues evaluates outputs, local values and arguments of modules with everything that
// they refer to unknown.
func (e *Evaluator) validateValues(c *config.Config) hcl.Diagnostics {
	ctx := e.unknownContext(c, &config.Repetition{})
	var diags hcl.Diagnostics
	for _, name := range sortedNames(c.Outputs) {
		if o := c.Outputs[name]; o.Expr != nil {
			v, more := o.Expr.Value(ctx)
			diags = append(append(diags, more...), checkShown(c, o, v)...)
		}
	}
	for _, name := range sortedNames(c.Locals) {
		_, more := c.Locals[name].Expr.Value(ctx)
		diags = append(diags, more...)
	}
	for _, name := range sortedNames(c.Calls) {
		call := c.Calls[name]
		ctx := e.unknownContext(c, &call.Repetition)
		for _, arg := range sortedNames(call.Arguments) {
			attr := call.Arguments[arg]
			given, more := attr.Expr.Value(ctx)
			diags = append(diags, more...)
			if v := c.Children[name].Variables[arg]; v != nil && !more.HasErrors() {
				_, more = v.Value(given, attr.Expr.Range().Ptr())
				diags = append(diags, more...)
			}
		}
	}
	return diags
}

// checkShown refuses an output that would show, or record, a value that must not be. What
// becomes of a value on its way through local values and modules is seen when there is one.
func checkShown(c *config.Config, o *config.Output, v cty.Value) hcl.Diagnostics {
	root := c.Path.IsRoot()
	switch {
	case !o.Ephemeral && marks.Contains(v, marks.Ephemeral):
		return hcl.Diagnostics{ephemeralOutput(o, root)}
	case root && !o.Sensitive && marks.Contains(v, marks.Sensitive):
		return hcl.Diagnostics{sensitiveOutput(o)}
	}
	return nil
}

// suggestAttributes adds to errors about an attribute that a resource does not have the name
// that was probably meant, and to those about a whole resource the attribute. The language's
// library knows the object's type only, and says nothing.
func (e *Evaluator) suggestAttributes(c *config.Config, diags hcl.Diagnostics) hcl.Diagnostics {
	for _, d := range diags {
		if d.Subject == nil || d.Expression == nil {
			continue
		}
		for _, ref := range config.References(d.Expression) {
			name, known := e.attributeOf(c, ref)
			switch {
			case d.Summary == "Unsupported attribute" && name != "" && !slices.Contains(known, name):
				d.Detail += diag.Suggest(name, known)
			case d.Summary == "Incorrect attribute value type" && name == "":
				d.Detail += e.suggestName(c, ref)
			}
		}
	}
	return diags
}

// suggestName says by what a resource is mostly referred to.
func (e *Evaluator) suggestName(c *config.Config, ref config.Reference) string {
	b := e.definitions[c.Path.Resource(ref.Subject.Resource)]
	if ref.Subject.Kind != config.ResourceSubject || b == nil {
		return ""
	}
	for _, name := range []string{"id", "name"} {
		if b.schema.Attribute(name) != nil {
			return fmt.Sprintf(" %s is a whole resource: add .%s to refer to it.", ref.Subject.Resource, name)
		}
	}
	return fmt.Sprintf(" %s is a whole resource: refer to one of its attributes.", ref.Subject.Resource)
}

// attributeOf gives the attribute of a resource of c that a reference goes on to, and the names
// that there are.
func (e *Evaluator) attributeOf(c *config.Config, ref config.Reference) (name string, known []string) {
	b := e.definitions[c.Path.Resource(ref.Subject.Resource)]
	if ref.Subject.Kind != config.ResourceSubject || b == nil {
		return "", nil
	}
	for _, step := range ref.Rest() {
		if attr, ok := step.(hcl.TraverseAttr); ok {
			return attr.Name, sortedNames(b.schema.ImpliedType().AttributeTypes())
		}
	}
	return "", nil
}

// checkTypes finds blocks whose type nobody provides.
func checkTypes(cfg *config.Config, registry *providers.Registry) hcl.Diagnostics {
	var diags hcl.Diagnostics
	check := func(r *config.Resource) {
		what, known, exists := "resource type", registry.TypeNames(), registry.Type(r.Addr.Type) != nil
		if r.Addr.Mode == addr.Data {
			what, known, exists = "data source", registry.DataTypeNames(), registry.DataType(r.Addr.Type) != nil
		}
		if exists {
			return
		}
		diags = append(diags, diag.Error(&r.TypeRange, "Unknown "+what,
			fmt.Sprintf("diyform has no %s %q.%s", what, r.Addr.Type, typeHint(r.Addr, known))))
	}
	for _, c := range cfg.All() {
		for _, a := range sortedBlocks(c) {
			check(c.Resources[a])
		}
		for _, name := range sortedNames(c.Checks) {
			if k := c.Checks[name]; k.Data != nil {
				check(k.Data)
			}
		}
	}
	return diags
}

// typeHint says what was probably meant instead of the type of a, of those that there are.
func typeHint(a addr.Resource, known []string) string {
	if own := ownTypes[a.Type]; a.Mode == addr.Managed && slices.Contains(known, own) {
		return fmt.Sprintf(" Here that is %q.", own)
	}
	if hint := diag.Suggest(a.Type, known); hint != "" {
		return hint
	}
	return fmt.Sprintf(" There are: %s.", strings.Join(known, ", "))
}

// ownTypes are those that are meant by what users of Terraform write.
var ownTypes = map[string]string{
	"terraform_data": "trigger", "null_resource": "trigger",
	"docker_container": "container", "docker_image": "root_image", "docker_volume": "volume", "docker_network": "bridge",
}

// checkReferences checks what a module's expressions refer to.
func checkReferences(cfg *config.Config, registry *providers.Registry) hcl.Diagnostics {
	var diags hcl.Diagnostics
	block := func(r *config.Resource) {
		diags = append(diags, cfg.CheckReferences(r.Repetition.References(), config.Scope{})...)
		diags = append(diags, cfg.CheckReferences(r.DependsOn, r.Scope())...)
		diags = append(diags, checkLifecycle(cfg, r)...)
		refs := config.BodyReferences(r.Body, registry.Schema(r.Addr).Spec())
		diags = append(diags, cfg.CheckReferences(refs, r.Scope())...)
	}
	for _, a := range sortedBlocks(cfg) {
		block(cfg.Resources[a])
	}
	for _, name := range sortedNames(cfg.Locals) {
		diags = append(diags, cfg.CheckReferences(config.References(cfg.Locals[name].Expr), config.Scope{})...)
	}
	for _, name := range sortedNames(cfg.Outputs) {
		o := cfg.Outputs[name]
		diags = append(diags, cfg.CheckReferences(o.References(), config.Scope{})...)
	}
	for _, name := range sortedNames(cfg.Variables) {
		refs := config.ConditionReferences(cfg.Variables[name].Validations)
		diags = append(diags, cfg.CheckReferences(refs, config.Scope{})...)
	}
	for _, name := range sortedNames(cfg.Calls) {
		call := cfg.Calls[name]
		diags = append(diags, cfg.CheckReferences(call.Repetition.References(), config.Scope{})...)
		diags = append(diags, cfg.CheckReferences(call.DependsOn, config.Scope{})...)
		for _, arg := range sortedNames(call.Arguments) {
			diags = append(diags, cfg.CheckReferences(config.References(call.Arguments[arg].Expr), call.Scope())...)
		}
	}
	for _, name := range sortedNames(cfg.Checks) {
		k := cfg.Checks[name]
		if k.Data != nil {
			block(k.Data)
		}
		diags = append(diags, cfg.CheckReferences(config.ConditionReferences(k.Asserts), k.Scope())...)
	}
	return diags
}

// validateBlock decodes a block with everything that it refers to unknown.
func (e *Evaluator) validateBlock(c *config.Config, r *config.Resource) hcl.Diagnostics {
	s := e.registry.Schema(r.Addr)
	scope := e.unknownContext(c, &r.Repetition)
	v, diags := hcldec.Decode(dynblock.Expand(r.Body, scope), s.Spec(), scope)
	if diags.HasErrors() {
		return suggestBlocks(s, explainComputed(r, s, diags))
	}
	diags = append(diags, e.checkIgnored(r)...)
	if c.Resources[r.Addr] != nil { // the data of a check is not recorded
		diags = append(diags, checkEphemeral(r.Addr, r, s, v)...)
	}
	diags = append(diags, e.checkStaying(r)...)
	return append(diags, e.checkArguments(r, s, v)...)
}

// checkStaying refuses destroy = false of a type whose objects cannot stay without diyform.
func (e *Evaluator) checkStaying(r *config.Resource) hcl.Diagnostics {
	if t := e.registry.Type(r.Addr.Type); r.Lifecycle.Stays && !t.Releases() {
		return hcl.Diagnostics{diag.Error(&r.Lifecycle.StaysRange, "The object cannot be let go of",
			fmt.Sprintf("With destroy = false %s would stay when the resource goes, and it cannot stay without diyform. %s", r.Addr, t.RefuseRelease()))}
	}
	return nil
}

// explainComputed tells who sets an attribute that only diyform can set what it is, where
// the decoder, which does not know of it, calls it unexpected.
func explainComputed(r *config.Resource, s *schema.Schema, diags hcl.Diagnostics) hcl.Diagnostics {
	var computed hcl.BodySchema
	for _, a := range s.Attributes {
		if !a.Settable() {
			computed.Attributes = append(computed.Attributes, hcl.AttributeSchema{Name: a.Name})
		}
	}
	content, _, _ := r.Body.PartialContent(&computed)
	for i, d := range diags {
		for _, attr := range content.Attributes {
			if d.Subject != nil && *d.Subject == attr.NameRange {
				diags[i] = diag.Error(d.Subject, "Attribute cannot be set",
					fmt.Sprintf("%q is what diyform finds out about a %s, for others to refer to. Remove it here.", attr.Name, r.Addr.Type))
			}
		}
	}
	return diags
}

// ofTerraform are arguments and blocks of every resource in Terraform, and why there are none here.
var ofTerraform = map[string]string{
	"provider":    "Providers are built in, and nothing of them is configured. Remove it.",
	"provisioner": "A command that is to run belongs into a container, and what is to be tested into a check block.",
	"connection":  "Nothing is made on other machines. Remove it.",
}

// suggestBlocks adds to errors about the label of a dynamic block what was probably meant, which the
// library that expands them does not, and to those about blocks and arguments of Terraform why.
func suggestBlocks(s *schema.Schema, diags hcl.Diagnostics) hcl.Diagnostics {
	var known []string
	var collect func(*schema.Schema)
	collect = func(s *schema.Schema) {
		for _, b := range s.Blocks {
			known = append(known, b.Name)
			collect(b.Schema)
		}
	}
	collect(s)
	for _, d := range diags {
		var name string
		n, _ := fmt.Sscanf(d.Detail, "Blocks of type %q are not expected here.", &name)
		if n == 0 {
			n, _ = fmt.Sscanf(d.Detail, "An argument named %q is not expected here.", &name)
		}
		switch {
		case n == 0 || strings.Contains(d.Detail, "Did you mean"):
		case ofTerraform[name] != "":
			d.Detail += " " + ofTerraform[name]
		case strings.HasPrefix(d.Detail, "Blocks"):
			d.Detail += diag.Suggest(name, known)
		}
	}
	return diags
}

// checkArguments holds the formats and rules of the type against what is known of v.
func (e *Evaluator) checkArguments(r *config.Resource, s *schema.Schema, v cty.Value) hcl.Diagnostics {
	v, _ = v.UnmarkDeep()
	canonical, problems := s.Canonical(v)
	diags := placeProblems(r.Body, s, &r.DeclRange, problems)
	if t := e.registry.Type(r.Addr.Type); r.Addr.Mode == addr.Managed && len(problems) == 0 {
		proposed := s.Propose(canonical, cty.NullVal(s.ImpliedType()))
		diags = append(diags, placeError(r.Body, s, &r.DeclRange, failures[Create], t.Validate(proposed))...)
	}
	return diags
}

// unknownContext is a scope in which every name of a module exists and nothing is known. What is
// in it whatever block it is for is made once.
func (e *Evaluator) unknownContext(c *config.Config, r *config.Repetition) *hcl.EvalContext {
	all := e.unknown[c.Path]
	if all == nil {
		all = &hcl.EvalContext{Variables: e.unknownNames(c), Functions: e.functions}
		e.unknown[c.Path] = all
	}
	ctx := all.NewChild()
	ctx.Variables = map[string]cty.Value{}
	if r.ForEach != nil {
		ctx.Variables["each"] = cty.ObjectVal(map[string]cty.Value{"key": cty.UnknownVal(cty.String), "value": cty.DynamicVal})
	}
	if r.Count != nil {
		ctx.Variables["count"] = cty.ObjectVal(map[string]cty.Value{"index": cty.UnknownVal(cty.Number)})
	}
	return ctx
}

func (e *Evaluator) unknownNames(c *config.Config) map[string]cty.Value {
	managed, data := roots{}, roots{}
	for a, other := range c.Resources {
		v := cty.DynamicVal
		if other.Count == nil && other.ForEach == nil {
			v = cty.UnknownVal(e.registry.Schema(a).ImpliedType())
		}
		if a.Mode == addr.Data {
			data.add(a, v)
		} else {
			managed.add(a, v)
		}
	}
	vars := managed.values()
	vars["resource"] = cty.ObjectVal(managed.values())
	vars["data"] = cty.ObjectVal(data.values())
	given := map[string]cty.Value{}
	for name, v := range c.Variables {
		given[name] = v.Unset()
	}
	vars["var"], vars["local"] = cty.ObjectVal(given), cty.DynamicVal
	vars["path"], vars["diyform"] = e.root.paths, cty.ObjectVal(map[string]cty.Value{"workspace": cty.UnknownVal(cty.String)})
	called := map[string]cty.Value{}
	for name := range c.Calls {
		called[name] = cty.DynamicVal
	}
	vars["module"] = cty.ObjectVal(called)
	return vars
}
