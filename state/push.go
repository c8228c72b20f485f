package state

import (
	"bytes"
	"errors"
	"fmt"
)

// Document gives the state as a document, as Save writes it.
func (s *State) Document() ([]byte, error) { return encode(s) }

// ReadDocument reads a document that is not in its place. name is what errors call it. One that
// cannot be used is a *DamagedError or a *NewerFormatError.
func ReadDocument(name string, data []byte) (*State, error) {
	st, err := decode(name, data)
	if d := (*DamagedError)(nil); errors.As(err, &d) {
		d.Advice = "Nothing was changed."
	}
	return st, err
}

// ForeignError says that a document is of another state than the one that it was to replace.
type ForeignError struct{ Here, Given string } // lineages

func (e *ForeignError) Error() string {
	return fmt.Sprintf("it is another state: its lineage is %s, the recorded one's %s", e.Given, e.Here)
}

// OlderError says that a document is not newer than the recorded one, and says something else.
type OlderError struct{ Here, Given uint64 } // serials

func (e *OlderError) Error() string {
	if e.Here == e.Given {
		return fmt.Sprintf("it has serial %d, as the recorded state, and is not the same", e.Given)
	}
	return fmt.Sprintf("it has serial %d, and the recorded state is newer: %d", e.Given, e.Here)
}

// Push makes st the document in the place of the recorded one, which stays as the backup. A
// state of another lineage is a *ForeignError, one that is older an *OlderError, and a run
// whose outcome only the kernel knows gives ErrInterrupted, unless force is set; then st gets a
// greater serial, where it needs one. Push needs the lock.
func (s *Store) Push(st *State, force bool) error {
	if s.lock == nil {
		return fmt.Errorf("push state: %w", ErrNotLocked)
	}
	here, recovery, err := s.Load()
	if err != nil {
		return err
	}
	same, err := sameDocument(here, st)
	if err != nil || same && recovery == nil {
		return err
	}
	if here.Serial > 0 && !force {
		switch {
		case here.Lineage != st.Lineage:
			return &ForeignError{here.Lineage, st.Lineage}
		case recovery != nil:
			return ErrInterrupted
		case here.Serial >= st.Serial:
			return &OlderError{here.Serial, st.Serial}
		}
	}
	if recovery != nil { // what the journal tells is to be in the backup
		if err := s.Save(here); err != nil {
			return err
		}
	}
	next := *st
	if next.Lineage == here.Lineage && next.Serial <= here.Serial {
		next.Serial = here.Serial + 1
	}
	next.Serial = max(next.Serial, 1)
	return s.replace(&next)
}

func sameDocument(a, b *State) (bool, error) {
	one, err1 := encode(a)
	two, err2 := encode(b)
	return bytes.Equal(one, two), errors.Join(err1, err2)
}

// replace saves whatever is recorded before. There is no journal.
func (s *Store) replace(st *State) error {
	data, err := encode(st)
	if err != nil {
		return err
	}
	if err := s.replaceDocument(data); err != nil {
		return fmt.Errorf("save state: %w", err)
	}
	return removeIfThere(s.path(lineageFile))
}
