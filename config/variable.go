package config

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/ext/typeexpr"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"

	"github.com/diyform/diyform/internal/diag"
)

var variableSchema = &hcl.BodySchema{
	Attributes: []hcl.AttributeSchema{
		{Name: "type"}, {Name: "default"}, {Name: "description"}, {Name: "sensitive"}, {Name: "nullable"},
		{Name: "ephemeral"},
	},
	Blocks: []hcl.BlockHeaderSchema{{Type: "validation"}},
}

// reservedVariables are the names that a module block needs for its own arguments, so a
// variable of that name could not be set by it. Terraform reserves the same.
var reservedVariables = []string{
	"count", "depends_on", "for_each", "lifecycle", "locals", "providers", "source", "version",
}

func (c *Config) addVariable(block *hcl.Block) hcl.Diagnostics {
	v, diags := decodeVariable(block)
	if first, ok := c.Variables[v.Name]; ok {
		return append(diags, duplicate("variable", v.Name, v.DeclRange, first.DeclRange))
	}
	c.Variables[v.Name] = v
	return diags
}

func decodeVariable(block *hcl.Block) (*Variable, hcl.Diagnostics) {
	v := &Variable{
		Name:      block.Labels[0],
		Type:      cty.DynamicPseudoType,
		Nullable:  true,
		DeclRange: block.DefRange,
		literal:   true,
	}
	diags := checkName(v.Name, block.LabelRanges[0])
	if slices.Contains(reservedVariables, v.Name) {
		diags = append(diags, diag.Error(block.LabelRanges[0].Ptr(), "Reserved variable name",
			fmt.Sprintf("A variable cannot be named %q: blocks have an argument of that name. "+
				"Reserved are %s.", v.Name, strings.Join(reservedVariables, ", "))))
	}
	content, more := block.Body.Content(variableSchema)
	diags = append(diags, more...)
	diags = append(diags, decode(content, "description", &v.Description)...)
	diags = append(diags, decode(content, "sensitive", &v.Sensitive)...)
	diags = append(diags, decode(content, "nullable", &v.Nullable)...)
	diags = append(diags, decode(content, "ephemeral", &v.Ephemeral)...)
	diags = append(diags, v.decodeType(content.Attributes["type"])...)
	diags = append(diags, v.decodeDefault(content.Attributes["default"])...)
	for _, b := range content.Blocks {
		cond, more := decodeCondition(b)
		diags = append(diags, more...)
		if cond != nil {
			v.Validations = append(v.Validations, *cond)
		}
	}
	return v, diags
}

func (v *Variable) decodeType(attr *hcl.Attribute) hcl.Diagnostics {
	if attr == nil {
		return nil
	}
	ty, defaults, diags := typeexpr.TypeConstraintWithDefaults(attr.Expr)
	v.Type, v.TypeDefaults, v.literal = ty, defaults, ty.IsPrimitiveType()
	return explainType(diags)
}

var typeNames = []string{"any", "bool", "list", "map", "number", "object", "set", "string", "tuple"}

// explainType adds to errors about a type what was probably meant, which the library that reads
// types does not say.
func explainType(diags hcl.Diagnostics) hcl.Diagnostics {
	for _, d := range diags {
		var name string
		switch n, _ := fmt.Sscanf(d.Detail, "The keyword %q is not a valid type specification.", &name); {
		case n == 1:
			d.Detail += diag.Suggest(name, typeNames)
		case strings.HasPrefix(d.Detail, "A type specification is either"):
			d.Detail += " It is written without quotes."
		}
	}
	return diags
}

func (v *Variable) decodeDefault(attr *hcl.Attribute) hcl.Diagnostics {
	if attr == nil {
		return nil
	}
	diags := checkLiteral(attr)
	if diags.HasErrors() {
		return diags
	}
	val, _ := attr.Expr.Value(nil)
	val, err := v.convert(val)
	if err == nil && val.IsNull() && !v.Nullable {
		err = fmt.Errorf("null is not allowed, since nullable is false")
	}
	if err != nil {
		v.Default = cty.UnknownVal(v.Type)
		return append(diags, &hcl.Diagnostic{
			Severity: hcl.DiagError,
			Summary:  "Invalid default value for variable",
			Detail:   fmt.Sprintf("The default does not fit the type of variable %q: %s.", v.Name, err),
			Subject:  attr.Expr.Range().Ptr(),
			Context:  attr.Range.Ptr(),
		})
	}
	v.Default = val
	return diags
}

// convert makes a given value one of the variable's type, with the defaults of optional
// attributes filled in.
func (v *Variable) convert(val cty.Value) (cty.Value, error) {
	if v.TypeDefaults != nil && !val.IsNull() {
		val = v.TypeDefaults.Apply(val)
	}
	out, err := convert.Convert(val, v.Type)
	if err != nil {
		return cty.NilVal, errors.New(mismatch(val.Type(), v.Type))
	}
	return out, nil
}

// mismatch says why a value of one type cannot become one of another.
func mismatch(got, want cty.Type) string {
	if got.IsTupleType() && want.IsTupleType() && got.Length() != want.Length() {
		return fmt.Sprintf("it has %d and needs %d elements: %s", got.Length(), want.Length(), typeexpr.TypeString(want))
	}
	return convert.MismatchMessage(got, want)
}
