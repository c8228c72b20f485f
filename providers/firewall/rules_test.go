package firewall

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"

	"github.com/diyform/diyform/internal/linux/nft"
)

// A rule that the kernel refuses fails alone: the others of the transaction are made.
func TestRefusedRuleIsSetAside(t *testing.T) {
	newLab(t)
	k := &session{env: env}
	good := &part{comment: "good", rules: []wanted{{chain: postrouting, exprs: []expr.Any{&expr.Masq{}}}}}
	bad := &part{comment: "bad", rules: []wanted{{chain: postrouting, exprs: []expr.Any{load(0, 999)}}}}
	err := k.connect("", func(conn *nft.Conn) error {
		return change(context.Background(), conn, k, []*part{bad, good})
	})
	if err != nil || good.err != nil || len(good.handles) != 1 {
		t.Errorf("the good rule: %v, %v, handles %v", err, good.err, good.handles)
	}
	var refused *nft.Error
	if !errors.As(bad.err, &refused) || refused.Op != "add rule" || bad.committed {
		t.Errorf("the bad rule: %v", bad.err)
	}
	if got := listing(t, tableName); strings.Count(got, "rule ") != 1 {
		t.Errorf("not one rule:\n%s", got)
	}
}

// What the kernel has against the chain is told, not that its rules have no chain then.
func TestRefusedChainFailsTheTransaction(t *testing.T) {
	newLab(t)
	k := &session{env: env}
	wrong := nft.Chain{Name: "wrong", Type: "nat", Hook: unix.NF_INET_FORWARD}
	p := &part{comment: "any", rules: []wanted{{chain: wrong, exprs: []expr.Any{&expr.Masq{}}}}}
	err := k.connect("", func(conn *nft.Conn) error {
		return change(context.Background(), conn, k, []*part{p})
	})
	if err == nil || !strings.Contains(err.Error(), "add chain") || p.committed {
		t.Errorf("got %v", err)
	}
	if exists(tableName) {
		t.Error("the table is left")
	}
}
