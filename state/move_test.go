package state

import (
	"testing"

	"github.com/diyform/diyform/internal/addr"
)

func TestMoved(t *testing.T) {
	at := func(s string) addr.Instance { return address(t, s) }
	a, b, c := link(t, "veth_pair.a", "1"), link(t, "veth_pair.h[0]", "2"), link(t, "veth_pair.c", "3")
	b.KnownAs, b.MadeAs = at("veth_pair.old"), at("veth_pair.x")
	c.Dependencies = []string{"veth_pair.a", "veth_pair.h", "bridge.lan"}
	before := stateOf(a, b, c)
	got := before.Moved(map[addr.Instance]addr.Instance{
		at("veth_pair.a"): at("veth_pair.b"), at("veth_pair.h[0]"): at(`veth_pair.old`),
	})
	equal(t, "resources", len(got.Resources), 3)
	moved := got.Resources[at("veth_pair.b")]
	equal(t, "address", moved.Address, at("veth_pair.b"))
	equal(t, "known as", moved.KnownAs, at("veth_pair.a"))
	equal(t, "made as", moved.MadeAs, at("veth_pair.a"))
	back := got.Resources[at("veth_pair.old")]
	equal(t, "known as where the marks say the new address", back.KnownAs, addr.Instance{})
	equal(t, "made as, moved twice", back.Origin(), at("veth_pair.x"))
	equal(t, "dependencies", got.Resources[at("veth_pair.c")].Dependencies,
		[]string{"veth_pair.b", "veth_pair.old", "bridge.lan"})
	equal(t, "the state before", before.Resources[at("veth_pair.c")].Dependencies, []string{"veth_pair.a", "veth_pair.h", "bridge.lan"})
	equal(t, "the record before", a.KnownAs, addr.Instance{})

	// And back again nothing is left of it.
	again := got.Moved(map[addr.Instance]addr.Instance{at("veth_pair.b"): at("veth_pair.a")})
	equal(t, "moved back", again.Resources[at("veth_pair.a")], a)
}
