package firewall

import (
	"bytes"
	"net/netip"

	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// match is by what a rule chooses packets. The zero match chooses all.
//
// Its expressions are those that nft(8) makes of the same criteria, so that it lists them in
// the words in which one would write them.
type match struct {
	source       netip.Prefix // not valid: any
	destination  netip.Prefix
	outInterface string // "": any
}

const register = unix.NFT_REG_1

// addressField is where an address is in the network header.
type addressField struct{ offset, size uint32 }

var (
	source4      = addressField{12, 4} // struct iphdr
	destination4 = addressField{16, 4}
	source6      = addressField{8, 16} // struct ipv6hdr
	destination6 = addressField{24, 16}
)

// exprs gives the expressions of the match, in the order in which match.parse wants them.
func (m match) exprs() []expr.Any {
	var out []expr.Any
	switch {
	case m.source.IsValid():
		out = protocol(m.source.Addr())
	case m.destination.IsValid():
		out = protocol(m.destination.Addr())
	}
	out = append(out, field(m.source, source4, source6)...)
	out = append(out, field(m.destination, destination4, destination6)...)
	if m.outInterface != "" {
		name := make([]byte, unix.IFNAMSIZ)
		copy(name, m.outInterface)
		out = append(out, &expr.Meta{Key: expr.MetaKeyOIFNAME, Register: register}, equal(name))
	}
	return out
}

// protocol matches the packets of the address's family, which a table for both must do
// before it looks into the header.
func protocol(a netip.Addr) []expr.Any {
	family := byte(unix.NFPROTO_IPV4)
	if a.Is6() {
		family = unix.NFPROTO_IPV6
	}
	return []expr.Any{&expr.Meta{Key: expr.MetaKeyNFPROTO, Register: register}, equal([]byte{family})}
}

func equal(data []byte) expr.Any {
	return &expr.Cmp{Op: expr.CmpOpEq, Register: register, Data: data}
}

// field matches an address of the network header. A prefix of whole bytes loads just those.
func field(p netip.Prefix, v4, v6 addressField) []expr.Any {
	if !p.IsValid() {
		return nil
	}
	f := v4
	if p.Addr().Is6() {
		f = v6
	}
	address := p.Masked().Addr().AsSlice()
	if whole := p.Bits() / 8; p.Bits()%8 == 0 && whole > 0 {
		return []expr.Any{load(f.offset, uint32(whole)), equal(address[:whole])}
	}
	mask := maskOf(p.Bits(), len(address))
	return []expr.Any{
		load(f.offset, f.size),
		&expr.Bitwise{SourceRegister: register, DestRegister: register, Len: f.size, Mask: mask, Xor: make([]byte, len(mask))},
		equal(address),
	}
}

func load(offset, size uint32) *expr.Payload {
	return &expr.Payload{DestRegister: register, Base: expr.PayloadBaseNetworkHeader, Offset: offset, Len: size}
}

func maskOf(bits, size int) []byte {
	mask := bytes.Repeat([]byte{0xff}, size)
	for i := range mask {
		if keep := bits - 8*i; keep < 8 {
			mask[i] = ^byte(0xff >> max(keep, 0))
		}
	}
	return mask
}

// parseMatch reads the match at the beginning of a rule's expressions and gives the rest of
// them. Expressions of another form, in another order, are left to the rest.
func parseMatch(exprs []expr.Any) (m match, rest []expr.Any) {
	p := parser{rest: exprs}
	switch data, _ := p.meta(expr.MetaKeyNFPROTO); {
	case bytes.Equal(data, []byte{unix.NFPROTO_IPV4}):
		m.source = p.field(source4)
		m.destination = p.field(destination4)
	case bytes.Equal(data, []byte{unix.NFPROTO_IPV6}):
		m.source = p.field(source6)
		m.destination = p.field(destination6)
	case data != nil:
		return match{}, exprs
	}
	if !m.source.IsValid() && !m.destination.IsValid() && len(p.rest) < len(exprs) {
		return match{}, exprs // of one family, but any address
	}
	before := p.rest
	if data, ok := p.meta(expr.MetaKeyOIFNAME); ok {
		name, _, whole := bytes.Cut(data, []byte{0})
		if !whole { // "eth*"
			return m, before
		}
		m.outInterface = string(name)
	}
	return m, p.rest
}

// parser takes expressions off a rule's beginning.
type parser struct{ rest []expr.Any }

// meta takes a comparison of a packet's property.
func (p *parser) meta(key expr.MetaKey) (data []byte, ok bool) {
	if len(p.rest) < 2 {
		return nil, false
	}
	m, isMeta := p.rest[0].(*expr.Meta)
	if !isMeta || m.Key != key || m.SourceRegister {
		return nil, false
	}
	data, ok = compared(p.rest[1])
	if ok {
		p.rest = p.rest[2:]
	}
	return data, ok
}

func compared(e expr.Any) (data []byte, ok bool) {
	c, isCmp := e.(*expr.Cmp)
	if !isCmp || c.Op != expr.CmpOpEq {
		return nil, false
	}
	return c.Data, true
}

// field takes a comparison of an address, with or without a mask. It gives the zero Prefix
// when the next expressions are none.
func (p *parser) field(f addressField) netip.Prefix {
	if len(p.rest) < 2 {
		return netip.Prefix{}
	}
	l, isLoad := p.rest[0].(*expr.Payload)
	if !isLoad || l.OperationType != expr.PayloadLoad || l.Base != expr.PayloadBaseNetworkHeader ||
		l.Offset != f.offset || l.Len > f.size {
		return netip.Prefix{}
	}
	bits, next := int(l.Len)*8, 1
	if b, masked := p.rest[1].(*expr.Bitwise); masked {
		if bits = maskBits(b); bits < 0 || len(p.rest) < 3 {
			return netip.Prefix{}
		}
		next = 2
	}
	data, ok := compared(p.rest[next])
	if !ok || len(data) != int(l.Len) {
		return netip.Prefix{}
	}
	address, _ := netip.AddrFromSlice(append(bytes.Clone(data), make([]byte, int(f.size)-len(data))...))
	p.rest = p.rest[next+1:]
	return netip.PrefixFrom(address, bits)
}

// maskBits gives the prefix length of a mask, or -1 when it is none.
func maskBits(b *expr.Bitwise) int {
	for bits := range 8*len(b.Mask) + 1 {
		if bytes.Equal(b.Mask, maskOf(bits, len(b.Mask))) && bytes.Count(b.Xor, []byte{0}) == len(b.Xor) {
			return bits
		}
	}
	return -1
}
