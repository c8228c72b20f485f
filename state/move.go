package state

import (
	"maps"
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
	for a, r := range s.Resources {
		if now, ok := to[a]; ok {
			r = r.movedTo(now)
		}
		next.Resources[r.Address] = r
	}
	next.Deposed = s.movedDeposed(to)
	moves := newMoves(to, next.Resources)
	for _, list := range []map[addr.Instance]*Resource{next.Resources, next.Deposed} {
		for a, r := range list {
			list[a] = r.withDependencies(moves)
		}
	}
	return &next
}

// moves say what becomes of what others depend on.
type moves struct {
	instances map[addr.Instance]addr.Instance
	wholes    map[string][]string // by a block or module: the blocks that those are of now that left it
	left      map[string]bool     // which of those have instances that stay
}

func newMoves(to map[addr.Instance]addr.Instance, resources map[addr.Instance]*Resource) *moves {
	m := &moves{instances: to, wholes: map[string][]string{}, left: map[string]bool{}}
	for _, from := range slices.SortedFunc(maps.Keys(to), addr.Instance.Compare) {
		now, stillIn := to[from].Resource.String(), wholes(to[from])
		for _, whole := range wholes(from) {
			if !slices.Contains(stillIn, whole) && !slices.Contains(m.wholes[whole], now) {
				m.wholes[whole] = append(m.wholes[whole], now)
			}
		}
	}
	for a := range resources {
		for _, whole := range wholes(a) {
			m.left[whole] = true
		}
	}
	return m
}

// wholes lists what an instance is a part of: its block, the modules that it is in, and each of
// these with all instances, for which a dependency may stand.
func wholes(a addr.Instance) []string {
	out := []string{a.Resource.String()}
	for m := a.Module; !m.IsRoot(); m, _ = m.Split() {
		out = append(out, string(m))
		parent, step := m.Split()
		if all := parent.Child(step.Name, addr.Key{}); all != m {
			out = append(out, string(all))
		}
	}
	return out
}

// withDependencies rewrites what the record depends on. A dependency on a whole block or module
// is one on all blocks that its instances are of now, be they in it or not.
func (r *Resource) withDependencies(m *moves) *Resource {
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
		now, moved := m.instances[a]
		switch {
		case err == nil && moved:
			add(now.String())
			changed = true
		case m.wholes[text] != nil:
			if m.left[text] {
				add(text)
			}
			add(m.wholes[text]...)
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
