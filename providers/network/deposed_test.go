package network

import (
	"encoding/json"
	"testing"

	"github.com/zclconf/go-cty/cty"

	"github.com/diyform/diyform/providers"
)

// Two objects of one resource, as create_before_destroy makes, have the same mark. Each is
// known for itself, also by who lacks what the kernel gave, and only the one that is meant is
// deleted.

func (k *kernel) cable(name, namespace string) *providers.Object {
	k.t.Helper()
	return k.mustCreate("veth_pair", with(args("name", name), "peer",
		block(k, "veth_pair", "peer", map[string]cty.Value{"name": text("eth0"), "namespace": text(namespace)})))
}

// asAfterCrash gives an object as it is known before its creation has an outcome.
func asAfterCrash(t *testing.T, o *providers.Object) *providers.Object {
	t.Helper()
	var id vethIdentity
	if err := json.Unmarshal(o.Identity, &id); err != nil {
		t.Fatal(err)
	}
	id.Near.Index, id.Peer.Index = 0, 0
	out := *o
	out.Unfinished = true
	out.Identity, _ = json.Marshal(id)
	return &out
}

func (k *kernel) reads(o *providers.Object, want string) {
	k.t.Helper()
	got := k.read(o)
	if got == nil {
		k.t.Fatalf("%s reads as gone", want)
	}
	if name := got.Attributes.GetAttr("name").AsString(); name != want {
		k.t.Errorf("%s reads as %s", want, name)
	}
}

func TestTwoCablesOfOneResource(t *testing.T) {
	k := newKernel(t)
	namespaces(t, "one", "two")
	old := k.cable("old0", "one")
	shell(t, "ip link set old0 alias diyform:0a1b2c3d:veth_pair.x")
	planned := k.cable("new0", "two")
	k.reads(old, "old0")
	k.reads(planned, "new0")
	k.reads(asAfterCrash(t, planned), "new0")
	shell(t, "ip link set new0 alias ''; ip -n two link set eth0 alias ''")
	k.reads(asAfterCrash(t, planned), "new0")
	k.reads(old, "old0")
	k.delete(old)
	k.expect("ip -j link show type veth | jq -r '[.[].ifname|select(test(\"[wd]0\"))]|join(\" \")'", "new0")
	k.delete(old) // again, when it is gone already
	k.expect("ip -j link show type veth | jq -r '[.[].ifname|select(test(\"[wd]0\"))]|join(\" \")'", "new0")
	k.delete(planned)
}

func TestTwoNamespacesOfOneResource(t *testing.T) {
	k := newKernel(t)
	old := k.mustCreate("network_namespace", args("name", "old"))
	planned := k.mustCreate("network_namespace", args("name", "new"))
	k.reads(old, "old")
	k.reads(planned, "new")
	crashed := *planned
	crashed.Unfinished, crashed.Identity = true, nil
	k.reads(&crashed, "new")
	k.delete(old)
	if k.read(old) != nil {
		t.Error("the old namespace is there still")
	}
	k.reads(planned, "new")
	k.delete(planned)
}
