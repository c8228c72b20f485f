package plan

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"

	"github.com/diyform/diyform/internal/addr"
	"github.com/diyform/diyform/internal/marks"
	"github.com/diyform/diyform/providers"
	"github.com/diyform/diyform/providers/schema"
	"github.com/diyform/diyform/state"
)

// The state's form for scripts is that of `terraform show -json`, format 1.0.

// ProviderName is under what Terraform's tools find our types. It is the same for all.
const ProviderName = "registry.opentofu.org/diyform/diyform"

// TerraformVersion is the version of Terraform whose forms of documents are kept: tools decide
// by it what they may expect.
const TerraformVersion = "1.12.0"

// JSONState is the document.
type JSONState struct {
	FormatVersion    string           `json:"format_version"`
	TerraformVersion string           `json:"terraform_version"`
	Values           *JSONStateValues `json:"values,omitempty"` // nil where nothing is recorded
}

// JSONStateValues is what is there, or shall be.
type JSONStateValues struct {
	Outputs    map[string]JSONOutput `json:"outputs,omitempty"`
	RootModule *JSONModule           `json:"root_module"`
}

// JSONOutput is an output's value, without one as long as it is unknown.
type JSONOutput struct {
	Sensitive bool            `json:"sensitive"`
	Type      json.RawMessage `json:"type,omitempty"`
	Value     json.RawMessage `json:"value,omitempty"`
}

// JSONModule is a module instance.
type JSONModule struct {
	Resources    []JSONResource `json:"resources,omitempty"`
	Address      string         `json:"address,omitempty"`
	ChildModules []*JSONModule  `json:"child_modules,omitempty"`
}

// JSONResource is a resource instance.
type JSONResource struct {
	JSONAddress
	SchemaVersion   int             `json:"schema_version"`
	Values          json.RawMessage `json:"values"`
	SensitiveValues json.RawMessage `json:"sensitive_values"`
	DependsOn       []string        `json:"depends_on,omitempty"`
	Tainted         bool            `json:"tainted,omitempty"`
	DeposedKey      string          `json:"deposed_key,omitempty"`

	at addr.Instance
}

// JSONAddress is a resource instance's address, in one and in its parts.
type JSONAddress struct {
	Address      string `json:"address"`
	Mode         string `json:"mode"`
	Type         string `json:"type"`
	Name         string `json:"name"`
	Index        any    `json:"index,omitempty"`
	ProviderName string `json:"provider_name"`
}

func newJSONAddress(a addr.Instance) JSONAddress {
	return JSONAddress{
		Address: a.String(), Mode: jsonMode(a.Resource), Type: a.Type, Name: a.Name,
		Index: JSONKey(a.Key), ProviderName: ProviderName,
	}
}

func jsonMode(r addr.Resource) string {
	if r.Mode == addr.Data {
		return "data"
	}
	return "managed"
}

// JSONKey is an instance's key as JSON has it: a number, a string or nil.
func JSONKey(k addr.Key) any {
	if i, ok := k.Int(); ok {
		return i
	}
	if s, ok := k.Str(); ok {
		return s
	}
	return nil
}

// StateJSON gives a state for scripts.
func StateJSON(registry *providers.Registry, st *state.State) (*JSONState, error) {
	doc := &JSONState{FormatVersion: "1.0", TerraformVersion: TerraformVersion}
	var resources []JSONResource
	for i, r := range slices.Concat(st.Sorted(), st.SortedDeposed()) {
		o, t, err := DecodeRecord(registry, r)
		if err != nil {
			return nil, err
		}
		j, err := recordJSON(r, t.Schema(), o.Attributes)
		if err != nil {
			return nil, err
		}
		if i >= len(st.Resources) {
			j.DeposedKey = DeposedKey
		}
		resources = append(resources, j)
	}
	if len(resources) > 0 || len(st.Outputs) > 0 {
		doc.Values = &JSONStateValues{Outputs: OutputsJSON(st.Outputs), RootModule: nest(resources)}
	}
	return doc, nil
}

// OutputsJSON gives recorded outputs for scripts.
func OutputsJSON(outputs map[string]*state.Output) map[string]JSONOutput {
	out := map[string]JSONOutput{}
	for name, o := range outputs {
		out[name] = JSONOutput{Sensitive: o.Sensitive, Type: o.Type, Value: o.Value}
	}
	return out
}

func recordJSON(r *state.Resource, s *schema.Schema, v cty.Value) (JSONResource, error) {
	j, err := resourceJSON(r.Address, s, v, pathsIn(v, r.Sensitive))
	j.DependsOn, j.Tainted = r.Dependencies, r.Status == state.Tainted
	return j, err
}

func resourceJSON(a addr.Instance, s *schema.Schema, v cty.Value, sensitive []cty.Path) (JSONResource, error) {
	j := JSONResource{JSONAddress: newJSONAddress(a), SchemaVersion: schema.Version, at: a}
	var err error
	if j.Values, err = knownJSON(v); err != nil {
		return j, fmt.Errorf("%s: %w", a, err)
	}
	j.SensitiveValues, err = sensitiveJSON(s, v, sensitive)
	return j, err
}

// sensitiveJSON is true where a part of v is sensitive, and an object or array of such else.
func sensitiveJSON(s *schema.Schema, v cty.Value, paths []cty.Path) (json.RawMessage, error) {
	if v.IsNull() {
		return json.RawMessage("false"), nil
	}
	return json.Marshal(sensitiveTree(v, hiddenPaths(paths, s.Sensitive(v))))
}

// nest puts resources into the tree of their modules.
func nest(resources []JSONResource) *JSONModule {
	modules := map[addr.Module]*JSONModule{"": {}}
	var module func(m addr.Module) *JSONModule
	module = func(m addr.Module) *JSONModule {
		if modules[m] == nil {
			around, _ := m.Split()
			parent := module(around)
			modules[m] = &JSONModule{Address: string(m)}
			parent.ChildModules = append(parent.ChildModules, modules[m])
		}
		return modules[m]
	}
	for _, r := range resources {
		m := module(r.at.Module)
		m.Resources = append(m.Resources, r)
	}
	for _, m := range modules {
		slices.SortFunc(m.ChildModules, func(a, b *JSONModule) int { return cmp.Compare(a.Address, b.Address) })
	}
	return modules[""]
}

// priorState is what refresh found, with the data that was read already.
func (p *Plan) priorState() (*JSONState, error) {
	doc := &JSONState{FormatVersion: "1.0", TerraformVersion: TerraformVersion}
	var resources []JSONResource
	for _, r := range p.records {
		rec := p.recorded[r.Address]
		if rec.Actual == nil {
			continue
		}
		j, err := recordJSON(r, p.Input.Registry.Type(r.Address.Type).Schema(), rec.Actual.Attributes)
		if err != nil {
			return nil, err
		}
		resources = append(resources, j)
	}
	for _, r := range p.Input.State.SortedDeposed() {
		rec := p.deposed[r.Address]
		if rec == nil || rec.Actual == nil {
			continue
		}
		j, err := recordJSON(r, p.Input.Registry.Type(r.Address.Type).Schema(), rec.Actual.Attributes)
		if err != nil {
			return nil, err
		}
		j.DeposedKey = DeposedKey
		resources = append(resources, j)
	}
	for _, c := range p.Changes {
		if c.Address.Mode != addr.Data || c.Action != NoOp {
			continue
		}
		j, err := resourceJSON(c.Address, c.Schema, c.After, c.Sensitive)
		if err != nil {
			return nil, err
		}
		resources = append(resources, j)
	}
	if len(resources) > 0 || len(p.Input.State.Outputs) > 0 {
		doc.Values = &JSONStateValues{Outputs: OutputsJSON(p.Input.State.Outputs), RootModule: nest(resources)}
	}
	return doc, nil
}

// plannedValues is what is there after the plan, as far as it is known.
func (p *Plan) plannedValues() (*JSONStateValues, error) {
	values := &JSONStateValues{Outputs: map[string]JSONOutput{}}
	var resources []JSONResource
	for _, c := range p.Changes {
		if c.After.IsNull() || c.Deposed || c.Address.Mode == addr.Data && c.Action == NoOp {
			continue
		}
		j, err := resourceJSON(c.Address, c.Schema, c.After, c.Sensitive)
		if err != nil {
			return nil, err
		}
		resources = append(resources, j)
	}
	values.RootModule = nest(resources)
	for _, o := range p.Outputs {
		if o.After.IsNull() && o.Action == Delete {
			continue
		}
		j, err := outputJSON(o.After, o.Sensitive)
		if err != nil {
			return nil, fmt.Errorf("output %s: %w", o.Name, err)
		}
		values.Outputs[o.Name] = j
	}
	return values, nil
}

func outputJSON(v cty.Value, sensitive bool) (JSONOutput, error) {
	o := JSONOutput{Sensitive: sensitive}
	if !v.IsWhollyKnown() {
		return o, nil
	}
	var err error
	if o.Value, err = ctyjson.Marshal(v, v.Type()); err == nil {
		o.Type, err = ctyjson.MarshalType(v.Type())
	}
	return o, err
}

// variablesJSON gives the values of the root module's variables. Ephemeral ones are in no
// document.
func (p *Plan) variablesJSON() (map[string]JSONVariable, error) {
	out := map[string]JSONVariable{}
	for _, name := range sortedNames(p.Input.Variables) {
		if marks.Contains(p.Input.Variables[name], marks.Ephemeral) {
			continue
		}
		v, _ := p.Input.Variables[name].UnmarkDeep()
		value, err := ctyjson.Marshal(v, v.Type())
		if err != nil {
			return nil, fmt.Errorf("variable %s: %w", name, err)
		}
		out[name] = JSONVariable{Value: value}
	}
	return out, nil
}
