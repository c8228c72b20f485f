package nft

import (
	"context"
	"errors"
	"fmt"
	"syscall"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// listAttempts bounds how often a listing is made again because the ruleset changed.
const listAttempts = 16

// Ruleset is what a table holds at one instant.
type Ruleset struct {
	Generation uint32 // of all rulesets of the namespace
	Exists     bool   // the table does
	Dormant    bool   // its chains are not hooked in: no packet passes them
	Use        uint32 // how many chains, sets and other objects the table holds
	Chains     []Chain
	Rules      []Rule // in the order of each chain
}

// List reads the table. One that does not exist gives a Ruleset that says so.
func (c *Conn) List(ctx context.Context, t Table) (Ruleset, error) {
	for range listAttempts {
		if err := ctx.Err(); err != nil {
			return Ruleset{}, fmt.Errorf("list table %s: %w", t, err)
		}
		out, err := c.list(t)
		if err != nil {
			return Ruleset{}, fmt.Errorf("list table %s: %w", t, err)
		}
		now, err := c.generation()
		if err != nil {
			return Ruleset{}, fmt.Errorf("list table %s: %w", t, err)
		}
		if now == out.Generation {
			return out, nil
		}
	}
	return Ruleset{}, fmt.Errorf("list table %s: %w", t, ErrUnsettled)
}

func (c *Conn) list(t Table) (out Ruleset, err error) {
	if out.Generation, err = c.generation(); err != nil {
		return out, err
	}
	if err = c.table(t, &out); err != nil || !out.Exists {
		return out, err
	}
	named := func(attr uint16) func(*netlink.AttributeEncoder) {
		return func(ae *netlink.AttributeEncoder) { ae.String(attr, t.Name) }
	}
	get := t.request(unix.NFT_MSG_GETCHAIN, unix.NLM_F_DUMP, "list chains", t.String(), named(unix.NFTA_CHAIN_TABLE))
	err = c.query(get, unix.NFT_MSG_NEWCHAIN, func(b []byte) error {
		chain, table, err := decodeChain(b)
		if table == t.Name {
			out.Chains = append(out.Chains, chain)
		}
		return err
	})
	if err != nil {
		return out, err
	}
	get = t.request(unix.NFT_MSG_GETRULE, unix.NLM_F_DUMP, "list rules", t.String(), named(unix.NFTA_RULE_TABLE))
	err = c.query(get, unix.NFT_MSG_NEWRULE, func(b []byte) error {
		rule, table, err := decodeRule(t.Family, b)
		if table == t.Name {
			out.Rules = append(out.Rules, rule)
		}
		return err
	})
	return out, err
}

func (c *Conn) generation() (generation uint32, err error) {
	get := Table{}.request(unix.NFT_MSG_GETGEN, 0, "read nftables generation", "", func(*netlink.AttributeEncoder) {})
	err = c.query(get, unix.NFT_MSG_NEWGEN, func(b []byte) error {
		return walk(b, func(typ uint16, v []byte) (err error) {
			if typ == unix.NFTA_GEN_ID {
				generation, err = beUint32(v)
			}
			return err
		})
	})
	return generation, err
}

func (c *Conn) table(t Table, out *Ruleset) error {
	get := t.request(unix.NFT_MSG_GETTABLE, 0, "read table", t.String(), func(ae *netlink.AttributeEncoder) {
		ae.String(unix.NFTA_TABLE_NAME, t.Name)
	})
	err := c.query(get, unix.NFT_MSG_NEWTABLE, func(b []byte) error {
		out.Exists = true
		return walk(b, func(typ uint16, v []byte) (err error) {
			switch typ {
			case unix.NFTA_TABLE_USE:
				out.Use, err = beUint32(v)
			case unix.NFTA_TABLE_FLAGS:
				var flags uint32
				flags, err = beUint32(v)
				out.Dormant = flags&tableDormant != 0
			}
			return err
		})
	})
	if errors.Is(err, unix.ENOENT) {
		return nil
	}
	return err
}

// query sends one request and calls each with the attributes of every answer of message
// type answer.
func (c *Conn) query(r *Request, answer uint16, each func(attrs []byte) error) error {
	if r.err != nil {
		return r.err
	}
	seq := c.next()
	if err := c.send(r.appendTo(nil, seq, 0)); err != nil {
		return fmt.Errorf("%s: %w", r.op, err)
	}
	var failed error // kept until the end: the rest must be read, or the socket stays busy
	err := c.drain(func(m syscall.NetlinkMessage) error {
		switch {
		case m.Header.Seq != seq:
		case m.Header.Type == unix.NLMSG_ERROR || m.Header.Type == unix.NLMSG_DONE:
			errno, text, err := parseAck(m)
			if errno != 0 {
				err = &Error{Op: r.op, Object: r.object, Errno: errno, Message: text}
			}
			failed = errors.Join(failed, err)
		case failed == nil && m.Header.Type == unix.NFNL_SUBSYS_NFTABLES<<8|answer && len(m.Data) >= 4:
			failed = each(m.Data[4:]) // after struct nfgenmsg
		}
		return nil
	})
	return errors.Join(failed, err)
}

// decodeChain reads the attributes of a message NFT_MSG_NEWCHAIN, and its table's name.
func decodeChain(b []byte) (c Chain, table string, err error) {
	err = walk(b, func(typ uint16, v []byte) error {
		switch typ {
		case unix.NFTA_CHAIN_TABLE:
			table = cString(v)
		case unix.NFTA_CHAIN_NAME:
			c.Name = cString(v)
		case unix.NFTA_CHAIN_TYPE:
			c.Type = cString(v)
		case unix.NFTA_CHAIN_HOOK:
			return walk(v, c.decodeHook)
		case unix.NFTA_CHAIN_POLICY:
			policy, err := beUint32(v)
			c.Drops = policy == drop
			return err
		}
		return nil
	})
	if err != nil {
		return Chain{}, "", fmt.Errorf("read chain: %w", err)
	}
	return c, table, nil
}

func (c *Chain) decodeHook(typ uint16, v []byte) error {
	switch typ {
	case unix.NFTA_HOOK_HOOKNUM:
		n, err := beUint32(v)
		c.Hook = n
		return err
	case unix.NFTA_HOOK_PRIORITY:
		n, err := beUint32(v)
		c.Priority = int32(n)
		return err
	}
	return nil
}
