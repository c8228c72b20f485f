package firewall

import (
	"slices"
	"strings"

	"github.com/diyform/diyform/internal/linux/nft"
)

// transaction is what is to be done to our table, given what is in it.
type transaction struct {
	table     nft.Table
	mark      string         // what the comments of our rules begin with
	framework []*nft.Request // the table, and chains that are missing or not as we make them
	rules     []*nft.Request
	restored  []*nft.Request // rules of others, in chains that were made anew
	cleanup   []*nft.Request // the chains that are left empty, and the table with the last

	now     nft.Ruleset
	needed  map[string]bool // chains of ours that rules are wanted in
	remade  map[string]bool // chains that are deleted and made again, with what is in them
	left    map[string]int  // rules of each chain after the transaction
	emptied []string        // chains that rules were taken out of
}

// newTransaction notes in each part the requests that are its own.
func newTransaction(table nft.Table, mark string, now nft.Ruleset, parts []*part) *transaction {
	t := &transaction{
		table: table, mark: mark, now: now,
		needed: map[string]bool{}, remade: map[string]bool{}, left: map[string]int{},
	}
	present, changing := map[string][]nft.Rule{}, map[string]bool{}
	for _, r := range now.Rules {
		t.left[r.Chain]++
		present[r.Comment] = append(present[r.Comment], r)
	}
	for _, p := range parts {
		p.requests = nil
		if p.err == nil {
			for _, comment := range p.known {
				changing[comment] = true
			}
			t.frame(p)
		}
	}
	t.keep(changing)
	for _, p := range parts {
		if p.err == nil {
			var there []nft.Rule
			for _, comment := range p.known {
				there = append(there, present[comment]...)
			}
			t.add(there, p)
		}
	}
	t.clean()
	return t
}

// all gives the requests in the order in which they must come.
func (t *transaction) all() []*nft.Request {
	return slices.Concat(t.framework, t.rules, t.restored, t.cleanup)
}

// frameworkError gives what the kernel has against the table or a chain. The rules fail
// then too, but that is not why.
func (t *transaction) frameworkError() error {
	for _, r := range slices.Concat(t.framework, t.restored, t.cleanup) {
		if r.Err() != nil {
			return r.Err()
		}
	}
	return nil
}

// frame makes the table and the chains that the part's rules are to be in as we make them.
func (t *transaction) frame(p *part) {
	for _, w := range p.rules {
		if t.needed[w.chain.Name] {
			continue
		}
		if len(t.needed) == 0 {
			t.framework = append(t.framework, t.table.AddTable())
		}
		t.needed[w.chain.Name] = true
		// The kernel moves no chain to another hook.
		i := slices.IndexFunc(t.now.Chains, func(c nft.Chain) bool { return c.Name == w.chain.Name })
		if i >= 0 && !sameHook(t.now.Chains[i], w.chain) {
			t.framework = append(t.framework, t.table.DeleteChainAndRules(w.chain.Name))
			t.remade[w.chain.Name] = true
		}
		t.framework = append(t.framework, t.table.AddChain(w.chain))
	}
}

// keep puts the rules back that are in chains made anew and are not changed: ours before those
// of the parts, all others behind.
func (t *transaction) keep(changing map[string]bool) {
	for _, r := range t.now.Rules {
		switch {
		case !t.remade[r.Chain] || changing[r.Comment]:
		case t.foreign(r):
			t.restored = append(t.restored, t.table.RestoreRule(r))
		default:
			t.framework = append(t.framework, t.table.RestoreRule(r))
		}
	}
}

// foreign reports whether somebody else put the rule into our table.
func (t *transaction) foreign(r nft.Rule) bool { return !strings.HasPrefix(r.Comment, t.mark) }

// firstForeign gives the handle of the first rule of somebody else in the chain, or 0.
func (t *transaction) firstForeign(chain string) uint64 {
	for _, r := range t.now.Rules {
		if r.Chain == chain && t.foreign(r) {
			return r.Handle
		}
	}
	return 0
}

// add replaces the rules that there are by those wanted: in their places if they are as many
// in the same chains, and no rule of somebody else is before them.
func (t *transaction) add(present []nft.Rule, p *part) {
	inPlace := len(present) == len(p.rules)
	for i := 0; inPlace && i < len(present); i++ {
		foreign := t.firstForeign(present[i].Chain)
		inPlace = present[i].Chain == p.rules[i].chain.Name && !t.remade[present[i].Chain] && (foreign == 0 || t.before(present[i].Handle, foreign))
	}
	if !inPlace {
		t.remove(present, p)
	}
	for i, w := range p.rules {
		rule := nft.Rule{Chain: w.chain.Name, Comment: p.comment, Exprs: w.exprs}
		foreign := t.firstForeign(rule.Chain)
		switch {
		case inPlace:
			rule.Handle = present[i].Handle
			p.requests = append(p.requests, t.table.ReplaceRule(rule))
			continue
		case foreign != 0 && !t.remade[rule.Chain]:
			p.requests = append(p.requests, t.table.InsertRule(rule, foreign))
		default:
			p.requests = append(p.requests, t.table.AddRule(rule))
		}
		t.left[rule.Chain]++
	}
	t.rules = append(t.rules, p.requests...)
}

// before reports whether the one rule is listed before the other.
func (t *transaction) before(one, other uint64) bool {
	for _, r := range t.now.Rules {
		switch r.Handle {
		case one:
			return true
		case other:
			return false
		}
	}
	return false
}

// remove deletes a part's rules that are there, but for those that go with their chain.
func (t *transaction) remove(present []nft.Rule, p *part) {
	for _, r := range present {
		if !t.remade[r.Chain] {
			p.requests = append(p.requests, t.table.DeleteRule(r.Chain, r.Handle))
		}
		t.left[r.Chain]--
		t.emptied = append(t.emptied, r.Chain)
	}
}

// clean deletes the chains that are left empty. When no rule is left in the table, and nothing
// but chains, it deletes these and the table.
func (t *transaction) clean() {
	rules := 0
	for _, n := range t.left {
		rules += n
	}
	all := len(t.needed) == 0 && rules == 0 && t.now.Exists && int(t.now.Use) == len(t.now.Chains)
	if all {
		for _, c := range t.now.Chains {
			t.emptied = append(t.emptied, c.Name)
		}
	}
	slices.Sort(t.emptied)
	for _, name := range slices.Compact(t.emptied) {
		if t.left[name] == 0 && !t.needed[name] {
			t.cleanup = append(t.cleanup, t.table.DeleteChain(name))
		}
	}
	if all {
		t.cleanup = append(t.cleanup, t.table.DeleteTable())
	}
}
