package state

import "github.com/diyform/diyform/internal/addr"

// A deposed object is one whose successor was made before it was destroyed, as
// create_before_destroy asks for: both have one address, until it goes. The state has at most
// one of an address.
//
// The journal says so by the member "deposed" of a step. A create deposes what is recorded at
// its address: it takes that one's place, which goes to the deposed ones; if nothing came of
// it, all is as it was before. A delete is that of the deposed object.

// Depose says that an object is about to be made beside the recorded one.
func Depose(address addr.Instance, resource *Resource) Entry {
	e := Intent(Create, address, resource)
	e.deposed = true
	return e
}

// Deposed makes an intent to delete, or an outcome, one of the deposed object, or of the
// creation that deposed it.
func (entry Entry) Deposed() Entry {
	entry.deposed = true
	return entry
}

// Settle records what became of a resource: nil when it is gone.
func (s *State) Settle(address addr.Instance, resource *Resource) {
	settle(&s.Resources, address, resource)
}

// SettleDeposed records what became of the deposed object of an address.
func (s *State) SettleDeposed(address addr.Instance, resource *Resource) {
	settle(&s.Deposed, address, resource)
}

func settle(list *map[addr.Instance]*Resource, address addr.Instance, resource *Resource) {
	if resource == nil {
		delete(*list, address)
		return
	}
	if *list == nil {
		*list = map[addr.Instance]*Resource{}
	}
	(*list)[address] = resource
}

// SettleDeposing records what became of a creation that deposes the recorded object.
func (s *State) SettleDeposing(address addr.Instance, resource *Resource) {
	if resource == nil {
		return
	}
	s.SettleDeposed(address, s.Resources[address])
	s.Settle(address, resource)
}

// movedDeposed gives the deposed objects at the addresses that their successors have now. Where
// there is one already, it stays where it was, and is destroyed from there.
func (s *State) movedDeposed(to map[addr.Instance]addr.Instance) map[addr.Instance]*Resource {
	if len(s.Deposed) == 0 {
		return nil
	}
	moved := map[addr.Instance]*Resource{}
	for a, r := range s.Deposed {
		if now, ok := to[a]; ok && s.Deposed[now] == nil {
			r = r.movedTo(now)
		}
		moved[r.Address] = r
	}
	return moved
}

// settleEntry brings an outcome into the state.
func (s *State) settleEntry(entry Entry) {
	switch {
	case !entry.deposed:
		s.Settle(entry.address, entry.resource)
	case entry.action == Create:
		s.SettleDeposing(entry.address, entry.resource)
	default:
		s.SettleDeposed(entry.address, entry.resource)
	}
}

// settleOpen brings an intent without outcome into the state: only the kernel knows.
func (s *State) settleOpen(intent Entry) {
	switch {
	case !intent.deposed:
		if r := intent.unfinished(s.Resources[intent.address]); r != nil {
			s.Resources[intent.address] = r
		}
	case intent.action == Create:
		s.SettleDeposing(intent.address, intent.unfinished(nil))
	default:
		if r := intent.unfinished(s.Deposed[intent.address]); r != nil {
			s.SettleDeposed(intent.address, r)
		}
	}
}

// step is what an entry is about: there may be an intent for each of the two objects.
type step struct {
	address addr.Instance
	deposed bool
}

// of gives the step that an outcome ends. A creation is about the address's own object, be it
// one that deposes another.
func (entry Entry) of() step {
	return step{entry.address, entry.deposed && entry.action != Create}
}
