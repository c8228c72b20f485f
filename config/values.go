package config

import (
	"fmt"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"github.com/diyform/diyform/internal/diag"
	"github.com/diyform/diyform/internal/marks"
)

const environPrefix = "DIYFORM_VAR_"

// ValueSources says where variables get their values from, weakest first: the environment,
// the variable files of Dir, the command line.
type ValueSources struct {
	Environ []string // as os.Environ gives it
	Dir     string   // the folder of diyform.vars.hcl and *.auto.vars.hcl; Args' files are relative to it
	Args    []VarArg // in the order of the command line

	// Planned are the values that a plan file has, which go before all others; nil without one.
	// Ephemeral ones are never in it, and come from the other sources.
	Planned map[string]cty.Value

	Given []Given // goes before all others; variables that are not declared are left out

	// Ask gets the value of a required variable from the user; false means that there is
	// none. It may be nil.
	Ask func(*Variable) (string, bool)

	// AllowUnset makes the value of a required variable that nothing sets unknown, instead of
	// an error.
	AllowUnset bool
}

// Given is a value that a test gives to a variable.
type Given struct {
	Name  string
	Value cty.Value
	Range hcl.Range
}

// VarArg is one -var or -var-file of the command line.
type VarArg struct {
	File bool   // -var-file
	Text string // NAME=VALUE, or the file's path
}

// input is a value as a source gave it.
type input struct {
	value cty.Value
	from  string     // names the source, for diagnostics
	rng   *hcl.Range // where the value stands, or nil
}

// Values gives every declared variable its value: converted to its type, marked when sensitive
// or ephemeral. The values are usable only without errors. Files that were read are added to
// c.Files. Whether validations hold is the plan's to say: they may refer to anything.
func (c *Config) Values(src ValueSources) (map[string]cty.Value, hcl.Diagnostics) {
	inputs := map[string]input{}
	diags := c.checkPlanned(src)
	diags = append(diags, c.environInputs(src.Environ, inputs)...)
	diags = append(diags, c.folderInputs(src.Dir, inputs)...)
	for _, arg := range src.Args {
		if arg.File {
			diags = append(diags, c.fileInputs(joinPath(src.Dir, arg.Text), readNamed, inputs)...)
		} else {
			diags = append(diags, c.argInput(arg.Text, inputs)...)
		}
	}
	for _, g := range src.Given {
		if c.Variables[g.Name] != nil {
			inputs[g.Name] = input{value: g.Value, from: "the value in " + g.Range.Filename, rng: g.Range.Ptr()}
		}
	}
	values := map[string]cty.Value{}
	for _, name := range keysOf(c.Variables) {
		v := c.Variables[name]
		if planned, ok := src.Planned[name]; ok {
			values[name] = planned
			continue
		}
		in, ok := inputs[name]
		if !ok && v.Required() && src.Ask != nil && !diags.HasErrors() {
			if text, answered := src.Ask(v); answered {
				var more hcl.Diagnostics
				in, more = c.parseInput(v, text, "the answer")
				diags, ok = append(diags, more...), true
			}
		}
		if !ok && v.Required() && src.AllowUnset {
			values[name] = v.Unset()
			continue
		}
		val, more := v.finish(in, ok)
		if !ok && v.Required() {
			more[0].Detail += foreignVariable(src.Environ, name)
		}
		diags = append(diags, more...)
		values[name] = val
	}
	return values, diags
}

// checkPlanned refuses values on the command line for what a plan file says.
func (c *Config) checkPlanned(src ValueSources) hcl.Diagnostics {
	if src.Planned == nil {
		return nil
	}
	var diags hcl.Diagnostics
	for _, arg := range src.Args {
		name, _, _ := strings.Cut(arg.Text, "=")
		if _, ok := src.Planned[strings.TrimSpace(name)]; ok || arg.File {
			diags = append(diags, diag.Error(nil, "A plan file says what is to be done",
				fmt.Sprintf("It holds the values of the variables that it was made with, so -var and -var-file are for plan. "+
					"Only ephemeral variables, which it does not hold, are set by -var here: %q is none.", arg.Text)))
		}
	}
	return diags
}

// environInputs takes DIYFORM_VAR_name for every declared variable. Others are left alone:
// the environment serves more than one configuration.
func (c *Config) environInputs(environ []string, inputs map[string]input) hcl.Diagnostics {
	var diags hcl.Diagnostics
	for _, line := range environ {
		assign, ok := strings.CutPrefix(line, environPrefix)
		if !ok {
			continue
		}
		name, text, _ := strings.Cut(assign, "=")
		if v, ok := c.Variables[name]; ok {
			in, more := c.parseInput(v, text, "the environment variable "+environPrefix+name)
			inputs[name], diags = in, append(diags, more...)
		}
	}
	return diags
}

// argInput takes the NAME=VALUE of a -var.
func (c *Config) argInput(text string, inputs map[string]input) hcl.Diagnostics {
	name, value, ok := strings.Cut(text, "=")
	name = strings.TrimSpace(name)
	if !ok {
		return hcl.Diagnostics{diag.Error(nil, "Invalid -var option",
			fmt.Sprintf("-var %q has no value. Write it as -var 'NAME=VALUE'.", text))}
	}
	v, ok := c.Variables[name]
	if !ok {
		return hcl.Diagnostics{diag.Error(nil, "Value for undeclared variable",
			fmt.Sprintf("-var sets %q, which the configuration does not declare.%s", name,
				diag.Suggest(name, keysOf(c.Variables))))}
	}
	in, diags := c.parseInput(v, value, "-var "+name)
	inputs[name] = in
	return diags
}

// parseInput reads a text as a value of v: literally where v's type is a primitive one, else
// as an expression without references.
func (c *Config) parseInput(v *Variable, text, from string) (input, hcl.Diagnostics) {
	in := input{value: cty.DynamicVal, from: from}
	if v.literal {
		in.value = cty.StringVal(text)
		return in, nil
	}
	filename := fmt.Sprintf("<value of var.%s>", v.Name)
	src := []byte(text)
	c.Files[filename] = &hcl.File{Bytes: src}
	expr, diags := hclsyntax.ParseExpression(src, filename, hcl.InitialPos)
	if diags.HasErrors() {
		return in, diags
	}
	val, more := expr.Value(nil)
	diags = append(diags, more...)
	if !diags.HasErrors() {
		in.value = val
	}
	in.rng = expr.Range().Ptr()
	return in, diags
}

// finish makes the variable's value out of what was given, if anything was.
func (v *Variable) finish(in input, given bool) (cty.Value, hcl.Diagnostics) {
	if !given && v.Required() {
		return cty.UnknownVal(v.Type), hcl.Diagnostics{diag.Error(v.DeclRange.Ptr(), "No value for required variable",
			fmt.Sprintf("Variable %q has no default and was not set. Set it with -var '%s=VALUE', "+
				"in diyform.vars.hcl, or by the environment variable %s%s.", v.Name, v.Name, environPrefix, v.Name))}
	}
	val := v.Default
	if given {
		converted, err := v.convert(in.value)
		if err != nil {
			return cty.UnknownVal(v.Type), hcl.Diagnostics{v.invalid(in, err.Error())}
		}
		val = converted
	}
	if val.IsNull() && !v.Nullable {
		if v.Required() {
			return val, hcl.Diagnostics{v.invalid(in, "null is not allowed, since nullable is false")}
		}
		val = v.Default
	}
	return v.marked(val), nil
}

// Value makes the variable's value of what a module block gives it at rng, which may be unknown
// and have marks; cty.NilVal where it gives nothing.
func (v *Variable) Value(given cty.Value, rng *hcl.Range) (cty.Value, hcl.Diagnostics) {
	if given == cty.NilVal {
		return v.finish(input{}, false)
	}
	if !v.Ephemeral && marks.Contains(given, marks.Ephemeral) {
		return cty.UnknownVal(v.Type), hcl.Diagnostics{diag.Error(rng, "Ephemeral value for a variable that is not",
			fmt.Sprintf("The value comes from an ephemeral one, and variable %q, declared at %s, may be recorded. Add ephemeral = true there.",
				v.Name, v.DeclRange))}
	}
	return v.finish(input{value: given, from: "the value", rng: rng}, true)
}

// Unset is the value of a variable that has none, or none yet.
func (v *Variable) Unset() cty.Value { return v.marked(cty.UnknownVal(v.Type)) }

func (v *Variable) marked(val cty.Value) cty.Value {
	if v.Sensitive {
		val = val.Mark(marks.Sensitive)
	}
	if v.Ephemeral {
		val = val.Mark(marks.Ephemeral)
	}
	return val
}

func (v *Variable) invalid(in input, reason string) *hcl.Diagnostic {
	subject := in.rng
	if subject == nil {
		subject = v.DeclRange.Ptr()
	}
	return diag.Error(subject, "Invalid value for variable",
		fmt.Sprintf("%s does not fit variable %q, declared at %s: %s.",
			sentence(in.from), v.Name, v.DeclRange, reason))
}

// sentence gives s with a capital at its beginning.
func sentence(s string) string {
	return strings.ToUpper(s[:1]) + s[1:]
}
