package nft

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// Table names a table. The zero Family is not valid.
type Table struct {
	Family Family
	Name   string
}

// Family is the protocol family of a table (NFPROTO_*, linux/netfilter.h).
type Family uint8

// INet is the family of tables for both IPv4 and IPv6. NAT in it needs Linux 5.2.
const INet Family = unix.NFPROTO_INET

func (t Table) String() string { return "inet " + t.Name }

// Chain is a chain of a table, with what hooks it into the way of packets.
type Chain struct {
	Name     string
	Type     string // "nat", "filter"; "" for a chain that is only jumped to
	Hook     uint32 // NF_INET_POST_ROUTING and so on
	Priority int32  // 100 is srcnat
	Drops    bool   // the policy is drop, not accept
}

// Request is one change of a transaction.
type Request struct {
	typ      uint16
	flags    uint16
	family   Family
	resource uint16 // of struct nfgenmsg: the subsystem, in a batch's frame
	attrs    []byte

	op, object string
	err        error
}

// Err gives the request's own error once Commit has returned. That is nil also where the
// transaction failed because of another request.
func (r *Request) Err() error { return r.err }

// Names that x/sys/unix lacks.
const (
	batchGeneration = 1 // NFNL_BATCH_GENID, linux/netfilter/nfnetlink.h
	drop            = 0 // NF_DROP, linux/netfilter.h
	accept          = 1 // NF_ACCEPT
	tableDormant    = 1 // NFT_TABLE_F_DORMANT, linux/netfilter/nf_tables.h
)

// request makes a request of message type msg (NFT_MSG_*) with attributes.
func (t Table) request(msg, flags uint16, op, object string, encode func(*netlink.AttributeEncoder)) *Request {
	r := &Request{typ: unix.NFNL_SUBSYS_NFTABLES<<8 | msg, flags: flags, family: t.Family, op: op, object: object}
	var err error
	if r.attrs, err = attributes(encode); err != nil {
		r.err = fmt.Errorf("%s %s: encode: %w", op, object, err)
	}
	return r
}

func attributes(encode func(*netlink.AttributeEncoder)) ([]byte, error) {
	ae := netlink.NewAttributeEncoder()
	ae.ByteOrder = binary.BigEndian
	encode(ae)
	return ae.Encode()
}

// AddTable makes the table unless it is there, and wakes it if it is dormant.
func (t Table) AddTable() *Request {
	return t.request(unix.NFT_MSG_NEWTABLE, unix.NLM_F_CREATE, "add table", t.String(), func(ae *netlink.AttributeEncoder) {
		ae.String(unix.NFTA_TABLE_NAME, t.Name)
		ae.Uint32(unix.NFTA_TABLE_FLAGS, 0)
	})
}

// DeleteTable deletes the table. EBUSY says that something is in it.
func (t Table) DeleteTable() *Request {
	return t.request(unix.NFT_MSG_DELTABLE, nonRecursive, "delete table", t.String(), func(ae *netlink.AttributeEncoder) {
		ae.String(unix.NFTA_TABLE_NAME, t.Name)
	})
}

// nonRecursive (NLM_F_NONREC) keeps a delete from taking along what is inside.
const nonRecursive = 0x100

// AddChain makes the chain unless it is there; of one that is, it sets the policy. EEXIST
// says that the one that is there is hooked in elsewhere.
func (t Table) AddChain(c Chain) *Request {
	return t.request(unix.NFT_MSG_NEWCHAIN, unix.NLM_F_CREATE, "add chain", t.String()+" "+c.Name, func(ae *netlink.AttributeEncoder) {
		ae.String(unix.NFTA_CHAIN_TABLE, t.Name)
		ae.String(unix.NFTA_CHAIN_NAME, c.Name)
		if c.Type == "" {
			return
		}
		ae.Nested(unix.NFTA_CHAIN_HOOK, func(hook *netlink.AttributeEncoder) error {
			hook.Uint32(unix.NFTA_HOOK_HOOKNUM, c.Hook)
			hook.Uint32(unix.NFTA_HOOK_PRIORITY, uint32(c.Priority))
			return nil
		})
		policy := uint32(accept)
		if c.Drops {
			policy = drop
		}
		ae.Uint32(unix.NFTA_CHAIN_POLICY, policy)
		ae.String(unix.NFTA_CHAIN_TYPE, c.Type)
	})
}

// DeleteChain deletes the chain. EBUSY says that a rule is in it or jumps to it.
func (t Table) DeleteChain(name string) *Request {
	return t.request(unix.NFT_MSG_DELCHAIN, nonRecursive, "delete chain", t.String()+" "+name, func(ae *netlink.AttributeEncoder) {
		ae.String(unix.NFTA_CHAIN_TABLE, t.Name)
		ae.String(unix.NFTA_CHAIN_NAME, name)
	})
}

// DeleteChainAndRules deletes the chain with the rules in it. EBUSY says that a rule jumps to it.
func (t Table) DeleteChainAndRules(name string) *Request {
	r := t.DeleteChain(name)
	r.flags &^= nonRecursive
	return r
}

// InsertRule puts the rule before the one with the handle in its chain.
func (t Table) InsertRule(r Rule, before uint64) *Request {
	r.Handle = 0
	return t.ruleBefore(unix.NFT_MSG_NEWRULE, unix.NLM_F_CREATE, "insert rule", r, before)
}

// AddRule puts the rule at the end of its chain. Its handle is the kernel's to choose.
func (t Table) AddRule(r Rule) *Request {
	r.Handle = 0
	return t.rule(unix.NFT_MSG_NEWRULE, unix.NLM_F_CREATE|unix.NLM_F_APPEND, "add rule", r)
}

// RestoreRule puts a rule that was listed, and has been deleted, at the end of its chain, as it
// was.
func (t Table) RestoreRule(r Rule) *Request {
	return t.request(unix.NFT_MSG_NEWRULE, unix.NLM_F_CREATE|unix.NLM_F_APPEND, "restore rule", t.String()+" "+r.Chain, func(ae *netlink.AttributeEncoder) {
		ae.String(unix.NFTA_RULE_TABLE, t.Name)
		ae.String(unix.NFTA_RULE_CHAIN, r.Chain)
		ae.Bytes(unix.NLA_F_NESTED|unix.NFTA_RULE_EXPRESSIONS, r.listedExprs)
		if len(r.listedUserData) > 0 {
			ae.Bytes(unix.NFTA_RULE_USERDATA, r.listedUserData)
		}
	})
}

// ReplaceRule puts the rule in the place of the one with its handle. The kernel gives the
// new one another handle.
func (t Table) ReplaceRule(r Rule) *Request {
	return t.rule(unix.NFT_MSG_NEWRULE, unix.NLM_F_REPLACE, "replace rule", r)
}

// DeleteRule deletes the rule of a chain that has the handle.
func (t Table) DeleteRule(chain string, handle uint64) *Request {
	return t.rule(unix.NFT_MSG_DELRULE, 0, "delete rule", Rule{Chain: chain, Handle: handle})
}

func (t Table) rule(msg, flags uint16, op string, r Rule) *Request {
	return t.ruleBefore(msg, flags, op, r, 0)
}

func (t Table) ruleBefore(msg, flags uint16, op string, r Rule, before uint64) *Request {
	object := t.String() + " " + r.Chain
	if r.Handle != 0 {
		object += fmt.Sprintf(" handle %d", r.Handle)
	}
	return t.request(msg, flags, op, object, func(ae *netlink.AttributeEncoder) {
		ae.String(unix.NFTA_RULE_TABLE, t.Name)
		ae.String(unix.NFTA_RULE_CHAIN, r.Chain)
		if r.Handle != 0 {
			ae.Uint64(unix.NFTA_RULE_HANDLE, r.Handle)
		}
		if before != 0 {
			ae.Uint64(unix.NFTA_RULE_POSITION, before)
		}
		if msg == unix.NFT_MSG_NEWRULE {
			r.encode(ae, t.Family)
		}
	})
}

// appendTo writes the request's headers and attributes.
func (r *Request) appendTo(b []byte, seq uint32, extraFlags uint16) []byte {
	const headers = unix.SizeofNlMsghdr + 4
	b = binary.NativeEndian.AppendUint32(b, uint32(headers+len(r.attrs)))
	b = binary.NativeEndian.AppendUint16(b, r.typ)
	b = binary.NativeEndian.AppendUint16(b, r.flags|extraFlags|unix.NLM_F_REQUEST)
	b = binary.NativeEndian.AppendUint32(b, seq)
	b = binary.NativeEndian.AppendUint32(b, 0)
	b = append(b, byte(r.family), unix.NFNETLINK_V0) // struct nfgenmsg
	b = binary.BigEndian.AppendUint16(b, r.resource)
	return append(b, r.attrs...) // padded to 4 bytes by the encoder
}

// walk calls each for every attribute of b. The value aliases b.
func walk(b []byte, each func(typ uint16, v []byte) error) error {
	ad, err := netlink.NewAttributeDecoder(b)
	if err != nil {
		return err
	}
	for ad.Next() {
		ad.Do(func(v []byte) error { return each(ad.Type(), v) })
	}
	return ad.Err()
}

func cString(v []byte) string {
	s, _, _ := bytes.Cut(v, []byte{0})
	return string(s)
}

func beUint32(v []byte) (uint32, error) {
	if len(v) != 4 {
		return 0, fmt.Errorf("read number of %d bytes: %w", len(v), errShort)
	}
	return binary.BigEndian.Uint32(v), nil
}
