package state

import (
	"context"
	"errors"
	"testing"
)

func TestPush(t *testing.T) {
	given := func(lineage string, serial uint64, mtu string) *State {
		st := stateOf(link(t, "bridge.a", mtu))
		st.Lineage, st.Serial = lineage, serial
		return st
	}
	const one, two = testLineage, otherLineage
	tests := []struct {
		name        string
		here, given *State // here nil: nothing is recorded
		force       bool
		want        uint64 // the serial afterwards; 0: it is refused
		as          any    // the error
	}{
		{name: "newer", here: given(one, 3, "1"), given: given(one, 7, "2"), want: 7},
		{name: "the same", here: given(one, 3, "1"), given: given(one, 3, "1"), want: 3},
		{name: "the same serial", here: given(one, 3, "1"), given: given(one, 3, "2"), as: new(*OlderError)},
		{name: "older", here: given(one, 3, "1"), given: given(one, 2, "2"), as: new(*OlderError)},
		{name: "older by force", here: given(one, 3, "1"), given: given(one, 2, "2"), force: true, want: 4},
		{name: "foreign", here: given(one, 3, "1"), given: given(two, 9, "2"), as: new(*ForeignError)},
		{name: "foreign by force", here: given(one, 3, "1"), given: given(two, 2, "2"), force: true, want: 2},
		{name: "first", given: given(two, 5, "2"), want: 5},
		{name: "first, never saved", given: given(two, 0, "2"), want: 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			s := locked(t, dir)
			if tt.here != nil {
				save(t, s, tt.here)
			}
			before, _ := load(t, dir)
			err := s.Push(tt.given, tt.force)
			got, _ := load(t, dir)
			if tt.want == 0 {
				if err == nil || !errors.As(err, tt.as) {
					t.Errorf("got %v", err)
				}
				equal(t, "state", text(t, got), text(t, before))
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			want := *tt.given
			want.Serial = tt.want
			equal(t, "state", text(t, got), text(t, &want))
			if tt.here != nil && tt.name != "the same" {
				equal(t, "backup", string(read(t, dir, BackupFile)), text(t, tt.here))
			}
		})
	}
	if err := Open(t.TempDir()).Push(given(one, 1, "1"), true); !errors.Is(err, ErrNotLocked) {
		t.Errorf("without the lock: %v", err)
	}
}

// What a killed run did is not walked over, and by force it is in the backup.
func TestPushOverJournal(t *testing.T) {
	dir := t.TempDir()
	a := link(t, "bridge.a", "1")
	s := locked(t, dir)
	leaveJournal(t, s, stateOf(), a)
	killed := &Store{dir: dir, lock: s.lock}
	next := stateOf(link(t, "bridge.b", "2"))
	next.Serial = 9
	if err := killed.Push(next, false); !errors.Is(err, ErrInterrupted) {
		t.Errorf("got %v", err)
	}
	if _, recovery := load(t, dir); recovery == nil {
		t.Error("the journal is gone")
	}
	if err := killed.Push(next, true); err != nil {
		t.Fatal(err)
	}
	got, recovery := load(t, dir)
	if recovery != nil {
		t.Error("the journal is still there")
	}
	equal(t, "state", text(t, got), text(t, next))
	equal(t, "backup", string(read(t, dir, BackupFile)), text(t, folded(a.withStatus(Unfinished))))
}

func TestReadDocument(t *testing.T) {
	st, err := ReadDocument("x", []byte(document("", "")))
	if err != nil || st.Serial != 3 {
		t.Errorf("%+v, %v", st, err)
	}
	_, err = ReadDocument("a.json", []byte(document("serial", "Serial")))
	d := (*DamagedError)(nil)
	if !errors.As(err, &d) || d.File != "a.json" || d.Line != 4 || d.Advice != "Nothing was changed." {
		t.Errorf("got %v", err)
	}
}

// push puts a state with b in the place of what an interrupted run has left.
func push(dir string) error {
	s := Open(dir)
	l, err := s.Lock(context.Background(), LockInfo{Command: "diyform state push"}, 0, nil)
	if err != nil {
		return err
	}
	b := crashLink("b", 1500)
	next := stateOf(b)
	next.Serial = 9
	return errors.Join(s.Push(next, true), l.Unlock())
}

// Killed anywhere, a push has taken place or has not; what the journal tells is never lost.
func TestCrashPush(t *testing.T) {
	prepared := func() string {
		dir := t.TempDir()
		s := Open(dir)
		l, err := s.Lock(t.Context(), LockInfo{Command: "diyform apply"}, 0, nil)
		if err != nil {
			t.Fatal(err)
		}
		leaveJournal(t, s, stateOf(crashLink("a", 1500)), crashLink("c", 1500))
		if err := l.Unlock(); err != nil {
			t.Fatal(err)
		}
		return dir
	}
	before := snapshot(t, prepared())
	done := prepared()
	if err := push(done); err != nil {
		t.Fatal(err)
	}
	after := snapshot(t, done)
	n := 1
	for ; ; n++ {
		dir := prepared()
		_, killed := killedAt(t, "push", dir, n)
		if !killed {
			break
		}
		if got := snapshot(t, dir); got != before && got != after {
			t.Fatalf("killed at %d:\n%s\nwant\n%s\nor\n%s", n, got, before, after)
		}
		if err := push(dir); err != nil {
			t.Fatalf("after a kill at %d: %v", n, err)
		}
		if got := snapshot(t, dir); got != after {
			t.Fatalf("after a kill at %d and a push:\n%s\nwant\n%s", n, got, after)
		}
	}
	if n < 15 {
		t.Errorf("the push could be killed at %d places only", n)
	}
}
