package plan

import (
	"slices"
	"strings"

	"github.com/diyform/diyform/internal/addr"
)

// JSONCheck is what came of the conditions of one block.
type JSONCheck struct {
	Address   JSONCheckAddress    `json:"address"`
	Status    string              `json:"status"` // "pass", "fail", "error" or "unknown"
	Instances []JSONCheckInstance `json:"instances,omitempty"`
}

// JSONCheckAddress names the block.
type JSONCheckAddress struct {
	Kind      string `json:"kind"` // "check" or "resource"
	Module    string `json:"module,omitempty"`
	Mode      string `json:"mode,omitempty"` // and the type, of a resource
	Type      string `json:"type,omitempty"`
	Name      string `json:"name"`
	ToDisplay string `json:"to_display"`
}

// JSONCheckInstance is the same for one instance.
type JSONCheckInstance struct {
	Address  JSONInstanceAddress `json:"address"`
	Status   string              `json:"status"`
	Problems []JSONProblem       `json:"problems,omitempty"`
}

// JSONInstanceAddress names the instance.
type JSONInstanceAddress struct {
	Module      string `json:"module,omitempty"`
	InstanceKey any    `json:"instance_key,omitempty"`
	ToDisplay   string `json:"to_display"`
}

// JSONProblem is the error message of a condition that does not hold.
type JSONProblem struct {
	Message string `json:"message"`
}

// checksJSON gives the check blocks and the resources with conditions. Those of a plan that
// changes something are run after it, so nothing is known of them yet.
func (p *Plan) checksJSON() []JSONCheck {
	if p.Input.Mode != Normal || p.Input.Config == nil {
		return nil
	}
	var out []JSONCheck
	results := map[string]*CheckResult{}
	for _, k := range p.Checks {
		results[k.Name] = k
	}
	for _, name := range sortedNames(p.Input.Config.Checks) {
		out = append(out, checkJSON(name, results[name]))
	}
	out = append(out, p.conditionsJSON()...)
	slices.SortFunc(out, func(a, b JSONCheck) int { return strings.Compare(a.Address.ToDisplay, b.Address.ToDisplay) })
	return out
}

func checkJSON(name string, result *CheckResult) JSONCheck {
	display := "check." + name
	instance := JSONCheckInstance{Address: JSONInstanceAddress{ToDisplay: display}, Status: "unknown"}
	if result != nil {
		instance.Status = result.Status()
		for _, text := range result.Failures {
			instance.Problems = append(instance.Problems, JSONProblem{text})
		}
	}
	return JSONCheck{
		Address: JSONCheckAddress{Kind: "check", Name: name, ToDisplay: display},
		Status:  instance.Status, Instances: []JSONCheckInstance{instance},
	}
}

// conditionsJSON is about preconditions and postconditions. One that does not hold makes no
// plan, so they hold as far as they could be told.
func (p *Plan) conditionsJSON() []JSONCheck {
	var out []JSONCheck
	for _, c := range p.Changes {
		r := p.Input.Config.Resource(c.Address.Resource)
		if r == nil || len(r.Lifecycle.Preconditions)+len(r.Lifecycle.Postconditions) == 0 || c.After.IsNull() {
			continue
		}
		status := "pass"
		if c.Action != NoOp && len(r.Lifecycle.Postconditions) > 0 && !c.After.IsWhollyKnown() || !c.Config.IsWhollyKnown() {
			status = "unknown"
		}
		instance := JSONCheckInstance{Status: status, Address: JSONInstanceAddress{
			Module: string(c.Address.Module), InstanceKey: JSONKey(c.Address.Key), ToDisplay: c.Address.String(),
		}}
		display := c.Address.Resource.String()
		if n := len(out); n == 0 || out[n-1].Address.ToDisplay != display {
			out = append(out, JSONCheck{Status: "pass", Address: conditionAddress(c.Address.Resource)})
		}
		last := &out[len(out)-1]
		last.Instances = append(last.Instances, instance)
		if status == "unknown" {
			last.Status = status
		}
	}
	return out
}

func conditionAddress(r addr.Resource) JSONCheckAddress {
	return JSONCheckAddress{
		Kind: "resource", Module: string(r.Module), Mode: jsonMode(r), Type: r.Type, Name: r.Name, ToDisplay: r.String(),
	}
}
