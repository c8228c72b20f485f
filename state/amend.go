package state

import (
	"bytes"
	"errors"
	"fmt"

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

// Rename gives records other addresses, as Moved does. rename gives the new text of an address,
// and whether it has one. A rename that would put two records at one address, or give one
// another type, is an error, and changes nothing.
func (s *State) Rename(rename func(text string) (string, bool)) ([]Move, error) {
	moves, err := s.moves(rename)
	if err != nil {
		return nil, err
	}
	to := map[addr.Instance]addr.Instance{}
	for _, m := range moves {
		to[m.From] = m.To
	}
	taken := map[addr.Instance]bool{}
	for a := range s.Resources {
		if _, moves := to[a]; !moves {
			taken[a] = true
		}
	}
	for _, m := range moves {
		if taken[m.To] {
			return nil, &OccupiedError{m}
		}
		taken[m.To] = true
	}
	moved := s.Moved(to)
	s.Resources, s.Deposed = moved.Resources, moved.Deposed
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
