package state

import (
	"strings"
	"testing"

	"github.com/diyform/diyform/internal/addr"
)

// with gives a state of serial 1 with a recorded and a deposed object of an address.
func with(current, deposed *Resource) *State {
	st := stateOf()
	if current != nil {
		st.Settle(current.Address, current)
	}
	if deposed != nil {
		st.SettleDeposed(deposed.Address, deposed)
	}
	return st
}

// Whatever instant a run is killed at, the record says of both objects what may be there.
func TestFoldDeposed(t *testing.T) {
	a := func(mtu string) *Resource { return link(t, "veth_pair.a", mtu) }
	unfinished := func(mtu string) *Resource { return a(mtu).withStatus(Unfinished) }
	at := a("0").Address
	made := []Entry{Depose(at, a("2")), Outcome(Create, at, a("2"), "").Deposed()}
	gone := []Entry{Intent(Delete, at, a("1")).Deposed(), Outcome(Delete, at, nil, "").Deposed()}
	tests := []struct {
		name              string
		entries           []Entry
		current, deposed  *Resource
		beforeDeposed     *Resource
		interruptedAction Action
	}{
		{"made", made, a("2"), a("1"), nil, ""},
		{"made and destroyed", append(made[:2:2], gone...), a("2"), nil, nil, ""},
		{"killed while it is made", made[:1], unfinished("2"), a("1"), nil, Create},
		{"nothing came of it", []Entry{made[0], Outcome(Create, at, nil, "no").Deposed()}, a("1"), nil, nil, ""},
		{"half of it came", []Entry{made[0], Outcome(Create, at, unfinished("3"), "no").Deposed()}, unfinished("3"), a("1"), nil, ""},
		{"killed while the old one is destroyed", append(made[:2:2], gone[0]), a("2"), unfinished("1"), nil, Delete},
		{"the old one is not destroyed", append(made[:2:2], gone[0], Outcome(Delete, at, a("1"), "no").Deposed()), a("2"), a("1"), nil, ""},
		{"one that was left goes before", append(gone[:2:2], made...), a("2"), a("1"), a("0"), ""},
		{"killed while one that was left goes", gone[:1], a("1"), unfinished("0"), a("0"), Delete},
		{"restored", []Entry{Outcome(Update, at, a("0"), ""), Outcome(Delete, at, nil, "").Deposed()}, a("0"), nil, a("0"), ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			record(t, began(t, dir, with(a("1"), test.beforeDeposed)), test.entries...)
			st, recovery := load(t, dir)
			want := with(test.current, test.deposed)
			want.Serial++
			equal(t, "state", text(t, st), text(t, want))
			var interrupted []Interrupted
			if test.interruptedAction != "" {
				interrupted = []Interrupted{{at, test.interruptedAction}}
			}
			equal(t, "interrupted", recovery.Unfinished, interrupted)
		})
	}
}

func TestDeposedDocument(t *testing.T) {
	dir := t.TempDir()
	a := link(t, "veth_pair.a", "1500")
	save(t, locked(t, dir), with(nil, a))
	if got := string(read(t, dir, File)); !strings.Contains(got, `"deposed": [`) {
		t.Errorf("the document has no deposed objects:\n%s", got)
	}
	st, _ := load(t, dir)
	equal(t, "deposed", text(t, st), text(t, with(nil, a)))
	if st.Resources[a.Address] != nil || len(st.SortedDeposed()) != 1 {
		t.Errorf("got %v and %v", st.Resources, st.Deposed)
	}
	st.SettleDeposed(a.Address, nil)
	if strings.Contains(text(t, st), "deposed") {
		t.Error("an empty list is written")
	}
}

func TestDeposedRefuses(t *testing.T) {
	a := link(t, "veth_pair.a", "1500")
	j := began(t, t.TempDir(), stateOf())
	if err := j.Append(Intent(Update, a.Address, a).Deposed()); err == nil {
		t.Error("an update of a deposed object is written")
	}
	broken := with(nil, a)
	broken.Deposed[addr.Instance{}] = a
	if _, err := encode(broken); err == nil {
		t.Error("a deposed object at a wrong address is written")
	}
	twice := strings.Replace(text(t, with(a, a)), `"resources"`, `"deposed"`, 1)
	if _, err := decode("f", []byte(twice)); err == nil || !strings.Contains(err.Error(), `key "deposed" stands twice`) {
		t.Errorf("got %v", err)
	}
}

// A deposed object moves with its successor.
func TestMovedDeposed(t *testing.T) {
	at := func(s string) addr.Instance { return address(t, s) }
	a, old, b := link(t, "veth_pair.a", "2"), link(t, "veth_pair.a", "1"), link(t, "veth_pair.b", "3")
	old.Dependencies = []string{"veth_pair.a"}
	got := with(a, old).Moved(map[addr.Instance]addr.Instance{at("veth_pair.a"): at("veth_pair.b")})
	moved := got.Deposed[at("veth_pair.b")]
	equal(t, "deposed", len(got.Deposed), 1)
	equal(t, "address", moved.Address, at("veth_pair.b"))
	equal(t, "known as", moved.Marked(), at("veth_pair.a"))
	equal(t, "dependencies", moved.Dependencies, []string{"veth_pair.b"})

	both := with(a, old)
	both.SettleDeposed(b.Address, b)
	got = both.Moved(map[addr.Instance]addr.Instance{at("veth_pair.a"): at("veth_pair.b")})
	equal(t, "where there is one already", len(got.Deposed), 2)

	renamed := with(a, old)
	if _, err := renamed.Rename(selection(t, "veth_pair.a").Moved(selection(t, "veth_pair.b"))); err != nil {
		t.Fatal(err)
	}
	equal(t, "renamed by hand", renamed.Deposed[at("veth_pair.b")].Marked(), at("veth_pair.a"))
}
