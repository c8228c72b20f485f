package plan

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"

	"github.com/diyform/diyform/config"
	"github.com/diyform/diyform/internal/diag"
	"github.com/diyform/diyform/internal/marks"
	"github.com/diyform/diyform/state"
)

// OutputChange is what becomes of an output value.
type OutputChange struct {
	Name      string
	Action    Action    // NoOp, Create, Update or Delete
	Before    cty.Value // null when there was none
	After     cty.Value // null when it goes
	Sensitive bool      // now or before
}

func compareOutputs(a, b *OutputChange) int { return strings.Compare(a.Name, b.Name) }

// planOutputs evaluates the outputs as far as they are known.
func (p *Plan) planOutputs() hcl.Diagnostics {
	diags := p.checkOutputs()
	p.Outputs = nil
	for _, name := range sortedNames(p.Input.Config.Outputs) {
		if !p.concerns(p.Input.Config.Outputs[name]) {
			continue
		}
		v, sensitive, more := p.output(name)
		diags = append(diags, more...)
		if !more.HasErrors() && v.IsWhollyKnown() {
			_, more = p.encode(name, v, sensitive)
			diags = append(diags, more...)
		}
		o := &OutputChange{Name: name, Action: Create, Before: cty.NullVal(cty.DynamicPseudoType), After: v, Sensitive: sensitive}
		if old := p.Input.State.Outputs[name]; old != nil {
			before, err := DecodeOutput(old)
			if err != nil {
				diags = append(diags, diag.Error(nil, "The state cannot be read", diag.Sentence(err.Error())))
				continue
			}
			o.Before, o.Action, o.Sensitive = before, Update, sensitive || old.Sensitive
			if v.IsWhollyKnown() && v.RawEquals(before) && old.Sensitive == sensitive {
				o.Action = NoOp
			}
		}
		p.Outputs = append(p.Outputs, o)
	}
	for name, old := range p.Input.State.Outputs {
		if p.Input.Config.Outputs[name] == nil {
			p.Outputs = append(p.Outputs, deletedOutput(name, old))
		}
	}
	slices.SortFunc(p.Outputs, compareOutputs)
	return diags
}

// checkOutputs evaluates the outputs of called modules that have conditions, whether or not they
// are used.
func (p *Plan) checkOutputs() hcl.Diagnostics {
	var diags hcl.Diagnostics
	for _, m := range p.Evaluator.within("") {
		for _, name := range sortedNames(m.cfg.Outputs) {
			if m.parent != nil && len(m.cfg.Outputs[name].Conditions) > 0 {
				_, more := m.output(name)
				diags = append(diags, more...)
			}
		}
	}
	return diags
}

// output evaluates one output of the root module, without marks.
func (p *Plan) output(name string) (v cty.Value, sensitive bool, diags hcl.Diagnostics) {
	o := p.Input.Config.Outputs[name]
	v, diags = p.Evaluator.root.output(name)
	if diags.HasErrors() {
		return cty.DynamicVal, o.Sensitive, diags
	}
	v, found := v.UnmarkDeep()
	if _, hidden := found[marks.Sensitive]; hidden && !o.Sensitive {
		return v, true, append(diags, sensitiveOutput(o))
	}
	return v, o.Sensitive, diags
}

func sensitiveOutput(o *config.Output) *hcl.Diagnostic {
	rng := o.Expr.Range()
	return diag.Error(&rng, "Output shows a sensitive value",
		fmt.Sprintf("The value of output %q comes from a sensitive value. Add sensitive = true to the output, "+
			"or wrap the expression in nonsensitive().", o.Name))
}

// EvaluateOutputs gives the outputs for the state, after apply.
func (p *Plan) EvaluateOutputs() (map[string]*state.Output, hcl.Diagnostics) {
	out := map[string]*state.Output{}
	switch {
	case p.Input.Mode == RefreshOnly, p.Input.Mode == Adopt, p.Input.Mode == Destroy && !p.focus.all:
		return p.Input.State.Outputs, nil
	case p.Input.Mode == Destroy:
		return out, nil
	}
	diags := append(p.Evaluator.validateVariables(), p.checkOutputs()...)
	for _, name := range sortedNames(p.Input.Config.Outputs) {
		if !p.concerns(p.Input.Config.Outputs[name]) {
			if old := p.Input.State.Outputs[name]; old != nil {
				out[name] = old
			}
			continue
		}
		v, sensitive, more := p.output(name)
		diags = append(diags, more...)
		if more.HasErrors() || !v.IsWhollyKnown() {
			continue // of a resource that failed: the output has no value yet
		}
		encoded, more := p.encode(name, v, sensitive)
		if diags = append(diags, more...); !more.HasErrors() {
			out[name] = encoded
		}
	}
	return out, diags
}

// encode gives what is recorded of an output.
func (p *Plan) encode(name string, v cty.Value, sensitive bool) (*state.Output, hcl.Diagnostics) {
	encoded, err := encodeOutput(v, sensitive)
	if err != nil {
		rng := p.Input.Config.Outputs[name].Expr.Range()
		return nil, hcl.Diagnostics{diag.Error(&rng, "Output cannot be recorded",
			fmt.Sprintf("The value of output %q cannot be written down: %s", name, diag.Sentence(err.Error())))}
	}
	return encoded, nil
}

func encodeOutput(v cty.Value, sensitive bool) (*state.Output, error) {
	value, err := ctyjson.Marshal(v, v.Type())
	if err != nil {
		return nil, fmt.Errorf("encode output: %w", err)
	}
	typ, err := ctyjson.MarshalType(v.Type())
	if err != nil {
		return nil, fmt.Errorf("encode output type: %w", err)
	}
	return &state.Output{Value: json.RawMessage(value), Type: json.RawMessage(typ), Sensitive: sensitive}, nil
}

// DecodeOutput gives the value of a recorded output.
func DecodeOutput(o *state.Output) (cty.Value, error) {
	t, err := ctyjson.UnmarshalType(o.Type)
	if err != nil {
		return cty.NilVal, fmt.Errorf("type of an output in the state: %w", err)
	}
	v, err := ctyjson.Unmarshal(o.Value, t)
	if err != nil {
		return cty.NilVal, fmt.Errorf("value of an output in the state: %w", err)
	}
	return v, nil
}

func deletedOutput(name string, old *state.Output) *OutputChange {
	o := &OutputChange{
		Name: name, Action: Delete, Sensitive: old.Sensitive,
		Before: cty.DynamicVal, After: cty.NullVal(cty.DynamicPseudoType),
	}
	if v, err := DecodeOutput(old); err == nil {
		o.Before = v
	}
	return o
}
