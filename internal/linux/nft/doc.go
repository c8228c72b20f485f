// Package nft speaks nf_tables over one socket of one network namespace: it reads one
// table at one instant, and changes it in one atomic transaction.
//
// It is not for composing rules (the providers do, from the expressions of
// github.com/google/nftables/expr) and it decides nothing about whose rule is whose. It has
// its own transactions, where that library has them too, because a caller must know
// which message the kernel refused, and must be sure that nothing changed since it looked.
//
// Start with [Conn.List] and [Conn.Commit].
//
// # Generations
//
// Each transaction, whoever makes it, gives the namespace's ruleset a new generation
// number. A listing is made of several dumps, so it counts only if the generation was the
// same before and after; a transaction names the generation that it was decided on, and
// the kernel refuses it when that is no longer the present one.
package nft
