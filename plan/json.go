package plan

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"

	"github.com/diyform/diyform/internal/addr"
)

// The plan's form for scripts is that of `terraform show -json`, format 1.2.

// JSONPlan is the document.
type JSONPlan struct {
	FormatVersion   string                `json:"format_version"`
	ResourceDrift   []JSONChange          `json:"resource_drift,omitempty"`
	ResourceChanges []JSONChange          `json:"resource_changes"`
	OutputChanges   map[string]JSONValues `json:"output_changes,omitempty"`
	Checks          []JSONCheck           `json:"checks,omitempty"`
	Applyable       bool                  `json:"applyable"`
	Complete        bool                  `json:"complete"`
	Errored         bool                  `json:"errored"`
}

// JSONChange is one instance's change.
type JSONChange struct {
	Address      string     `json:"address"`
	Mode         string     `json:"mode"`
	Type         string     `json:"type"`
	Name         string     `json:"name"`
	Index        any        `json:"index,omitempty"`
	Deposed      string     `json:"deposed,omitempty"`
	ProviderName string     `json:"provider_name"`
	Change       JSONValues `json:"change"`
	ActionReason string     `json:"action_reason,omitempty"`
	Reason       string     `json:"reason,omitempty"` // in words; diyform's own

	PreviousAddress string `json:"previous_address,omitempty"`
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

// JSONImporting tells what an object that is imported was named by.
type JSONImporting struct {
	ID string `json:"id"`
}

// JSONCheck is one check block's result.
type JSONCheck struct {
	Name     string   `json:"name"`
	Status   string   `json:"status"` // "pass" or "fail"
	Messages []string `json:"messages,omitempty"`
}

// JSON gives the plan for scripts.
func (p *Plan) JSON() (*JSONPlan, error) {
	doc := &JSONPlan{
		FormatVersion: "1.2", ResourceChanges: []JSONChange{}, OutputChanges: map[string]JSONValues{},
		Applyable: p.HasChanges(), Complete: true,
	}
	for _, c := range p.Changes {
		if c.Action == Forget && !c.Releases || c.Address.Mode == addr.Data && c.Action == NoOp {
			continue
		}
		j, err := c.json()
		if err != nil {
			return nil, err
		}
		doc.ResourceChanges = append(doc.ResourceChanges, j)
	}
	for _, d := range p.Drift {
		j, err := d.change().json()
		if err != nil {
			return nil, err
		}
		doc.ResourceDrift = append(doc.ResourceDrift, j)
	}
	for _, o := range p.Outputs {
		v, err := values(o.Action, o.Before, o.After, o.Sensitive)
		if err != nil {
			return nil, fmt.Errorf("output %s: %w", o.Name, err)
		}
		doc.OutputChanges[o.Name] = v
	}
	for _, k := range p.Checks {
		status := "fail"
		if k.Passed {
			status = "pass"
		}
		doc.Checks = append(doc.Checks, JSONCheck{Name: k.Name, Status: status, Messages: k.Messages})
	}
	return doc, nil
}

var jsonActions = map[Action][]string{
	NoOp: {"no-op"}, Create: {"create"}, Update: {"update"}, Delete: {"delete"},
	Replace: {"delete", "create"}, Read: {"read"}, Forget: {"forget"},
}

func (c *Change) json() (JSONChange, error) {
	mode := "managed"
	if c.Address.Mode == addr.Data {
		mode = "data"
	}
	j := JSONChange{
		Address: c.Address.String(), Mode: mode, Type: c.Address.Type, Name: c.Address.Name,
		ProviderName: "diyform", Reason: c.Reason,
	}
	if i, ok := c.Address.Key.Int(); ok {
		j.Index = i
	} else if s, ok := c.Address.Key.Str(); ok {
		j.Index = s
	}
	if c.Deposed {
		j.Deposed = DeposedKey
	}
	v, err := values(c.Action, c.Before, c.After, false)
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
	if v.BeforeSensitive, err = c.sensitiveJSON(c.Before, before); err != nil {
		return j, err
	}
	if v.AfterSensitive, err = c.sensitiveJSON(c.After, c.Sensitive); err != nil {
		return j, err
	}
	if c.Action == Replace {
		for _, d := range c.Differences {
			if d.Replace {
				v.ReplacePaths = append(v.ReplacePaths, jsonPath(d.Path))
				j.ActionReason = "replace_because_cannot_update"
			}
		}
	}
	if c.Action == Delete && c.Reason != "" && !c.Deposed {
		j.ActionReason = "delete_because_no_resource_config"
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

// sensitiveJSON is true where a part of v is sensitive, and an object or array of such else.
func (c *Change) sensitiveJSON(v cty.Value, paths []cty.Path) (json.RawMessage, error) {
	if v.IsNull() {
		return json.RawMessage("false"), nil
	}
	hidden := map[string]bool{}
	for _, p := range slices.Concat(paths, c.Schema.Sensitive(v)) {
		hidden[formatPath(p)] = true
	}
	return json.Marshal(sensitiveTree(v, "", hidden))
}

func sensitiveTree(v cty.Value, path string, hidden map[string]bool) any {
	switch {
	case hidden[path]:
		return true
	case !v.IsKnown() || v.IsNull() || v.Type().IsPrimitiveType():
		return false
	case v.Type().IsObjectType() || v.Type().IsMapType():
		m := map[string]any{}
		for k, e := range v.AsValueMap() {
			if t := sensitiveTree(e, joinPath(path, k), hidden); t != false {
				m[k] = t
			}
		}
		return m
	}
	list := []any{}
	for i, e := range v.AsValueSlice() {
		list = append(list, sensitiveTree(e, indexPath(path, i), hidden))
	}
	return list
}

func values(action Action, before, after cty.Value, sensitive bool) (JSONValues, error) {
	v := JSONValues{Actions: jsonActions[action]}
	var err error
	if v.Before, err = knownJSON(before); err != nil {
		return v, err
	}
	if v.After, err = knownJSON(after); err != nil {
		return v, err
	}
	v.AfterUnknown, err = json.Marshal(unknownTree(after))
	v.BeforeSensitive = json.RawMessage(fmt.Sprint(sensitive))
	v.AfterSensitive = v.BeforeSensitive
	return v, err
}

// knownJSON encodes what is known of v: unknown attributes are left out, unknown elements of
// a list are null.
func knownJSON(v cty.Value) (json.RawMessage, error) {
	v = omitUnknown(v)
	b, err := ctyjson.Marshal(v, v.Type())
	return b, err
}

func omitUnknown(v cty.Value) cty.Value {
	switch {
	case !v.IsKnown():
		return cty.NullVal(cty.DynamicPseudoType)
	case v.IsWhollyKnown() || v.IsNull():
		return v
	case v.Type().IsObjectType() || v.Type().IsMapType():
		m := map[string]cty.Value{}
		for k, e := range v.AsValueMap() {
			if e.IsKnown() {
				m[k] = omitUnknown(e)
			}
		}
		return cty.ObjectVal(m)
	}
	var elems []cty.Value
	for _, e := range v.AsValueSlice() {
		elems = append(elems, omitUnknown(e))
	}
	return cty.TupleVal(elems)
}

// unknownTree is true where v is unknown, and false or an empty collection where it is not.
func unknownTree(v cty.Value) any {
	switch {
	case !v.IsKnown():
		return true
	case v.IsNull() || v.Type().IsPrimitiveType():
		return false
	case v.Type().IsObjectType() || v.Type().IsMapType():
		m := map[string]any{}
		for k, e := range v.AsValueMap() {
			if u := unknownTree(e); u != false {
				m[k] = u
			}
		}
		return m
	}
	list := []any{}
	for _, e := range v.AsValueSlice() {
		list = append(list, unknownTree(e))
	}
	return list
}
