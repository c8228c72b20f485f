package providertest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"

	"github.com/diyform/diyform/internal/diag"
	"github.com/diyform/diyform/providers"
)

// Registry gives a registry that has this provider alone.
func Registry(w *World) *providers.Registry { return providers.NewRegistry(Provider(w)) }

// Provider gives the provider of a world.
func Provider(w *World) providers.Provider {
	return providers.Assemble(providers.Parts[*snapshot, *session]{
		Name: "memory",
		Resources: []providers.Def[*snapshot, *session]{
			providers.Define("box", "A box.", boxType{}),
			providers.Define("item", "An item in a box.", itemType{}),
			providers.Define("rail", "A rail.", railType{}),
			providers.Define("user", "A user of a box.", userType{}),
		},
		Data: []providers.DataDef[*session]{providers.DefineData("lookup", "Reads a box.", lookup{})},
		Open: func(env providers.Env) (*session, error) { return &session{World: w, env: env}, nil },
		Snapshot: func(k *session) *snapshot {
			return &snapshot{
				session: k, loaded: map[providers.Place]bool{},
				boxes: map[string]Box{}, items: map[ItemKey]Item{}, rails: map[string]Rail{}, users: map[string]User{},
			}
		},
	})
}

type session struct {
	*World
	env providers.Env
}

func (*session) Close() error { return nil }

// identity is by what all things of this world are known again.
type identity struct {
	Serial int `json:"serial,omitempty"`
}

// snapshot holds copies of what the loaded places had in them.
type snapshot struct {
	*session
	loaded map[providers.Place]bool
	boxes  map[string]Box
	items  map[ItemKey]Item
	rails  map[string]Rail
	users  map[string]User
}

// Load copies what the places name. A box comes with its items; and since a rail may have
// another name by now, one rail comes with all of them.
func (s *snapshot) Load(_ context.Context, places []providers.Place) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	boxes, rails := map[string]bool{}, false
	for _, place := range places {
		if s.loaded[place] {
			continue
		}
		s.loaded[place] = true
		switch place.Kind {
		case "box":
			boxes[place.Name] = true
		case "rail":
			rails = true
		case "user":
			if u := s.World.Users[place.Name]; u != nil {
				s.users[place.Name] = *u
			}
		}
	}
	s.loadBoxes(boxes)
	if rails {
		for name, r := range s.World.Rails {
			s.rails[name] = *r
		}
	}
	return nil
}

func (s *snapshot) loadBoxes(names map[string]bool) {
	for name := range names {
		if b := s.World.Boxes[name]; b != nil {
			s.boxes[name] = *b
		}
	}
	if len(names) == 0 {
		return
	}
	for key, i := range s.World.Items {
		if names[key.Box] {
			copied := *i
			copied.Env = maps.Clone(i.Env)
			s.items[key] = copied
		}
	}
}

// mustHave notes it when a place is read that nobody announced to Load.
func (s *snapshot) mustHave(place providers.Place) {
	if !s.loaded[place] {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.violation("%s is read and was not loaded", place)
	}
}

// known reports whether a thing is the recorded one. After a crash the serial that the
// kernel gave is not on record, and the mark tells. A thing that is whole has the mark that is
// on record; one that was being marked anew, or imported, may have another.
func known[T any](s *snapshot, rec *providers.Recorded[T, identity], serial int, mark string) bool {
	if rec.Identity.Serial != 0 {
		if rec.Identity.Serial == serial && !rec.Unfinished && mark != s.env.Mark(rec.Marked()) {
			s.mu.Lock()
			s.violation("%s has the mark %q", rec.Address, mark)
			s.mu.Unlock()
		}
		return rec.Identity.Serial == serial
	}
	return rec.Unfinished && mark == s.env.Mark(rec.Marked())
}

// found gives the identity of a thing that is to be imported, or says why it cannot be.
func found(s *snapshot, what string, there bool, serial int, mark string) (identity, error) {
	if !there {
		return identity{}, &diag.Problem{Summary: "Nothing there to import", Detail: fmt.Sprintf("There is no %s.", what)}
	}
	if mark != "" && !strings.HasPrefix(mark, s.env.MarkPrefix()) {
		return identity{}, &diag.Problem{Summary: "It is another state's", Detail: fmt.Sprintf("The %s has the mark %s.", what, mark)}
	}
	return identity{serial}, nil
}

var errInjected = errors.New("the world said no")

// each carries out the operations of a batch one by one. do is told whether it is to fail
// after half of the work, and then settles the operation with the error that it is given.
func each[T any](k *session, typ string, action providers.Action, ops []*providers.Op[T, identity], do func(op *providers.Op[T, identity], partly error)) {
	k.logBatch(typ, action, len(ops), func(i int) string { return ops[i].Address.String() })
	for _, op := range ops {
		if k.Before != nil {
			k.Before(action, op.Address)
		}
		k.mu.Lock()
		partly, fails := k.failures[action.String()+" "+op.Address.String()]
		switch {
		case fails && !partly:
			op.Fail(&diag.Problem{Summary: "The world refuses", Detail: fmt.Sprintf("It was asked to %s %s.", action, op.Address), Err: errInjected})
		case fails:
			do(op, fmt.Errorf("%s %s: %w halfway", action, op.Address, errInjected))
		default:
			do(op, nil)
		}
		k.mu.Unlock()
		if k.After != nil {
			k.After(action, op.Address)
		}
	}
}

func (w *World) logBatch(typ string, action providers.Action, n int, address func(int) string) {
	names := make([]string, n)
	for i := range n {
		names[i] = strings.TrimPrefix(address(i), typ+".")
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.Log = append(w.Log, fmt.Sprintf("%s %s: %s", action, typ, strings.Join(names, ", ")))
}

// settle ends a create or update.
func settle[T any](op *providers.Op[T, identity], attrs T, serial int, partly error) {
	if partly != nil {
		op.FailPartly(attrs, identity{serial}, partly)
		return
	}
	op.Done(attrs, identity{serial})
}
