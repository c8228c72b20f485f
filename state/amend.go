package state

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/diyform/diyform/internal/addr"
)

// ErrInterrupted says that a run was interrupted whose outcome only the kernel knows.
var ErrInterrupted = errors.New("a run was interrupted, and what it left open has not been looked up in the kernel yet")

// Amend changes what is recorded, and asks the kernel for nothing. The journal of an
// interrupted run is folded in first. Nothing is saved if change gives an error, or changes
// nothing. Records are shared with what was loaded: change puts others in their place. Amend
// needs the lock.
func (s *Store) Amend(change func(st *State) error) error {
	if s.lock == nil {
		return fmt.Errorf("amend state: %w", ErrNotLocked)
	}
	st, recovery, err := s.Load()
	if err != nil {
		return err
	}
	before, err := encode(st)
	if err != nil {
		return err
	}
	if err := change(st); err != nil {
		return err
	}
	after, err := encode(st)
	if err != nil || bytes.Equal(before, after) {
		return err
	}
	if recovery == nil { // else the serial has grown already
		st.Serial++
	}
	return s.Save(st)
}

// SetStatus marks a record as tainted, or as ready again.
func (s *State) SetStatus(a addr.Instance, status Status) {
	s.Resources[a] = s.Resources[a].withStatus(status)
}

// Move is one record's way to another address.
type Move struct {
	From, To addr.Instance
}

// Rename gives records other addresses, and rewrites the addresses in what others depend on.
// rename gives the new text of an address, and whether it has one. The objects in the kernel
// stay as they are, with the marks that they have: see Resource.KnownAs. A rename that would
// put two records at one address, or give one another type, is an error, and changes nothing.
func (s *State) Rename(rename func(text string) (string, bool)) ([]Move, error) {
	moves, err := s.moves(rename)
	if err != nil {
		return nil, err
	}
	next := maps.Clone(s.Resources)
	for _, m := range moves {
		delete(next, m.From)
	}
	for _, m := range moves {
		if next[m.To] != nil {
			return nil, &OccupiedError{m}
		}
		r := *s.Resources[m.From]
		r.KnownAs = r.Marked()
		if r.Address = m.To; r.KnownAs == r.Address {
			r.KnownAs = addr.Instance{}
		}
		next[m.To] = &r
	}
	d := dependents{rename, map[string][]string{}, map[string]bool{}}
	for _, m := range moves {
		block := m.From.Resource.String()
		d.parted[block] = append(d.parted[block], m.To.String())
	}
	for a := range next {
		d.blocks[a.Resource.String()] = true
	}
	for a, r := range next {
		if renamed, changed := d.renamed(r.Dependencies); changed {
			c := *r
			c.Dependencies = renamed
			next[a] = &c
		}
	}
	s.Resources = next
	return moves, nil
}

// OccupiedError says that a record is at the address that another one was to get.
type OccupiedError struct{ Move Move }

func (e *OccupiedError) Error() string {
	return fmt.Sprintf("%s cannot be moved to %s: the state records a resource there", e.Move.From, e.Move.To)
}

func (s *State) moves(rename func(string) (string, bool)) ([]Move, error) {
	var moves []Move
	for _, r := range s.Sorted() {
		text, ok := rename(r.Address.String())
		if !ok {
			continue
		}
		to, err := addr.Parse(text)
		if err != nil {
			return nil, fmt.Errorf("%s cannot be moved to %q: %w", r.Address, text, err)
		}
		if to.Type != r.Address.Type || to.Mode != r.Address.Mode {
			return nil, fmt.Errorf("%s cannot be moved to %s, which is another type", r.Address, to)
		}
		if to != r.Address {
			moves = append(moves, Move{r.Address, to})
		}
	}
	return moves, nil
}

// dependents rewrites what records depend on: instances, or whole blocks. A block of which only
// some instances have moved gets these beside it; one that has none left goes.
type dependents struct {
	rename func(text string) (string, bool)
	parted map[string][]string // by block: where instances of it went
	blocks map[string]bool     // that have instances
}

func (d *dependents) renamed(list []string) (out []string, changed bool) {
	add := func(text string) {
		if !slices.Contains(out, text) {
			out = append(out, text)
		}
	}
	for _, text := range list {
		if to, ok := d.rename(text); ok {
			add(to)
			changed = changed || to != text
			continue
		}
		if len(d.parted[text]) == 0 || d.blocks[text] {
			add(text)
		}
		for _, to := range d.parted[text] {
			add(to)
			changed = true
		}
	}
	return out, changed
}
