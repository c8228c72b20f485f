package plan

import (
	"fmt"
	"slices"

	"github.com/diyform/diyform/internal/addr"
	"github.com/diyform/diyform/providers/schema"
	"github.com/diyform/diyform/state"
)

// Why something is deleted, in Terraform's words for scripts.
const (
	noResourceConfig = "delete_because_no_resource_config"
	wrongRepetition  = "delete_because_wrong_repetition"
	countIndex       = "delete_because_count_index"
	eachKey          = "delete_because_each_key"
	enabledFalse     = "delete_because_enabled_false" // OpenTofu's
	noModule         = "delete_because_no_module"
	noMoveTarget     = "delete_because_no_move_target"
)

// actionReason says in one of Terraform's words why a change is what it is, or "".
func (p *Plan) actionReason(c *Change) string {
	switch c.Action {
	case Replace:
		return p.whyReplaced(c)
	case Delete:
		if p.Input.Mode == Normal && !c.Deposed {
			reason, _ := p.whyDeleted(c.Address)
			return reason
		}
	case Read:
		if c.Config.IsWhollyKnown() {
			return "read_because_dependency_pending"
		}
		return "read_because_config_unknown"
	}
	return ""
}

func (p *Plan) whyReplaced(c *Change) string {
	rec := p.recorded[c.Address]
	switch {
	case slices.Contains(p.Input.Options.Replace, c.Address):
		return "replace_by_request"
	case rec != nil && rec.Record.Status == state.Tainted:
		return "replace_because_tainted"
	case slices.ContainsFunc(c.Differences, func(d schema.Change) bool { return d.Replace }):
		return "replace_because_cannot_update"
	}
	return "replace_by_triggers" // of replace_triggered_by, or of what it lives in
}

// whyDeleted says why what is recorded at an address is no longer wanted, for scripts and in
// words.
func (p *Plan) whyDeleted(a addr.Instance) (reason, words string) {
	r := p.Input.Config.Resource(a.Resource)
	_, moved := p.previous[a]
	switch {
	case moved && r == nil: // a slip of the pen in the moved block is told from a block that is gone
		return noMoveTarget, fmt.Sprintf("it was moved to %s, which is not in the configuration", a)
	case p.Evaluator.modules[a.Module] == nil:
		return noModule, p.whyNoModule(a.Module)
	case r == nil:
		return noResourceConfig, "it is no longer in the configuration"
	}
	n, isNumber := a.Key.Int()
	key, isKey := a.Key.Str()
	switch {
	case r.Enabled != nil && a.Key.IsZero():
		return enabledFalse, "it is disabled in the configuration"
	case r.Count != nil && isNumber:
		return countIndex, fmt.Sprintf("index [%d] is out of range for count", n)
	case r.ForEach != nil && isKey:
		return eachKey, fmt.Sprintf("key [%q] is not in for_each", key)
	case r.Count != nil:
		return wrongRepetition, "the block has count now"
	case r.ForEach != nil:
		return wrongRepetition, "the block has for_each now"
	}
	return wrongRepetition, "the block has neither count nor for_each now"
}

// whyNoModule says why configuration has an instance of a module no longer.
func (p *Plan) whyNoModule(of addr.Module) string {
	for m := of; !m.IsRoot(); {
		parent, step := m.Split()
		cfg := p.Input.Config.Module(parent)
		if cfg != nil && cfg.Calls[step.Name] != nil && cfg.Calls[step.Name].Enabled != nil && p.Evaluator.modules[m] == nil {
			return fmt.Sprintf("%s is disabled in the configuration", m)
		}
		m = parent
	}
	return fmt.Sprintf("%s is no longer in the configuration", of)
}

// StreamReason says the same in the words that Terraform's streams have for it.
func (p *Plan) StreamReason(c *Change) string {
	reason := p.actionReason(c)
	if short, ok := streamReasons[reason]; ok {
		return short
	}
	return reason
}

var streamReasons = map[string]string{
	"replace_because_cannot_update": "cannot_update", "replace_because_tainted": "tainted",
	"replace_by_request": "requested", "replace_by_triggers": "replace_triggered_by",
}
