package plan

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/zclconf/go-cty/cty"

	"github.com/diyform/diyform/internal/addr"
)

// The plan's form for scripts is that of `terraform show -json`, format 1.2. json_state.go has
// what is there and shall be, json_config.go the configuration, json_checks.go the checks.

// JSONPlan is the document.
type JSONPlan struct {
	FormatVersion      string                  `json:"format_version"`
	TerraformVersion   string                  `json:"terraform_version"`
	Variables          map[string]JSONVariable `json:"variables,omitempty"`
	PlannedValues      *JSONStateValues        `json:"planned_values"`
	ResourceDrift      []JSONChange            `json:"resource_drift,omitempty"`
	ResourceChanges    []JSONChange            `json:"resource_changes"`
	OutputChanges      map[string]JSONValues   `json:"output_changes,omitempty"`
	PriorState         *JSONState              `json:"prior_state"`
	Configuration      *JSONConfig             `json:"configuration"`
	RelevantAttributes []JSONAttribute         `json:"relevant_attributes,omitempty"`
	Checks             []JSONCheck             `json:"checks,omitempty"`
	Timestamp          string                  `json:"timestamp"`
	Applyable          bool                    `json:"applyable"`
	Complete           bool                    `json:"complete"`
	Errored            bool                    `json:"errored"`
}

// JSONVariable is the value of a variable of the root module.
type JSONVariable struct {
	Value json.RawMessage `json:"value"`
}

// JSONChange is one instance's change.
type JSONChange struct {
	JSONAddress
	ModuleAddress   string     `json:"module_address,omitempty"`
	PreviousAddress string     `json:"previous_address,omitempty"`
	Deposed         string     `json:"deposed,omitempty"`
	Change          JSONValues `json:"change"`
	ActionReason    string     `json:"action_reason,omitempty"`
	// Diyform's own, which readers of Terraform's plans do not see.
	Reason     string   `json:"reason,omitempty"`     // in words
	Collateral []string `json:"collateral,omitempty"` // what is taken along, or cut off
	Source     string   `json:"source,omitempty"`     // file and line of the block
}

// JSONValues is what changes.
type JSONValues struct {
	Actions         []string        `json:"actions"`
	Before          json.RawMessage `json:"before"`
	After           json.RawMessage `json:"after"`
	AfterUnknown    json.RawMessage `json:"after_unknown"`
	BeforeSensitive json.RawMessage `json:"before_sensitive"`
	AfterSensitive  json.RawMessage `json:"after_sensitive"`
	ReplacePaths    [][]any         `json:"replace_paths,omitempty"`
	Importing       *JSONImporting  `json:"importing,omitempty"`
}

// JSONImporting says that a change takes over what exists.
type JSONImporting struct {
	ID string `json:"id"`
}

// JSON gives the plan for scripts.
func (p *Plan) JSON() (*JSONPlan, error) {
	doc := &JSONPlan{
		FormatVersion: "1.2", TerraformVersion: TerraformVersion,
		ResourceChanges: []JSONChange{}, OutputChanges: map[string]JSONValues{},
		Timestamp: p.Input.Time.UTC().Format(time.RFC3339),
		Applyable: p.NeedsApply(), Complete: p.whole(),
		Configuration: p.configJSON(), RelevantAttributes: p.relevantAttributes(), Checks: p.checksJSON(),
	}
	var err error
	if doc.Variables, err = p.variablesJSON(); err != nil {
		return nil, err
	}
	if doc.PlannedValues, err = p.plannedValues(); err != nil {
		return nil, err
	}
	if doc.PriorState, err = p.priorState(); err != nil {
		return nil, err
	}
	return doc, p.changesJSON(doc)
}

// whole reports whether the plan is about everything.
func (p *Plan) whole() bool { return len(p.Input.Options.Targets)+len(p.Input.Options.Excludes) == 0 }

func (p *Plan) changesJSON(doc *JSONPlan) error {
	for _, c := range p.Changes {
		if !c.Told() && c.Action != NoOp || c.Address.Mode == addr.Data && c.Action == NoOp {
			continue
		}
		j, err := c.json()
		if err != nil {
			return err
		}
		j.ActionReason = p.actionReason(c)
		doc.ResourceChanges = append(doc.ResourceChanges, j)
	}
	for _, d := range p.Drift {
		j, err := d.change().json()
		if err != nil {
			return err
		}
		doc.ResourceDrift = append(doc.ResourceDrift, j)
	}
	for _, o := range p.Outputs {
		v, err := values(jsonActions[o.Action], o.Before, o.After)
		if err != nil {
			return fmt.Errorf("output %s: %w", o.Name, err)
		}
		v.BeforeSensitive = json.RawMessage(strconv.FormatBool(o.Sensitive))
		v.AfterSensitive = v.BeforeSensitive
		doc.OutputChanges[o.Name] = v
	}
	return nil
}

// Told reports whether a change is one that people and scripts are told of: something of the
// object changes, or whose it is.
func (c *Change) Told() bool { return c.acts() || c.isNews() }

// acts reports whether something of the object changes.
func (c *Change) acts() bool { return c.Action != NoOp && c.Action != Forget }

var jsonActions = map[Action][]string{
	NoOp: {"no-op"}, Create: {"create"}, Update: {"update"}, Delete: {"delete"},
	Replace: {"delete", "create"}, Read: {"read"}, Forget: {"forget"},
}

func (c *Change) json() (JSONChange, error) {
	j := JSONChange{
		JSONAddress: newJSONAddress(c.Address), ModuleAddress: string(c.Address.Module),
		Reason: c.Reason, Collateral: c.collateralTexts(), Source: c.Source(),
	}
	if c.Deposed {
		j.Deposed = DeposedKey
	}
	v, err := values(jsonActions[c.Action], c.Before, c.After)
	if err != nil {
		return j, fmt.Errorf("%s: %w", c.Address, err)
	}
	if c.CreateFirst {
		v.Actions = []string{"create", "delete"}
	}
	before := c.SensitiveBefore
	if c.Action == Delete {
		before = slices.Concat(before, c.Sensitive)
	}
	if v.BeforeSensitive, err = sensitiveJSON(c.Schema, c.Before, before); err != nil {
		return j, err
	}
	if v.AfterSensitive, err = sensitiveJSON(c.Schema, c.After, c.Sensitive); err != nil {
		return j, err
	}
	if c.Action == Replace {
		for _, d := range c.Differences {
			if d.Replace {
				v.ReplacePaths = append(v.ReplacePaths, jsonPath(d.Path))
			}
		}
	}
	if c.PreviousAddress != nil {
		j.PreviousAddress = c.PreviousAddress.String()
	}
	if c.Importing != nil {
		v.Importing = &JSONImporting{c.Importing.ID}
	}
	j.Change = v
	return j, nil
}

func jsonPath(path string) []any {
	var out []any
	for part := range strings.SplitSeq(path, ".") {
		if n, err := strconv.Atoi(part); err == nil {
			out = append(out, n)
		} else {
			out = append(out, part)
		}
	}
	return out
}

func values(actions []string, before, after cty.Value) (JSONValues, error) {
	v := JSONValues{Actions: actions}
	var err error
	if v.Before, err = knownJSON(before); err != nil {
		return v, err
	}
	if v.After, err = knownJSON(after); err != nil {
		return v, err
	}
	unknown := unknownTree(after)
	if after.IsWhollyKnown() && after.Type().IsObjectType() {
		unknown = map[string]any{} // what Terraform writes, and shorter
	}
	v.AfterUnknown, err = json.Marshal(unknown)
	return v, err
}
