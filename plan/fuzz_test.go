package plan

import (
	"bytes"
	"encoding/json"
	"io"
	"testing"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/msgpack"

	"github.com/diyform/diyform/internal/addr"
	"github.com/diyform/diyform/providers/providertest"
)

// A plan file that was damaged or made up is refused or shown; it never brings the program
// down.
func FuzzFile(f *testing.F) {
	registry := providertest.Registry(providertest.New())
	s := registry.Type("item").Schema()
	after := s.Propose(cty.ObjectVal(map[string]cty.Value{
		"name": cty.NullVal(cty.String), "box": cty.StringVal("b"), "rail": cty.UnknownVal(cty.String), "note": cty.NullVal(cty.String),
		"tags": cty.ListVal([]cty.Value{cty.StringVal("a")}), "env": cty.MapValEmpty(cty.String),
		"label": cty.NullVal(cty.EmptyObject), "slot": cty.ListValEmpty(cty.EmptyObject),
	}), cty.NullVal(s.ImpliedType()))
	before, err := msgpack.Marshal(cty.NullVal(s.ImpliedType()), s.ImpliedType())
	if err != nil {
		f.Fatal(err)
	}
	wanted, err := msgpack.Marshal(after, s.ImpliedType())
	if err != nil {
		f.Fatal(err)
	}
	output, err := msgpack.Marshal(cty.TupleVal([]cty.Value{cty.Zero, cty.UnknownVal(cty.String)}), cty.DynamicPseudoType)
	if err != nil {
		f.Fatal(err)
	}
	a, err := addr.Parse(`item.x["k"]`)
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range []File{
		{Format: fileFormat},
		{
			Format:    fileFormat,
			Variables: map[string]FileVariable{"v": {Type: []byte(`["list","string"]`), Value: []byte(`["a"]`)}},
			Changes:   []FileChange{{Address: a, Action: "create", Before: before, After: wanted, Sensitive: []string{"tags", "slot.0"}}},
			Outputs:   []FileOutput{{Name: "o", Action: "create", Before: before, After: output}},
		},
	} {
		data, err := json.Marshal(seed)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		file, err := decodeFile(bytes.TrimSpace(data))
		if err != nil {
			return
		}
		_, _ = file.Values()
		p, err := file.Plan(registry)
		if err != nil {
			return
		}
		p.Render(io.Discard, Palette{})
	})
}

func FuzzPath(f *testing.F) {
	f.Add("peer.name")
	f.Add("rule.0.action")
	f.Fuzz(func(t *testing.T, text string) {
		if got := formatPath(parsePath(text)); got != text {
			t.Errorf("%q is written as %q", text, got)
		}
	})
}

// A dependency is written to what parses to the same, and covers what it names.
func FuzzParseDependency(f *testing.F) {
	for _, seed := range []string{"box.a", `box.a["k"]`, "module.m", `module.m[0].data.lookup.d`, `module.m["a.b"].module.n`, "data.data.data"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		d, err := ParseDependency(text)
		if err != nil {
			return
		}
		again, err := ParseDependency(d.String())
		if err != nil || again != d {
			t.Errorf("%q is written as %q, which gives %#v, %v", text, d, again, err)
		}
		a := d.Block.Instance(d.Key)
		if d.isModule() {
			a = d.Block.Module.Resource(addr.Resource{Type: "box", Name: "x"}).Instance(addr.Key{})
		}
		if !d.Covers(a) {
			t.Errorf("%q does not cover %s", d, a)
		}
	})
}
