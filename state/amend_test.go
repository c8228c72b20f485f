package state

import (
	"errors"
	"strings"
	"testing"

	"github.com/diyform/diyform/internal/addr"
)

// records gives a state in which each resource, given as ADDRESS or ADDRESS: DEPENDENCY ..., has
// the address as its attribute.
func records(t testing.TB, list ...string) *State {
	t.Helper()
	st := stateOf()
	for _, text := range list {
		at, needs, _ := strings.Cut(text, ": ")
		r := link(t, at, "1500")
		r.Dependencies = strings.Fields(needs)
		st.Resources[r.Address] = r
	}
	return st
}

// listed is the opposite of records, with the address that the kernel knows.
func listed(st *State) []string {
	var list []string
	for _, r := range st.Sorted() {
		text := r.Address.String()
		if r.KnownAs != (addr.Instance{}) {
			text += " as " + r.KnownAs.String()
		}
		if len(r.Dependencies) > 0 {
			text += ": " + strings.Join(r.Dependencies, " ")
		}
		list = append(list, text)
	}
	return list
}

func TestRename(t *testing.T) {
	tests := []struct {
		name         string
		from, to     string
		before, want []string
	}{
		{"a block", "bridge.a", "bridge.b",
			[]string{"bridge.a[0]", "bridge.a[1]", "veth_pair.x: bridge.a", "veth_pair.y: bridge.a[1]"},
			[]string{"bridge.b[0] as bridge.a[0]", "bridge.b[1] as bridge.a[1]", "veth_pair.x: bridge.b", "veth_pair.y: bridge.b[1]"}},
		{"one of several", "bridge.a[0]", "bridge.b",
			[]string{"bridge.a[0]", "bridge.a[1]", "veth_pair.x: bridge.a", "veth_pair.y: bridge.a[0]", "veth_pair.z: bridge.a[1]"},
			[]string{"bridge.a[1]", "bridge.b as bridge.a[0]", "veth_pair.x: bridge.a bridge.b", "veth_pair.y: bridge.b", "veth_pair.z: bridge.a[1]"}},
		{"the last of several", "bridge.a[0]", "bridge.b",
			[]string{"bridge.a[0]", "veth_pair.x: bridge.a sysctl.s"},
			[]string{"bridge.b as bridge.a[0]", "veth_pair.x: bridge.b sysctl.s"}},
		{"to what is depended on already", "bridge.a", "bridge.b[0]",
			[]string{"bridge.a", "veth_pair.x: bridge.a bridge.b[0]"},
			[]string{"bridge.b[0] as bridge.a", "veth_pair.x: bridge.b[0]"}},
		{"a module that is depended on", "module.a", "module.b",
			[]string{"module.a.bridge.x", "module.a.sysctl.y", "veth_pair.x: module.a"},
			[]string{"veth_pair.x: module.b", "module.b.bridge.x as module.a.bridge.x", "module.b.sysctl.y as module.a.sysctl.y"}},
		{"one of a module's instances", `module.a["k"]`, "module.b",
			[]string{`module.a["k"].bridge.x`, `module.a["l"].bridge.x`, "veth_pair.x: module.a", `veth_pair.y: module.a["k"]`},
			[]string{"veth_pair.x: module.a module.b.bridge.x", "veth_pair.y: module.b", `module.a["l"].bridge.x`, `module.b.bridge.x as module.a["k"].bridge.x`}},
		{"within a module", "module.a.bridge.x", "module.a.bridge.y",
			[]string{"module.a.bridge.x", "veth_pair.x: module.a"},
			[]string{"veth_pair.x: module.a", "module.a.bridge.y as module.a.bridge.x"}},
		{"within a block", "bridge.a[0]", `bridge.a["x"]`,
			[]string{"bridge.a[0]", "veth_pair.x: bridge.a"},
			[]string{`bridge.a["x"] as bridge.a[0]`, `veth_pair.x: bridge.a`}},
		{"a module", "module.m", "module.n.module.o",
			[]string{"bridge.a: module.m.bridge.a", "module.m.bridge.a", "module.m.module.p.bridge.b: module.m.bridge.a"},
			[]string{"bridge.a: module.n.module.o.bridge.a", "module.n.module.o.bridge.a as module.m.bridge.a",
				"module.n.module.o.module.p.bridge.b as module.m.module.p.bridge.b: module.n.module.o.bridge.a"}},
		{"nothing", "bridge.c", "bridge.b", []string{"bridge.a", "veth_pair.x: bridge.a"}, []string{"bridge.a", "veth_pair.x: bridge.a"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			st := records(t, tt.before...)
			shared := st.Sorted()
			from, to := selection(t, tt.from), selection(t, tt.to)
			if _, err := st.Rename(from.Moved(to)); err != nil {
				t.Fatal(err)
			}
			equal(t, "renamed", listed(st), tt.want)
			if _, err := encode(st); err != nil {
				t.Error(err)
			}
			for i, r := range records(t, tt.before...).Sorted() {
				equal(t, "record from before", shared[i], r)
			}
		})
	}
}

// Three moves exchange two records. Moved back, nothing tells that they were elsewhere.
func TestRenameThereAndBack(t *testing.T) {
	before := []string{"bridge.a", "bridge.b: bridge.a", "veth_pair.x: bridge.b"}
	st := records(t, before...)
	exchange := func() {
		for _, move := range [][2]string{{"bridge.a", "bridge.c"}, {"bridge.b", "bridge.a"}, {"bridge.c", "bridge.b"}} {
			if _, err := st.Rename(selection(t, move[0]).Moved(selection(t, move[1]))); err != nil {
				t.Fatal(err)
			}
		}
	}
	exchange()
	equal(t, "exchanged", listed(st), []string{"bridge.a as bridge.b: bridge.b", "bridge.b as bridge.a", "veth_pair.x: bridge.a"})
	exchange()
	equal(t, "and back", listed(st), before)
}

func TestRenameRefuses(t *testing.T) {
	for _, tt := range [][3]string{
		{"bridge.a", "bridge.b", "bridge.a[0] cannot be moved to bridge.b[0]: the state records a resource there"},
		{"bridge.a", "veth_pair.b", "another type"},
		{"bridge.a", `bridge.c["x"]`, "cannot be moved"},
	} {
		st := records(t, "bridge.a[0]", "bridge.a[1]: bridge.a[0]", "bridge.b[0]")
		before := listed(st)
		_, err := st.Rename(selection(t, tt[0]).Moved(selection(t, tt[1])))
		if err == nil || !strings.Contains(err.Error(), tt[2]) {
			t.Errorf("%s to %s: %v", tt[0], tt[1], err)
		}
		equal(t, "state", listed(st), before)
	}
}

func TestAmend(t *testing.T) {
	dir := t.TempDir()
	a, b := link(t, "bridge.a", "1500"), link(t, "bridge.b", "1500")
	if err := Open(dir).Amend(func(*State) error { return nil }); !errors.Is(err, ErrNotLocked) {
		t.Errorf("without the lock: %v", err)
	}
	s := locked(t, dir)
	save(t, s, stateOf(a))
	amend := func(change func(*State) error) error {
		t.Helper()
		return s.Amend(change)
	}
	before := read(t, dir, File)
	if err := amend(func(*State) error { return nil }); err != nil {
		t.Fatal(err)
	}
	failure := errors.New("no")
	if err := amend(func(st *State) error { delete(st.Resources, a.Address); return failure }); !errors.Is(err, failure) {
		t.Errorf("got %v", err)
	}
	equal(t, "document", string(read(t, dir, File)), string(before))

	if err := amend(func(st *State) error { st.SetStatus(a.Address, Tainted); return nil }); err != nil {
		t.Fatal(err)
	}
	st, _ := load(t, dir)
	equal(t, "serial", st.Serial, uint64(2))
	equal(t, "status", st.Resources[a.Address].Status, Tainted)
	equal(t, "backup", string(read(t, dir, BackupFile)), string(before))

	// The journal of a killed run goes in first, and its run is not lost.
	j, err := s.Begin(st)
	if err != nil {
		t.Fatal(err)
	}
	record(t, j, Intent(Create, b.Address, b), Outcome(Create, b.Address, b, ""))
	killed := &Store{dir: dir, lock: s.lock}
	if err := killed.Amend(func(st *State) error { st.SetStatus(a.Address, Ready); return nil }); err != nil {
		t.Fatal(err)
	}
	st, recovery := load(t, dir)
	if recovery != nil || st.Serial != 3 {
		t.Errorf("serial %d, recovery %v", st.Serial, recovery)
	}
	equal(t, "records", listed(st), []string{"bridge.a", "bridge.b"})
}
