package schema_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"

	"github.com/diyform/diyform/providers/schema"
)

func ref[T any](v T) *T { return &v }

func full() link {
	return link{
		Name: "n", MTU: 9000, Ratio: 0.25, Up: true, Index: 1 << 31, Hash: 1<<64 - 1, Limit: ref(int64(-1)), Quiet: ref(false),
		Kind: "veth", Addrs: []string{"b", "a"}, Order: []string{"x"}, Ports: []int{80, 0}, Labels: map[string]string{"a": "", "": "b"},
		Origin: origin{File: "f", Line: 3}, Old: []origin{{File: "g"}}, Key: "k", Peer: &peer{Name: "p", Index: 2},
		Rules: []rule{{Action: "drop"}, {Action: "accept", Count: 4}}, Lower: lower{Device: "eth1"},
	}
}

func TestRoundTrip(t *testing.T) {
	for name, want := range map[string]link{"full": full(), "zero": {}} {
		v := links.Encode(&want)
		if !v.Type().Equals(links.ImpliedType()) || !v.IsWhollyKnown() {
			t.Fatalf("%s: encoded as %#v", name, v)
		}
		var got link
		if unknown := links.Decode(v, &got); len(unknown) > 0 {
			t.Errorf("%s: %v is unknown", name, unknown)
		}
		if again := links.Encode(got); !links.Same(v, again) {
			t.Errorf("%s: encoded again as %#v", name, again)
		}
		if name == "full" {
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", name, diff)
			}
		}
	}
}

func TestEncodeZero(t *testing.T) {
	v := links.Encode(link{})
	null := map[string]bool{"name": true, "ratio": true, "index": true, "limit": true, "quiet": true, "addresses": true, "labels": true, "peer": true, "key": true}
	for name, want := range map[string]cty.Value{"mtu": num(0), "up": cty.False, "kind": str(""), "order": strs(), "rule": cty.ListValEmpty(links.Block("rule").ImpliedType())} {
		if got := v.GetAttr(name); !got.RawEquals(want) {
			t.Errorf("%s: got %#v, want %#v", name, got, want)
		}
	}
	for name := range null {
		if !v.GetAttr(name).IsNull() {
			t.Errorf("%s is %#v, and not null", name, v.GetAttr(name))
		}
	}
	if got := v.GetAttr("lower").GetAttr("device"); !got.RawEquals(str("")) {
		t.Errorf("lower.device is %#v", got)
	}
}

func TestDecodeUnknown(t *testing.T) {
	v := whole(values{
		"name": cty.UnknownVal(cty.String), "addresses": cty.ListVal([]cty.Value{str("a"), cty.UnknownVal(cty.String)}),
		"labels": cty.MapVal(values{"x": cty.UnknownVal(cty.String)}), "limit": cty.UnknownVal(cty.Number),
		"peer": nested("peer", values{"name": cty.UnknownVal(cty.String), "key": str("k")}),
		"rule": cty.ListVal([]cty.Value{nested("rule", nil), nested("rule", values{"count": cty.UnknownVal(cty.Number)})}),
		"old":  cty.UnknownVal(links.ImpliedType().AttributeType("old")), "lower": cty.UnknownVal(links.Block("lower").ImpliedType()),
	})
	var got link
	unknown := links.Decode(v, &got)
	want := schema.Unknown{"name": true, "addresses": true, "labels": true, "limit": true, "peer.name": true, "rule.1.count": true, "old": true, "lower": true}
	if diff := cmp.Diff(want, unknown); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got.Name != "" || got.Peer.Key != "k" || len(got.Rules) != 2 {
		t.Errorf("got %+v", got)
	}
	for path, want := range map[string]bool{"name": true, "peer.name": true, "peer.key": false, "peer": false, "lower.device": true, "rule.1.count": true} {
		if unknown.Has(path) != want {
			t.Errorf("Has(%q) is %t", path, !want)
		}
	}
	if unknown := links.Decode(cty.UnknownVal(links.ImpliedType()), &got); !unknown[""] {
		t.Errorf("of a whole that is unknown, %v is unknown", unknown)
	}
	var none schema.Unknown
	if none.Has("name") {
		t.Error("something is unknown where nothing is")
	}
}

func TestDecodeSettable(t *testing.T) {
	var got link
	links.Decode(settable(values{"mtu": num(5), "peer": nestedSettable("peer", values{"name": str("p")})}), &got)
	if got.MTU != 5 || got.Peer == nil || got.Peer.Name != "p" || got.Index != 0 {
		t.Errorf("got %+v", got)
	}
	var null link
	links.Decode(cty.NullVal(links.ImpliedType()), &null)
	if diff := cmp.Diff(link{}, null); diff != "" {
		t.Errorf("null is not zero:\n%s", diff)
	}
}

func TestParse(t *testing.T) {
	v := links.Encode(full())
	data, err := ctyjson.Marshal(v, links.ImpliedType())
	if err != nil {
		t.Fatal(err)
	}
	got, err := links.Parse(data)
	if err != nil || !got.RawEquals(v) {
		t.Errorf("got %#v, %v", got, err)
	}
	got, err = links.Parse([]byte(`{"mtu": 1.5}`))
	if err != nil || !got.RawEquals(object(links.ImpliedType(), values{
		"mtu": cty.NumberFloatVal(1.5), "rule": cty.NullVal(cty.List(links.Block("rule").ImpliedType())),
		"old": cty.NullVal(links.ImpliedType().AttributeType("old")),
	})) {
		t.Errorf("got %#v, %v", got, err)
	}
	refused := map[string]string{
		`{`:                   "unexpected EOF",
		`{} {}`:               "stands after the object",
		`{"mtu": "x"}`:        `"mtu" is not number`,
		`{"name": 1}`:         `"name" is not string`,
		`{"up": 0}`:           `"up" is not bool`,
		`{"addresses": {}}`:   `"addresses" is not list of string`,
		`{"addresses": [1]}`:  `"addresses.0" is not string`,
		`{"labels": {"a":1}}`: `"labels.a" is not string`,
		`{"peer": []}`:        `"peer" is not object`,
		`{"nothing": 1}`:      `unknown attribute "nothing"`,
		`{"peer": {"x": 1}}`:  `unknown attribute "peer.x"`,
		`[]`:                  "is not object",
	}
	for text, want := range refused {
		if got, err := links.Parse([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %#v, %v, want %s", text, got, err, want)
		}
	}
}

// Whatever is parsed decodes, encodes to what means the same, and is never unknown.
func FuzzParse(f *testing.F) {
	data, err := ctyjson.Marshal(links.Encode(full()), links.ImpliedType())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Add([]byte(`{"mtu":-1e3,"rule":[{"action":null}],"labels":{},"old":[null]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		v, err := links.Parse(data)
		if err != nil || v.IsNull() {
			return
		}
		if _, problems := links.Canonical(v); len(problems) > 0 {
			return // numbers that no Go type holds, strings that mean nothing
		}
		var got, again link
		if unknown := links.Decode(v, &got); len(unknown) > 0 {
			t.Fatalf("%v is unknown", unknown)
		}
		encoded := links.Encode(got)
		links.Decode(encoded, &again)
		if diff := cmp.Diff(links.Encode(again).GoString(), encoded.GoString()); diff != "" {
			t.Errorf("not the same again:\n%s", diff)
		}
	})
}
