package plan

import (
	"maps"
	"slices"

	"github.com/diyform/diyform/internal/addr"
)

// A history of moves may be as long as the list of what is recorded. So that the two are not
// compared each with each, resources are looked up by their blocks. Moves of modules are fewer.

// movesIndex finds the moves that may come after another one.
type movesIndex struct {
	all, modules []*move
	resources    map[movedFrom][]*move
}

// movedFrom is where resources move from: a block, and which of its instances: a key, all, or any
// of both.
type movedFrom struct {
	block addr.Resource // without the keys of modules
	key   addr.Key
	which string
}

func indexMoves(list []*move) *movesIndex {
	x := &movesIndex{all: list, resources: map[movedFrom][]*move{}}
	for _, m := range list {
		if m.from.IsModule() {
			x.modules = append(x.modules, m)
			continue
		}
		from := movedFrom{block: staticBlock(m.fromPath, m.from.Resource), which: "any"}
		x.resources[from] = append(x.resources[from], m)
		from.which, from.key = "one", m.from.Key
		if m.whole {
			from.which = "all"
		}
		x.resources[from] = append(x.resources[from], m)
	}
	return x
}

// after lists the moves that m may lead to, and more.
func (x *movesIndex) after(m *move) []*move {
	if m.to.IsModule() {
		return x.all
	}
	to := movedFrom{block: staticBlock(m.toPath, m.to.Resource), which: "any"}
	if m.whole {
		return slices.Concat(x.modules, x.resources[to])
	}
	to.which, to.key = "one", m.to.Key
	all := movedFrom{block: to.block, which: "all"}
	return slices.Concat(x.modules, x.resources[to], x.resources[all])
}

func staticBlock(path []addr.ModuleStep, r addr.Resource) addr.Resource {
	r.Module = addr.ModuleOf(path).Static()
	return r
}

// instancesByBlock finds what is recorded of a block, or of an instance of it, in all instances of
// its module.
type instancesByBlock map[movedFrom][]addr.Instance

func indexInstances(is map[addr.Instance]addr.Instance) instancesByBlock {
	x := instancesByBlock{}
	for a := range is {
		x.add(a)
	}
	return x
}

func (x instancesByBlock) add(a addr.Instance) {
	for _, at := range []movedFrom{{block: a.Resource.Static(), which: "any"}, {block: a.Resource.Static(), which: "one", key: a.Key}} {
		x[at] = append(x[at], a)
	}
}

// of lists, in their order, the instances that a block may move, of those that are.
func (x instancesByBlock) of(m *move, are map[addr.Instance]addr.Instance) []addr.Instance {
	if !m.from.IsModule() {
		at := movedFrom{block: staticBlock(m.fromPath, m.from.Resource), which: "one", key: m.from.Key}
		if m.whole {
			at.which = "any"
		}
		x[at] = slices.DeleteFunc(x[at], func(a addr.Instance) bool { _, is := are[a]; return !is })
		slices.SortFunc(x[at], addr.Instance.Compare)
		x[at] = slices.Compact(x[at])
		return slices.Clone(x[at])
	}
	moved := slices.Collect(maps.Keys(are))
	moved = slices.DeleteFunc(moved, func(a addr.Instance) bool { _, moves := m.apply(a); return !moves })
	slices.SortFunc(moved, addr.Instance.Compare)
	return moved
}
