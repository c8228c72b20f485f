package plan

import (
	"cmp"
	"encoding/json"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hcldec"
	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"

	"github.com/diyform/diyform/config"
	"github.com/diyform/diyform/providers/schema"
)

// JSONConfig is the configuration: what is written, not what it evaluates to.
type JSONConfig struct {
	ProviderConfig map[string]JSONProviderConfig `json:"provider_config"`
	RootModule     *JSONConfigModule             `json:"root_module"`
}

// JSONProviderConfig stands for what Terraform configures by provider blocks.
type JSONProviderConfig struct {
	Name     string `json:"name"`
	FullName string `json:"full_name"`
}

// JSONConfigModule is a module's blocks.
type JSONConfigModule struct {
	Outputs     map[string]JSONConfigOutput   `json:"outputs,omitempty"`
	Resources   []JSONConfigResource          `json:"resources,omitempty"`
	ModuleCalls map[string]JSONModuleCall     `json:"module_calls,omitempty"`
	Variables   map[string]JSONConfigVariable `json:"variables,omitempty"`
}

// JSONConfigOutput is an output block.
type JSONConfigOutput struct {
	Sensitive   bool            `json:"sensitive,omitempty"`
	Expression  *JSONExpression `json:"expression"`
	DependsOn   []string        `json:"depends_on,omitempty"`
	Description string          `json:"description,omitempty"`
}

// JSONConfigResource is a resource or data block. Its address is relative to the module.
type JSONConfigResource struct {
	Address           string          `json:"address"`
	Mode              string          `json:"mode"`
	Type              string          `json:"type"`
	Name              string          `json:"name"`
	ProviderConfigKey string          `json:"provider_config_key"`
	Expressions       map[string]any  `json:"expressions,omitempty"`
	SchemaVersion     int             `json:"schema_version"`
	CountExpression   *JSONExpression `json:"count_expression,omitempty"`
	ForEachExpression *JSONExpression `json:"for_each_expression,omitempty"`
	DependsOn         []string        `json:"depends_on,omitempty"`
}

// JSONModuleCall is a module block, and the module.
type JSONModuleCall struct {
	Source            string            `json:"source"`
	Expressions       map[string]any    `json:"expressions,omitempty"`
	CountExpression   *JSONExpression   `json:"count_expression,omitempty"`
	ForEachExpression *JSONExpression   `json:"for_each_expression,omitempty"`
	Module            *JSONConfigModule `json:"module"`
	DependsOn         []string          `json:"depends_on,omitempty"`
}

// JSONConfigVariable is a variable block.
type JSONConfigVariable struct {
	Type        json.RawMessage `json:"type,omitempty"`
	Default     json.RawMessage `json:"default,omitempty"`
	Description string          `json:"description,omitempty"`
	Required    bool            `json:"required,omitempty"`
	Sensitive   bool            `json:"sensitive,omitempty"`
	Ephemeral   bool            `json:"ephemeral,omitempty"`
}

// JSONExpression is a value that is written out, or the names that an expression refers to.
type JSONExpression struct {
	ConstantValue json.RawMessage `json:"constant_value,omitempty"`
	References    []string        `json:"references,omitempty"`
}

const providerConfigKey = "diyform"

// configJSON gives the configuration; of a plan that was made without one, an empty one.
func (p *Plan) configJSON() *JSONConfig {
	doc := &JSONConfig{
		ProviderConfig: map[string]JSONProviderConfig{providerConfigKey: {Name: "diyform", FullName: ProviderName}},
		RootModule:     &JSONConfigModule{},
	}
	if p.Input.Config != nil {
		doc.RootModule = p.moduleJSON(p.Input.Config)
	}
	return doc
}

func (p *Plan) moduleJSON(c *config.Config) *JSONConfigModule {
	m := &JSONConfigModule{
		Outputs: map[string]JSONConfigOutput{}, Variables: map[string]JSONConfigVariable{}, ModuleCalls: map[string]JSONModuleCall{},
	}
	for name, o := range c.Outputs {
		m.Outputs[name] = JSONConfigOutput{
			Sensitive: o.Sensitive, Expression: expressionJSON(o.Expr), Description: o.Description,
			DependsOn: dependsOnJSON(o.DependsOn),
		}
	}
	for name, v := range c.Variables {
		m.Variables[name] = variableJSON(v)
	}
	for name, call := range c.Calls {
		m.ModuleCalls[name] = p.callJSON(call, c.Children[name])
	}
	for _, r := range c.Resources {
		m.Resources = append(m.Resources, p.blockJSON(r))
	}
	slices.SortFunc(m.Resources, func(a, b JSONConfigResource) int {
		return cmp.Or(cmp.Compare(b.Mode, a.Mode), cmp.Compare(a.Address, b.Address)) // managed, then data
	})
	return m
}

func (p *Plan) callJSON(call *config.Call, child *config.Config) JSONModuleCall {
	j := JSONModuleCall{
		Source: call.Source, Expressions: map[string]any{}, DependsOn: dependsOnJSON(call.DependsOn),
		CountExpression: optionalJSON(call.Count), ForEachExpression: optionalJSON(call.ForEach), Module: &JSONConfigModule{},
	}
	for name, attr := range call.Arguments {
		j.Expressions[name] = expressionJSON(attr.Expr)
	}
	if child != nil {
		j.Module = p.moduleJSON(child)
	}
	return j
}

func variableJSON(v *config.Variable) JSONConfigVariable {
	j := JSONConfigVariable{Description: v.Description, Required: v.Required(), Sensitive: v.Sensitive, Ephemeral: v.Ephemeral}
	if v.Type != cty.DynamicPseudoType {
		j.Type, _ = ctyjson.MarshalType(v.Type) // no capsules can be declared
	}
	if !v.Required() {
		plain, _ := v.Default.UnmarkDeep()
		j.Default, _ = ctyjson.Marshal(plain, plain.Type()) // as above
	}
	return j
}

func (p *Plan) blockJSON(r *config.Resource) JSONConfigResource {
	j := JSONConfigResource{
		Address: r.Addr.Local().String(), Mode: jsonMode(r.Addr), Type: r.Addr.Type, Name: r.Addr.Name,
		ProviderConfigKey: providerConfigKey, SchemaVersion: schema.Version, DependsOn: dependsOnJSON(r.DependsOn),
		CountExpression: optionalJSON(r.Count), ForEachExpression: optionalJSON(r.ForEach),
	}
	if s := p.Input.Registry.Schema(r.Addr); s != nil { // else nobody has checked what is not planned
		j.Expressions = bodyJSON(r.Body, s)
	}
	return j
}

// bodyJSON gives a body's arguments. Dynamic blocks are left out, as Terraform leaves them out.
func bodyJSON(body hcl.Body, s *schema.Schema) map[string]any {
	content, _, _ := body.PartialContent(hcldec.ImpliedSchema(s.Spec()))
	out := map[string]any{}
	for name, attr := range content.Attributes {
		out[name] = expressionJSON(attr.Expr)
	}
	for _, b := range s.Blocks {
		blocks := content.Blocks.OfType(b.Name)
		if len(blocks) == 0 {
			continue
		}
		list := []map[string]any{}
		for _, given := range blocks {
			list = append(list, bodyJSON(given.Body, b.Schema))
		}
		if b.Nesting == schema.List {
			out[b.Name] = list
		} else {
			out[b.Name] = list[0]
		}
	}
	return out
}

func expressionJSON(expr hcl.Expression) *JSONExpression {
	j := &JSONExpression{}
	refs := config.References(expr)
	if len(refs) == 0 {
		v, diags := expr.Value(nil)
		if !diags.HasErrors() && v != cty.NilVal && v.IsWhollyKnown() {
			plain, _ := v.UnmarkDeep()
			j.ConstantValue, _ = ctyjson.Marshal(plain, plain.Type())
		}
		return j
	}
	for _, ref := range refs {
		for _, text := range referenceTexts(ref) {
			if !slices.Contains(j.References, text) {
				j.References = append(j.References, text)
			}
		}
	}
	return j
}

func optionalJSON(expr hcl.Expression) *JSONExpression {
	if expr == nil {
		return nil
	}
	return expressionJSON(expr)
}

func dependsOnJSON(refs []config.Reference) []string {
	var out []string
	for _, ref := range refs {
		if isObject(ref) {
			out = append(out, ref.Subject.String())
		}
	}
	return out
}
