package plan

import (
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/ext/dynblock"
	"github.com/hashicorp/hcl/v2/hcldec"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"

	"github.com/diyform/diyform/config"
	"github.com/diyform/diyform/internal/diag"
	"github.com/diyform/diyform/providers/schema"
)

// arguments is a body taken apart once for all instances of its block. It evaluates to what
// hcldec would decode, and leaves it to hcldec to say what is wrong.
type arguments struct {
	body   hcl.Body
	schema *schema.Schema
	whole  bool // everything that must be there is there, and nothing else
	grows  bool // it has dynamic blocks
	values map[string]hcl.Expression
	blocks map[string][]*arguments
	empty  map[string]cty.Value // of what is not there, by name
}

func newArguments(body hcl.Body, s *schema.Schema) *arguments {
	content, diags := body.Content(hcldec.ImpliedSchema(s.Spec()))
	a := &arguments{
		body: body, schema: s, whole: !diags.HasErrors(),
		values: map[string]hcl.Expression{}, blocks: map[string][]*arguments{}, empty: map[string]cty.Value{},
	}
	a.grows = diags.HasErrors() && config.HasDynamic(body, s.Spec())
	for _, attr := range s.Attributes {
		if given := content.Attributes[attr.Name]; given != nil {
			a.values[attr.Name] = given.Expr
		} else if attr.Settable() {
			a.empty[attr.Name] = cty.NullVal(attr.Type)
		}
	}
	for _, b := range s.Blocks {
		for _, given := range content.Blocks.OfType(b.Name) {
			nested := newArguments(given.Body, b.Schema)
			a.whole, a.grows = a.whole && nested.whole, a.grows || nested.grows
			a.blocks[b.Name] = append(a.blocks[b.Name], nested)
		}
		n, t := len(a.blocks[b.Name]), hcldec.ImpliedType(b.Spec())
		switch {
		case b.Nesting == schema.List && n == 0:
			a.empty[b.Name] = cty.ListValEmpty(t)
		case n == 0:
			a.empty[b.Name] = cty.NullVal(t)
		}
		a.whole = a.whole && (b.Nesting == schema.List || n == 1 || n == 0 && b.Nesting == schema.Optional)
	}
	return a
}

// evaluate gives an object of what may be set, with marks.
func (a *arguments) evaluate(scope *hcl.EvalContext) (cty.Value, hcl.Diagnostics) {
	if a.whole {
		if v, ok := a.object(scope); ok {
			return v, nil
		}
	}
	body := a.body
	if a.grows {
		body = dynblock.Expand(body, scope)
	}
	return hcldec.Decode(body, a.schema.Spec(), scope)
}

func (a *arguments) object(scope *hcl.EvalContext) (cty.Value, bool) {
	m := make(map[string]cty.Value, len(a.schema.Attributes)+len(a.schema.Blocks))
	for name, v := range a.empty {
		m[name] = v
	}
	for _, attr := range a.schema.Attributes {
		expr := a.values[attr.Name]
		if expr == nil {
			continue
		}
		v, diags := expr.Value(scope)
		if diags.HasErrors() {
			return v, false
		}
		v, err := convert.Convert(v, attr.Type)
		if err != nil {
			return v, false
		}
		m[attr.Name] = v
	}
	for _, b := range a.schema.Blocks {
		var list []cty.Value
		for _, nested := range a.blocks[b.Name] {
			v, ok := nested.object(scope)
			if !ok {
				return v, false
			}
			list = append(list, v)
		}
		switch {
		case len(list) == 0: // in empty
		case b.Nesting == schema.List:
			m[b.Name] = cty.ListVal(list)
		default:
			m[b.Name] = list[0]
		}
	}
	return cty.ObjectVal(m), true
}

// explain notes the expressions that diagnostics about arguments are about, so that the values
// in them are told.
func (a *arguments) explain(diags hcl.Diagnostics, scope *hcl.EvalContext) hcl.Diagnostics {
	for _, d := range diags {
		if d.Expression != nil || d.Subject == nil {
			continue
		}
		if expr := a.at(*d.Subject); expr != nil {
			diag.InExpression(d, expr, scope)
		}
	}
	return diags
}

// at gives the expression of the argument that stands at a place, or nil.
func (a *arguments) at(place hcl.Range) hcl.Expression {
	for _, expr := range a.values {
		if expr.Range() == place {
			return expr
		}
	}
	for _, blocks := range a.blocks {
		for _, nested := range blocks {
			if expr := nested.at(place); expr != nil {
				return expr
			}
		}
	}
	return nil
}
