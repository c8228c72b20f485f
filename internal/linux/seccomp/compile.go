package seccomp

import (
	"fmt"
	"maps"
	"slices"

	"golang.org/x/net/bpf"
)

// Offsets in struct seccomp_data, and what filters return: seccomp(2).
const (
	offNumber = 0
	offABI    = 4
	offArgs   = 16 // each 8 bytes, on little-endian machines with the lower half first

	killThread  = 0x00000000
	killProcess = 0x80000000
	trap        = 0x00030000
	errno       = 0x00050000
	trace       = 0x7FF00000
	logged      = 0x7FFC0000
	allow       = 0x7FFF0000

	enosys = errno | 38

	// x32 is the bit of the numbers of amd64's second ABI.
	x32 = 1 << 30
	// maxInstructions is BPF_MAXINSNS.
	maxInstructions = 4096
)

// comparison is a condition on one argument.
type comparison struct {
	index       int
	op          string
	value, more uint64
}

// rule decides one call, where all comparisons hold.
type rule struct {
	action uint32
	when   []comparison
}

// table decides the calls of one ABI. A call without a rule is decided by the fallback, and
// one whose number is above all that have rules by newer.
type table struct {
	abi      uint32 // AUDIT_ARCH_*
	bit      uint32 // x32 or 0
	rules    map[uint32][]rule
	fallback uint32
	newer    uint32
}

// compile writes the program: first which ABI it is, then a binary search for the number.
func compile(tables []table, foreign uint32) ([]bpf.RawInstruction, error) {
	code := []bpf.Instruction{bpf.LoadAbsolute{Off: offABI, Size: 4}}
	for len(tables) > 0 {
		abi := tables[0].abi
		var leaves []leaf
		for len(tables) > 0 && tables[0].abi == abi {
			leaves = append(leaves, tables[0].leaves(foreign)...)
			tables = tables[1:]
		}
		slices.SortStableFunc(leaves, func(a, b leaf) int { return int(int64(a.from) - int64(b.from)) })
		body := append([]bpf.Instruction{bpf.LoadAbsolute{Off: offNumber, Size: 4}}, search(merge(leaves))...)
		code = append(code, bpf.JumpIf{Cond: bpf.JumpEqual, Val: abi, SkipTrue: 1}, bpf.Jump{Skip: uint32(len(body))})
		code = append(code, body...)
	}
	code = append(code, bpf.RetConstant{Val: foreign})
	if len(code) > maxInstructions {
		return nil, fmt.Errorf("the filter has %d instructions, and the kernel takes %d: leave out rules", len(code), maxInstructions)
	}
	return bpf.Assemble(code)
}

// leaf decides the calls from a number on, up to the next leaf.
type leaf struct {
	from uint32
	code []bpf.Instruction
}

// leaves gives the table in the order of numbers.
func (t table) leaves(foreign uint32) []leaf {
	fallback := []bpf.Instruction{bpf.RetConstant{Val: t.fallback}}
	list := []leaf{{t.bit, fallback}}
	next := t.bit
	for _, number := range slices.Sorted(maps.Keys(t.rules)) {
		from := number | t.bit
		if from > next {
			list = append(list, leaf{next, fallback})
		}
		list = append(list, leaf{from, t.decide(t.rules[number])})
		next = from + 1
	}
	list = append(list, leaf{next, []bpf.Instruction{bpf.RetConstant{Val: t.newer}}})
	if t.bit == 0 && t.newer != enosys {
		list = append(list, leaf{x32, []bpf.Instruction{bpf.RetConstant{Val: foreign}}})
	}
	return list
}

// decide tries the rules of one call in turn.
func (t table) decide(rules []rule) []bpf.Instruction {
	var code []bpf.Instruction
	for _, r := range rules {
		code = append(code, r.code()...)
		if len(r.when) == 0 {
			return code
		}
	}
	return append(code, bpf.RetConstant{Val: t.fallback})
}

// merge leaves out what a later leaf of the same number replaces, and joins neighbours that
// decide the same.
func merge(leaves []leaf) []leaf {
	var merged []leaf
	for _, l := range leaves {
		if n := len(merged); n > 0 && merged[n-1].from == l.from {
			merged = merged[:n-1]
		}
		if n := len(merged); n > 0 && slices.Equal(merged[n-1].code, l.code) {
			continue
		}
		merged = append(merged, l)
	}
	return merged
}

// search finds the leaf of the number in the accumulator. Conditional jumps reach 255
// instructions only, so a long jump stands beside each.
func search(leaves []leaf) []bpf.Instruction {
	if len(leaves) == 1 {
		return leaves[0].code
	}
	middle := len(leaves) / 2
	lower, upper := search(leaves[:middle]), search(leaves[middle:])
	code := []bpf.Instruction{
		bpf.JumpIf{Cond: bpf.JumpGreaterOrEqual, Val: leaves[middle].from, SkipFalse: 1},
		bpf.Jump{Skip: uint32(len(lower))},
	}
	return append(append(code, lower...), upper...)
}

// Targets of jumps whose distance is not known yet.
const (
	pass = 254 // this comparison holds
	fail = 255 // it does not, nor does the rule
)

// code gives the rule's instructions, behind which the next rule's follow.
func (r rule) code() []bpf.Instruction {
	var code []bpf.Instruction
	for _, c := range r.when {
		block := c.code()
		for i := range block {
			block[i] = aim(block[i], pass, len(block)-i-1)
		}
		code = append(code, block...)
	}
	code = append(code, bpf.RetConstant{Val: r.action})
	for i := range code {
		code[i] = aim(code[i], fail, len(code)-i-1)
	}
	return code
}

func aim(in bpf.Instruction, target uint8, distance int) bpf.Instruction {
	jump, ok := in.(bpf.JumpIf)
	if !ok {
		return in
	}
	if jump.SkipTrue == target {
		jump.SkipTrue = uint8(distance)
	}
	if jump.SkipFalse == target {
		jump.SkipFalse = uint8(distance)
	}
	return jump
}

// code compares all 64 bits of an argument, half by half.
func (c comparison) code() []bpf.Instruction {
	switch c.op {
	case opEqual:
		return c.equal(pass, fail)
	case opNotEqual:
		return c.equal(fail, pass)
	case opMaskedEqual:
		return c.equal(pass, fail)
	case opGreater:
		return c.order(bpf.JumpGreaterThan, pass, fail)
	case opGreaterEqual:
		return c.order(bpf.JumpGreaterOrEqual, pass, fail)
	case opLess:
		return c.order(bpf.JumpGreaterOrEqual, fail, pass)
	}
	return c.order(bpf.JumpGreaterThan, fail, pass) // opLessEqual
}

func (c comparison) equal(yes, no uint8) []bpf.Instruction {
	mask, value := ^uint64(0), c.value
	if c.op == opMaskedEqual {
		mask, value = c.value, c.more
	}
	half := func(off uint32, shift int) []bpf.Instruction {
		return []bpf.Instruction{
			bpf.LoadAbsolute{Off: offArgs + 8*uint32(c.index) + off, Size: 4},
			bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: uint32(mask >> shift)},
			bpf.JumpIf{Cond: bpf.JumpEqual, Val: uint32(value >> shift), SkipFalse: no},
		}
	}
	code := append(half(4, 32), half(0, 0)...)
	last := code[len(code)-1].(bpf.JumpIf)
	last.SkipTrue = yes
	code[len(code)-1] = last
	return code
}

func (c comparison) order(lower bpf.JumpTest, yes, no uint8) []bpf.Instruction {
	at := offArgs + 8*uint32(c.index)
	return []bpf.Instruction{
		bpf.LoadAbsolute{Off: at + 4, Size: 4},
		bpf.JumpIf{Cond: bpf.JumpGreaterThan, Val: uint32(c.value >> 32), SkipTrue: yes},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: uint32(c.value >> 32), SkipFalse: no},
		bpf.LoadAbsolute{Off: at, Size: 4},
		bpf.JumpIf{Cond: lower, Val: uint32(c.value), SkipTrue: yes, SkipFalse: no},
	}
}
