package schema_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/zclconf/go-cty/cty"
)

func TestPropose(t *testing.T) {
	none := cty.NullVal(links.ImpliedType())
	unknown := cty.UnknownVal(cty.String)
	prior := whole(values{
		"name": str("old"), "mtu": num(9000), "index": num(7), "key": str("k"), "addresses": strs("10.0.0.1/8", "10.0.0.2/8"),
		"peer": nested("peer", values{"name": str("p"), "index": num(8)}),
		"rule": cty.ListVal([]cty.Value{nested("rule", values{"action": str("drop"), "count": num(3)})}),
	})
	tests := []struct {
		name          string
		config, prior cty.Value
		path          string
		want          cty.Value
	}{
		{"a default", settable(nil), none, "mtu", num(1500)},
		{"a default, not the prior", settable(nil), prior, "mtu", num(1500)},
		{"nothing", settable(nil), none, "key", cty.NullVal(cty.String)},
		{"nothing, not the prior", settable(nil), prior, "key", cty.NullVal(cty.String)},
		{"computed, nothing there", settable(nil), none, "index", cty.UnknownVal(cty.Number)},
		{"computed, the prior", settable(nil), prior, "index", num(7)},
		{"computed and optional, nothing there", settable(nil), none, "name", unknown},
		{"computed and optional, the prior", settable(nil), prior, "name", str("old")},
		{"computed and optional, set", settable(values{"name": str("new")}), prior, "name", str("new")},
		{"set", settable(values{"mtu": num(1)}), prior, "mtu", num(1)},
		{"unknown", settable(values{"mtu": cty.UnknownVal(cty.Number)}), prior, "mtu", cty.UnknownVal(cty.Number)},
		{"another order", settable(values{"addresses": strs("10.0.0.2/8", "10.0.0.1/8")}), prior, "addresses", strs("10.0.0.1/8", "10.0.0.2/8")},
		{"others", settable(values{"addresses": strs("10.0.0.2/8")}), prior, "addresses", strs("10.0.0.2/8")},
		{"no block", settable(nil), prior, "peer", cty.NullVal(links.Block("peer").ImpliedType())},
		{
			"a block", settable(values{"peer": nestedSettable("peer", values{"name": str("q")})}), prior,
			"peer", nested("peer", values{"name": str("q"), "index": num(8)}),
		},
		{
			"a new block", settable(values{"peer": nestedSettable("peer", values{"name": str("q")})}), none,
			"peer", nested("peer", values{"name": str("q"), "index": cty.UnknownVal(cty.Number)}),
		},
		{
			"an unknown block", settable(values{"peer": cty.UnknownVal(nestedSettable("peer", nil).Type())}), prior,
			"peer", cty.UnknownVal(links.Block("peer").ImpliedType()),
		},
		{"no blocks", settable(nil), prior, "rule", cty.ListValEmpty(links.Block("rule").ImpliedType())},
		{
			"blocks", settable(values{"rule": cty.ListVal([]cty.Value{
				nestedSettable("rule", values{"action": str("accept")}), nestedSettable("rule", values{"action": str("drop")}),
			})}), prior,
			"rule", cty.ListVal([]cty.Value{
				nested("rule", values{"action": str("accept"), "count": num(3)}),
				nested("rule", values{"action": str("drop"), "count": cty.UnknownVal(cty.Number)}),
			}),
		},
		{
			"unknown blocks", settable(values{"rule": cty.UnknownVal(cty.List(nestedSettable("rule", nil).Type()))}), prior,
			"rule", cty.UnknownVal(cty.List(links.Block("rule").ImpliedType())),
		},
	}
	for _, test := range tests {
		got := links.Propose(test.config, test.prior)
		if !got.Type().Equals(links.ImpliedType()) {
			t.Fatalf("%s: the proposal has another type", test.name)
		}
		if v := got.GetAttr(test.path); !v.RawEquals(test.want) {
			t.Errorf("%s: got %#v, want %#v", test.name, v, test.want)
		}
	}
}

func TestDiff(t *testing.T) {
	base := values{
		"name": str("a"), "mtu": num(1500), "addresses": strs("1", "2", "2"), "order": strs("1", "2"),
		"labels": cty.MapVal(values{"x": str("y")}),
		"peer":   nested("peer", values{"name": str("p"), "key": str("k")}),
		"rule":   cty.ListVal([]cty.Value{nested("rule", values{"action": str("drop")}), nested("rule", values{"action": str("accept")})}),
	}
	with := func(name string, v cty.Value) cty.Value {
		m := values{}
		for k, old := range base {
			m[k] = old
		}
		m[name] = v
		return whole(m)
	}
	tests := []struct {
		name  string
		after cty.Value
		want  []string
	}{
		{"nothing", whole(base), nil},
		{"a name", with("name", str("b")), []string{"name replaces"}},
		{"a number", with("mtu", num(1)), []string{"mtu"}},
		{"unknown", with("mtu", cty.UnknownVal(cty.Number)), []string{"mtu"}},
		{"the order of an unordered list", with("addresses", strs("2", "1", "2")), nil},
		{"how often something is in it", with("addresses", strs("2", "1", "1")), []string{"addresses"}},
		{"how much is in it", with("addresses", strs("2", "1")), []string{"addresses"}},
		{"the order of a list", with("order", strs("2", "1")), []string{"order"}},
		{"an empty list", with("ports", cty.ListValEmpty(cty.Number)), nil},
		{"an empty text", with("key", str("")), nil},
		{"a zero that is null in the object", with("ratio", num(0)), nil},
		{"a zero that is not", with("limit", num(0)), []string{"limit"}},
		{"an empty text where a default is", with("kind", str("")), []string{"kind"}},
		{"an emptied map", with("labels", cty.MapValEmpty(cty.String)), []string{"labels"}},
		{"an unknown element", with("labels", cty.MapVal(values{"x": cty.UnknownVal(cty.String)})), []string{"labels"}},
		{"a nested argument", with("peer", nested("peer", values{"name": str("p")})), []string{"peer.key"}},
		{"a nested name", with("peer", nested("peer", values{"name": str("q"), "key": str("k")})), []string{"peer.name replaces"}},
		{"no nested block", with("peer", cty.NullVal(links.Block("peer").ImpliedType())), []string{"peer replaces"}},
		{"an unknown block", with("peer", cty.UnknownVal(links.Block("peer").ImpliedType())), []string{"peer replaces"}},
		{
			"one of several blocks",
			with("rule", cty.ListVal([]cty.Value{nested("rule", values{"action": str("drop")}), nested("rule", values{"action": str("drop")})})),
			[]string{"rule.1.action"},
		},
		{"a block less", with("rule", cty.ListVal([]cty.Value{nested("rule", values{"action": str("drop")})})), []string{"rule"}},
	}
	for _, test := range tests {
		var got []string
		for _, c := range links.Diff(whole(base), test.after) {
			s := c.Path
			if c.Replace {
				s += " replaces"
			}
			got = append(got, s)
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.name, diff)
		}
		if same := links.Same(whole(base), test.after); same != (len(got) == 0) {
			t.Errorf("%s: Same gives %t", test.name, same)
		}
	}
	none := cty.NullVal(links.ImpliedType())
	if n := len(links.Diff(none, whole(base))); n != len(base) {
		t.Errorf("from nothing, %d attributes differ", n)
	}
	if !links.Same(none, none) || links.Same(none, whole(base)) || links.Same(whole(base), none) {
		t.Error("nothing is the same as something")
	}
}

func TestVolatiles(t *testing.T) {
	after := whole(values{"index": num(1), "name": str("n"), "peer": nested("peer", values{"name": str("p"), "index": num(2)})})
	got := links.Volatiles(settable(nil), after)
	if got.GetAttr("index").IsKnown() || got.GetAttr("peer").GetAttr("index").IsKnown() {
		t.Errorf("volatile attributes stay known: %#v", got)
	}
	if !got.GetAttr("name").IsKnown() || !got.GetAttr("hash").IsKnown() {
		t.Errorf("other attributes become unknown: %#v", got)
	}
	none := cty.NullVal(links.ImpliedType())
	if !links.Volatiles(settable(nil), none).IsNull() {
		t.Error("nothing has volatile attributes")
	}
}

func TestSettle(t *testing.T) {
	recorded := whole(values{"addresses": strs("2", "1"), "order": strs("2", "1"), "mtu": num(1), "labels": cty.MapValEmpty(cty.String)})
	actual := whole(values{"addresses": strs("1", "2"), "order": strs("1", "2"), "mtu": num(2)})
	got := links.Settle(recorded, actual)
	want := whole(values{"addresses": strs("2", "1"), "order": strs("1", "2"), "mtu": num(2), "labels": cty.MapValEmpty(cty.String)})
	if !got.RawEquals(want) {
		t.Errorf("got %#v", got)
	}
	none := cty.NullVal(links.ImpliedType())
	if !links.Settle(none, actual).RawEquals(actual) || !links.Settle(recorded, none).IsNull() {
		t.Error("nothing is settled")
	}
}

func TestSensitive(t *testing.T) {
	v := whole(values{
		"key":  str("k"),
		"peer": nested("peer", values{"key": cty.UnknownVal(cty.String)}),
		"rule": cty.ListVal([]cty.Value{nested("rule", nil), nested("rule", values{"key": str("k")})}),
	})
	var got []cty.Path
	got = append(got, links.Sensitive(v)...)
	want := []cty.Path{cty.GetAttrPath("key"), cty.GetAttrPath("peer").GetAttr("key"), cty.GetAttrPath("rule").IndexInt(1).GetAttr("key")}
	if !slices.EqualFunc(got, want, cty.Path.Equals) {
		t.Errorf("got %#v", got)
	}
	if links.Sensitive(whole(nil)) != nil || links.Sensitive(cty.NullVal(links.ImpliedType())) != nil || links.Block("lower").Sensitive(nested("lower", nil)) != nil {
		t.Error("nothing is sensitive")
	}
	for path, want := range map[string]bool{
		"key": true, "name": false, "peer.key": true, "peer.name": false, "peer": false, "rule.0.key": true, "rule.12.action": false,
		"lower.device": false, "nothing": false,
	} {
		if links.Hides(path) != want {
			t.Errorf("Hides(%q) is %t", path, !want)
		}
	}
}

func TestAddressable(t *testing.T) {
	attr := cty.GetAttrPath
	tests := []struct{ path, want cty.Path }{
		{attr("name"), attr("name")},
		{attr("addresses").IndexInt(3), attr("addresses")},
		{attr("labels").IndexString("x"), attr("labels").IndexString("x")},
		{attr("labels"), attr("labels")},
		{attr("peer").GetAttr("key"), attr("peer").GetAttr("key")},
		{attr("rule").IndexInt(1).GetAttr("key"), attr("rule").IndexInt(1).GetAttr("key")},
		{attr("rule"), attr("rule")},
		{attr("nothing").IndexInt(1), attr("nothing").IndexInt(1)},
		{nil, nil},
	}
	for _, test := range tests {
		if got := links.Addressable(test.path); !got.Equals(test.want) {
			t.Errorf("%#v: got %#v", test.path, got)
		}
	}
}
