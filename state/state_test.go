package state

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/diyform/diyform/internal/addr"
)

const (
	testLineage  = "6f1f1c0e-6f43-4f0b-9b57-3c8a5a3f9d10"
	otherLineage = "b6c3a1de-1111-4222-8333-944445555666"
	testBoot     = "0b5cbf0c-8b1f-4d07-a3b4-6b4c1b1d2e3f"
)

func address(t testing.TB, s string) addr.Instance {
	t.Helper()
	a, err := addr.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// link gives the record of a veth pair.
func link(t testing.TB, at string, mtu string) *Resource {
	t.Helper()
	return &Resource{
		Address:    address(t, at),
		Status:     Ready,
		Attributes: json.RawMessage(`{"mtu":` + mtu + `}`),
		Identity:   json.RawMessage(`{"index":7}`),
	}
}

// stateOf gives a state of serial 1.
func stateOf(resources ...*Resource) *State {
	st := New(testBoot)
	st.Lineage = testLineage
	st.Serial = 1
	for _, r := range resources {
		st.Resources[r.Address] = r
	}
	return st
}

// locked gives a store that holds the lock of a folder.
func locked(t testing.TB, dir string) *Store {
	t.Helper()
	s := Open(dir)
	l, err := s.Lock(t.Context(), LockInfo{Command: "diyform apply"}, 0, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Unlock() })
	return s
}

func save(t testing.TB, s *Store, st *State) {
	t.Helper()
	if err := s.Save(st); err != nil {
		t.Fatal(err)
	}
}

func load(t testing.TB, dir string) (*State, *Recovery) {
	t.Helper()
	st, recovery, err := Open(dir).Load()
	if err != nil {
		t.Fatal(err)
	}
	return st, recovery
}

// text gives a state in the form in which tests compare it.
func text(t testing.TB, st *State) string {
	t.Helper()
	b, err := encode(st)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func equal(t *testing.T, what string, got, want any) {
	t.Helper()
	if diff := cmp.Diff(want, got, cmpopts.EquateComparable(addr.Instance{})); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

func read(t testing.TB, path ...string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(path...))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func write(t testing.TB, path string, data []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// names lists the files of a working folder.
func names(t testing.TB, dir string) []string {
	t.Helper()
	var list []string
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			path, err = filepath.Rel(dir, path)
			list = append(list, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}
