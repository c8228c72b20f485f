package state

import (
	"slices"

	"github.com/diyform/diyform/internal/addr"
)

// Origin gives the address that the object was made at.
func (r *Resource) Origin() addr.Instance {
	if r.MadeAs == (addr.Instance{}) {
		return r.Address
	}
	return r.MadeAs
}

// movedTo gives the record at another address. The kernel, and what was derived from the
// address, know nothing of that yet.
func (r *Resource) movedTo(to addr.Instance) *Resource {
	c := *r
	c.KnownAs, c.MadeAs, c.Address = differing(r.Marked(), to), differing(r.Origin(), to), to
	return &c
}

// differing gives a, or the zero address where it is b.
func differing(a, b addr.Instance) addr.Instance {
	if a == b {
		return addr.Instance{}
	}
	return a
}

// Moved gives the state with records at other addresses, by the addresses that they have.
// What depends on them says so under the new ones. Records that stay are shared.
func (s *State) Moved(to map[addr.Instance]addr.Instance) *State {
	next := *s
	next.Resources = make(map[addr.Instance]*Resource, len(s.Resources))
	blocks := map[string][]string{}
	for _, from := range sortedKeys(to) {
		all := meanings(to[from])
		for how, old := range meanings(from) {
			now, ok := all[how]
			if !ok { // it has fewer modules around it
				now = to[from].Resource.String()
			}
			if old != now && !slices.Contains(blocks[old], now) {
				blocks[old] = append(blocks[old], now)
			}
		}
	}
	left := map[string]bool{}
	for a, r := range s.Resources {
		if now, ok := to[a]; ok {
			r = r.movedTo(now)
		}
		next.Resources[r.Address] = r
		for _, text := range meanings(r.Address) {
			left[text] = blocks[text] != nil || left[text]
		}
	}
	next.Deposed = s.movedDeposed(to)
	for _, list := range []map[addr.Instance]*Resource{next.Resources, next.Deposed} {
		for a, r := range list {
			list[a] = r.withDependencies(to, blocks, left)
		}
	}
	return &next
}

// meaning is how a dependency on more than an instance names what it is in: its block, or a module
// around it; and from which step on it means all instances of modules, counted from the end.
type meaning struct {
	module bool
	outer  int // how many modules further out, of a module
	open   int
}

func meanings(a addr.Instance) map[meaning]string {
	list := map[meaning]string{{}: a.Resource.String()}
	steps := a.Module.Steps()
	for outer := range steps {
		around := slices.Clone(steps[:len(steps)-outer])
		list[meaning{module: true, outer: outer}] = string(addr.ModuleOf(around))
		for i := range around {
			if last := &around[len(around)-1-i]; !last.Key.IsZero() {
				last.Key = addr.Key{}
				list[meaning{module: true, outer: outer, open: i + 1}] = string(addr.ModuleOf(around))
			}
		}
	}
	for i := range steps {
		if last := &steps[len(steps)-1-i]; !last.Key.IsZero() {
			last.Key = addr.Key{}
			block := a.Resource
			block.Module = addr.ModuleOf(steps)
			list[meaning{open: i + 1}] = block.String()
		}
	}
	return list
}

func sortedKeys(m map[addr.Instance]addr.Instance) []addr.Instance {
	keys := make([]addr.Instance, 0, len(m))
	for a := range m {
		keys = append(keys, a)
	}
	slices.SortFunc(keys, addr.Instance.Compare)
	return keys
}

// withDependencies rewrites what the record depends on. A dependency on a whole block, or module, is
// one on all that its instances are of now, and on itself if it has any left.
func (r *Resource) withDependencies(to map[addr.Instance]addr.Instance, blocks map[string][]string, left map[string]bool) *Resource {
	var out []string
	changed := false
	add := func(list ...string) {
		for _, d := range list {
			if !slices.Contains(out, d) {
				out = append(out, d)
			}
		}
	}
	for _, text := range r.Dependencies {
		a, err := addr.Parse(text)
		now, moved := to[a]
		switch {
		case err == nil && moved:
			add(now.String())
			changed = true
		case (err != nil || a.Key.IsZero()) && blocks[text] != nil:
			if left[text] {
				add(text)
			}
			add(blocks[text]...)
			changed = true
		default:
			add(text)
		}
	}
	if !changed {
		return r
	}
	c := *r
	c.Dependencies = out
	return &c
}
