package nft

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"github.com/google/nftables/expr"
	"github.com/google/nftables/userdata"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// MaxComment is the longest comment, in bytes, that nft(8) reads back from a file
// (NFTNL_UDATA_COMMENT_MAXLEN).
const MaxComment = 128

// Rule is a rule of a chain.
type Rule struct {
	Chain   string
	Handle  uint64 // unique in its table, never used twice
	Comment string // as `nft list ruleset` shows it; at most MaxComment bytes

	// Exprs are the expressions. Of a rule that was listed they are those of the types
	// payload, cmp, bitwise, meta and masq, and Opaque says that there are others.
	Exprs  []expr.Any
	Opaque bool

	// Of a rule that was listed: in the kernel's own words, with what Exprs and Comment do not
	// show. RestoreRule sends them back.
	listedExprs, listedUserData []byte
}

// encode writes what makes the rule, but for where it is.
func (r *Rule) encode(ae *netlink.AttributeEncoder, family Family) {
	ae.Nested(unix.NFTA_RULE_EXPRESSIONS, func(list *netlink.AttributeEncoder) error {
		for _, e := range r.Exprs {
			b, err := expr.Marshal(byte(family), e)
			if err != nil {
				return err
			}
			list.Bytes(unix.NLA_F_NESTED|unix.NFTA_LIST_ELEM, b)
		}
		return nil
	})
	if r.Comment != "" {
		ae.Bytes(unix.NFTA_RULE_USERDATA, userdata.AppendString(nil, userdata.TypeComment, r.Comment))
	}
}

// decodeRule reads the attributes of a message NFT_MSG_NEWRULE, and its table's name.
func decodeRule(family Family, b []byte) (r Rule, table string, err error) {
	err = walk(b, func(typ uint16, v []byte) error {
		switch typ {
		case unix.NFTA_RULE_TABLE:
			table = cString(v)
		case unix.NFTA_RULE_CHAIN:
			r.Chain = cString(v)
		case unix.NFTA_RULE_HANDLE:
			if len(v) != 8 {
				return fmt.Errorf("read handle of %d bytes: %w", len(v), errShort)
			}
			r.Handle = binary.BigEndian.Uint64(v)
		case unix.NFTA_RULE_USERDATA:
			r.Comment = decodeComment(v)
			r.listedUserData = bytes.Clone(v)
		case unix.NFTA_RULE_EXPRESSIONS:
			r.listedExprs = bytes.Clone(v)
			return walk(v, func(_ uint16, v []byte) error { return r.decodeExpr(family, v) })
		}
		return nil
	})
	if err != nil {
		return Rule{}, "", fmt.Errorf("read rule: %w", err)
	}
	return r, table, nil
}

// decodeComment finds the comment in a rule's user data: elements of one byte type, one
// byte length and the value, which are nft's own convention. Anybody may write anything
// there.
func decodeComment(b []byte) string {
	for len(b) >= 2 {
		typ, n := userdata.Type(b[0]), int(b[1])
		b = b[2:]
		if n > len(b) {
			return ""
		}
		if typ == userdata.TypeComment {
			return cString(b[:n])
		}
		b = b[n:]
	}
	return ""
}

// decodeExpr reads one expression: its name and, nested, its data.
func (r *Rule) decodeExpr(family Family, b []byte) error {
	var name string
	var data []byte
	err := walk(b, func(typ uint16, v []byte) error {
		switch typ {
		case unix.NFTA_EXPR_NAME:
			name = cString(v)
		case unix.NFTA_EXPR_DATA:
			data = v
		}
		return nil
	})
	if err != nil {
		return err
	}
	e := newExpr(name)
	if e == nil {
		r.Opaque = true
		return nil
	}
	// The decoder keeps pieces of its input, which is the receive buffer.
	if err := expr.Unmarshal(byte(family), bytes.Clone(data), e); err != nil {
		return fmt.Errorf("read expression %s: %w", name, err)
	}
	r.Exprs = append(r.Exprs, e)
	return nil
}

func newExpr(name string) expr.Any {
	switch name {
	case "payload":
		return &expr.Payload{}
	case "cmp":
		return &expr.Cmp{}
	case "bitwise":
		return &expr.Bitwise{}
	case "meta":
		return &expr.Meta{}
	case "masq":
		return &expr.Masq{}
	}
	return nil
}
