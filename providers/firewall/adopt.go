package firewall

import "github.com/diyform/diyform/providers"

// RefuseImport says why a rule that somebody else made stays theirs: a rule is ours by its table
// and comment, and the kernel moves no rule to another table.
func (masquerade) RefuseImport() string {
	return "diyform's rules are in a table of their own, and the kernel moves no rule from one table to another. Write the " +
		"resource and apply it: both rules can stand at once, and the first that a packet meets counts. Then delete the other one: " +
		"nft -a list ruleset shows its handle, nft delete rule FAMILY TABLE CHAIN handle HANDLE deletes it."
}

// RefuseRelease says why a rule cannot stay without its state.
func (masquerade) RefuseRelease() string {
	return "Its rule is in a table of this state's own, where it would be in the way of the state's other rules. Add a rule like it " +
		"to a table of your own with nft, and let this one be destroyed: destroy = true."
}

var _ providers.Refuser = masquerade{}
