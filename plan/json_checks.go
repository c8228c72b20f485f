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
	results := map[checkID]*CheckResult{}
	for _, k := range p.Checks {
		results[checkID{k.Module, k.Name}] = k
	}
	list := &checkList{index: map[string]int{}}
	for _, m := range p.Evaluator.within("") {
		for _, name := range sortedNames(m.cfg.Checks) {
			list.add(
				JSONCheckAddress{Kind: "check", Module: string(m.cfg.Path), Name: name, ToDisplay: m.cfg.Path.Join("check." + name)},
				checkJSON(m.addr, name, results[checkID{m.addr, name}]))
		}
	}
	p.addConditions(list)
	slices.SortFunc(list.checks, func(a, b JSONCheck) int { return strings.Compare(a.Address.ToDisplay, b.Address.ToDisplay) })
	return list.checks
}

// checkID names a check block of a module instance.
type checkID struct {
	module addr.Module
	name   string
}

// checkList gathers what came of each instance, by blocks.
type checkList struct {
	checks []JSONCheck
	index  map[string]int
}

func (l *checkList) add(block JSONCheckAddress, instance JSONCheckInstance) {
	i, there := l.index[block.ToDisplay]
	if !there {
		i = len(l.checks)
		l.index[block.ToDisplay] = i
		l.checks = append(l.checks, JSONCheck{Address: block, Status: "pass"})
	}
	check := &l.checks[i]
	check.Instances = append(check.Instances, instance)
	if slices.Index(severities, instance.Status) > slices.Index(severities, check.Status) {
		check.Status = instance.Status
	}
}

// severities are the statuses in the order in which one of an instance makes that of the block.
var severities = []string{"pass", "unknown", "fail", "error"}

func checkJSON(m addr.Module, name string, result *CheckResult) JSONCheckInstance {
	instance := JSONCheckInstance{
		Address: JSONInstanceAddress{Module: string(m), ToDisplay: m.Join("check." + name)}, Status: "unknown",
	}
	if result != nil {
		instance.Status = result.Status()
		for _, text := range result.Failures {
			instance.Problems = append(instance.Problems, JSONProblem{text})
		}
	}
	return instance
}

// addConditions is about preconditions and postconditions. One that does not hold makes no
// plan, so they hold as far as they could be told.
func (p *Plan) addConditions(list *checkList) {
	for _, c := range p.Changes {
		r := p.Input.Config.Resource(c.Address.Resource)
		if r == nil || len(r.Lifecycle.Preconditions)+len(r.Lifecycle.Postconditions) == 0 || c.After.IsNull() {
			continue
		}
		status := "pass"
		if c.Action != NoOp && len(r.Lifecycle.Postconditions) > 0 && !c.After.IsWhollyKnown() || !c.Config.IsWhollyKnown() {
			status = "unknown"
		}
		list.add(conditionAddress(r.Addr), JSONCheckInstance{Status: status, Address: JSONInstanceAddress{
			Module: string(c.Address.Module), InstanceKey: JSONKey(c.Address.Key), ToDisplay: c.Address.String(),
		}})
	}
}

func conditionAddress(r addr.Resource) JSONCheckAddress {
	return JSONCheckAddress{
		Kind: "resource", Module: string(r.Module), Mode: jsonMode(r), Type: r.Type, Name: r.Name, ToDisplay: r.String(),
	}
}
