package firewall

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"

	"github.com/diyform/diyform/internal/linux/nft"
	"github.com/diyform/diyform/providers"
)

// The chains that diyform's rules are in, with the priorities that nft(8) has names for.
var postrouting = nft.Chain{Name: "postrouting", Type: "nat", Hook: unix.NF_INET_POST_ROUTING, Priority: 100} // srcnat

// identity is by what a resource's rules are known again. The comment alone would do; the
// handles tell in a state file which rules of `nft -a list ruleset` are meant.
type identity struct {
	Table   string   `json:"table"`
	Comment string   `json:"comment"`
	Handles []uint64 `json:"handles,omitempty"`
}

// wanted is a rule that a resource consists of.
type wanted struct {
	chain nft.Chain
	exprs []expr.Any
}

// ruleset is one resource type's part: the namespace of an object and the rules it is.
type ruleset[T any] interface {
	namespace(v *T) string
	rules(v *T) []wanted
}

// applyRules carries out operations on resources in one namespace, in one transaction.
// Those that the kernel refuses fail by themselves: the others are committed without them.
func applyRules[T any](ctx context.Context, k *session, r ruleset[T], ops []*providers.Op[T, identity]) {
	var namespace string
	if ops[0].Prior != nil {
		namespace = r.namespace(&ops[0].Prior.Attrs)
	} else {
		namespace = r.namespace(&ops[0].Planned)
	}
	parts := make([]*part, len(ops))
	for i, op := range ops {
		parts[i] = &part{comment: k.comment(op.Address), known: k.comments(op.Address, op.PriorMarked())}
		if op.Action != providers.Delete {
			parts[i].rules = r.rules(&op.Planned)
		}
	}
	err := k.connect(namespace, func(conn *nft.Conn) error { return change(ctx, conn, k, parts) })
	switch deletes := ops[0].Action == providers.Delete; {
	case deletes && noNamespace(err):
		err = nil // gone, with all rules
	case errors.Is(err, fs.ErrNotExist):
		err = missingNamespace(namespace, err)
	}
	for i, op := range ops {
		settle(op, k.table(), parts[i], err)
	}
}

func settle[T any](op *providers.Op[T, identity], table nft.Table, p *part, err error) {
	if p.err != nil {
		err = p.err
	}
	if err != nil {
		err = fmt.Errorf("%s rules of %s: %w", op.Action, op.Address, err)
	}
	id := identity{Table: table.Name, Comment: p.comment, Handles: p.handles}
	switch {
	case op.Action == providers.Delete && (err == nil || p.committed):
		op.Gone()
	case err == nil:
		op.Done(op.Planned, id)
	case p.committed:
		op.FailPartly(op.Planned, id, err)
	default:
		op.Fail(err)
	}
}

// part is what one resource wants of a transaction: its rules, or none of them.
type part struct {
	comment   string   // that its rules get
	known     []string // comments that its rules may have
	rules     []wanted
	requests  []*nft.Request // of the last attempt
	committed bool
	handles   []uint64 // after the transaction
	err       error    // the kernel refused these rules
}

// commitAttempts bounds how often a transaction is decided anew because somebody else
// changed the ruleset between the listing and the transaction.
const commitAttempts = 16

// change brings the rules of the parts about.
func change(ctx context.Context, conn *nft.Conn, k *session, parts []*part) error {
	table := k.table()
	for range commitAttempts {
		now, err := conn.List(ctx, table)
		if err != nil {
			return err
		}
		t := newTransaction(table, k.env.MarkPrefix(), now, parts)
		if now.Dormant && len(t.needed) > 0 {
			// First: the kernel takes no new chain in the transaction that wakes the table.
			if err := conn.Commit(ctx, now.Generation, table.AddTable()); err != nil && !errors.Is(err, nft.ErrChanged) {
				return err
			}
			continue
		}
		err = conn.Commit(ctx, now.Generation, t.all()...)
		switch {
		case err == nil:
			return committed(ctx, conn, table, parts)
		case errors.Is(err, nft.ErrChanged):
		case t.frameworkError() != nil:
			return t.frameworkError()
		case !setAside(parts):
			return err
		}
	}
	return nft.ErrUnsettled
}

// setAside takes the parts that the kernel refused out of what is to be done. It reports
// false when there are none: then the transaction failed as a whole.
func setAside(parts []*part) bool {
	found := false
	for _, p := range parts {
		for _, r := range p.requests {
			if p.err == nil && r.Err() != nil {
				p.err, found = r.Err(), true
			}
		}
	}
	return found
}

// committed notes the parts that the kernel has taken, and what handles it gave.
func committed(ctx context.Context, conn *nft.Conn, table nft.Table, parts []*part) error {
	rules := false
	for _, p := range parts {
		p.committed = p.err == nil
		rules = rules || p.committed && len(p.rules) > 0
	}
	if !rules {
		return nil
	}
	now, err := conn.List(ctx, table)
	if err != nil {
		return fmt.Errorf("find out the handles of the rules just made: %w", err)
	}
	handles := make(map[string][]uint64, len(now.Rules))
	for _, r := range now.Rules {
		handles[r.Comment] = append(handles[r.Comment], r.Handle)
	}
	for _, p := range parts {
		p.handles = handles[p.comment]
	}
	return nil
}
