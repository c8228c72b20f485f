package firewall

import (
	"slices"

	"github.com/diyform/diyform/internal/linux/nft"
)

// transaction is what is to be done to our table, given what is in it.
type transaction struct {
	table     nft.Table
	framework []*nft.Request // the table and the chains that are missing
	rules     []*nft.Request
	cleanup   []*nft.Request // the chains that are left empty, and the table with the last

	needed  []nft.Chain    // that rules are added to
	left    map[string]int // rules of each chain after the transaction
	emptied []string       // chains that rules were taken out of
}

// newTransaction notes in each part the requests that are its own.
func newTransaction(table nft.Table, now nft.Ruleset, parts []*part) *transaction {
	t := &transaction{table: table, left: map[string]int{}}
	present := map[string][]nft.Rule{}
	for _, r := range now.Rules {
		t.left[r.Chain]++
		present[r.Comment] = append(present[r.Comment], r)
	}
	for _, p := range parts {
		p.requests = nil
		if p.err == nil {
			t.add(present[p.comment], p)
		}
	}
	t.frame()
	t.clean(now)
	return t
}

// all gives the requests in the order in which they must come.
func (t *transaction) all() []*nft.Request { return slices.Concat(t.framework, t.rules, t.cleanup) }

// frameworkError gives what the kernel has against the table or a chain. The rules fail
// then too, but that is not why.
func (t *transaction) frameworkError() error {
	for _, r := range slices.Concat(t.framework, t.cleanup) {
		if r.Err() != nil {
			return r.Err()
		}
	}
	return nil
}

// add replaces the rules that there are by those wanted: in their places if they are as many
// in the same chains.
func (t *transaction) add(present []nft.Rule, p *part) {
	inPlace := len(present) == len(p.rules)
	for i := 0; inPlace && i < len(present); i++ {
		inPlace = present[i].Chain == p.rules[i].chain.Name
	}
	if !inPlace {
		for _, r := range present {
			p.requests = append(p.requests, t.table.DeleteRule(r.Chain, r.Handle))
			t.left[r.Chain]--
			t.emptied = append(t.emptied, r.Chain)
		}
	}
	for i, w := range p.rules {
		rule := nft.Rule{Chain: w.chain.Name, Comment: p.comment, Exprs: w.exprs}
		if inPlace {
			rule.Handle = present[i].Handle
			p.requests = append(p.requests, t.table.ReplaceRule(rule))
			continue
		}
		p.requests = append(p.requests, t.table.AddRule(rule))
		t.needed = append(t.needed, w.chain)
		t.left[w.chain.Name]++
	}
	t.rules = append(t.rules, p.requests...)
}

func (t *transaction) frame() {
	if len(t.needed) == 0 {
		return
	}
	t.framework = append(t.framework, t.table.AddTable())
	made := map[string]bool{}
	for _, c := range t.needed {
		if !made[c.Name] {
			t.framework = append(t.framework, t.table.AddChain(c))
		}
		made[c.Name] = true
	}
}

func (t *transaction) clean(now nft.Ruleset) {
	slices.Sort(t.emptied)
	for _, name := range slices.Compact(t.emptied) {
		if t.left[name] == 0 {
			t.cleanup = append(t.cleanup, t.table.DeleteChain(name))
		}
	}
	if n := len(t.cleanup); n > 0 && n == int(now.Use) && len(t.needed) == 0 {
		t.cleanup = append(t.cleanup, t.table.DeleteTable())
	}
}
