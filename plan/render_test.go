package plan

import (
	"strings"
	"testing"

	"github.com/zclconf/go-cty/cty"

	"github.com/diyform/diyform/internal/addr"
	"github.com/diyform/diyform/providers/schema"
)

type mount struct {
	Path string `diy:"path,required"`
}

type cage struct {
	Name   string  `diy:"name,required"`
	Mounts []mount `diy:"mount,block,replace"`
}

// A block that comes or goes may be what forces a replacement.
func TestBlockForcesReplacement(t *testing.T) {
	s := schema.Of[cage]()
	object := func(paths ...string) cty.Value {
		list := cty.ListValEmpty(cty.Object(map[string]cty.Type{"path": cty.String}))
		var elems []cty.Value
		for _, p := range paths {
			elems = append(elems, cty.ObjectVal(map[string]cty.Value{"path": cty.StringVal(p)}))
		}
		if len(elems) > 0 {
			list = cty.ListVal(elems)
		}
		return cty.ObjectVal(map[string]cty.Value{"name": cty.StringVal("a"), "mount": list})
	}
	c := &Change{
		Address: addr.Resource{Type: "cage", Name: "a"}.Instance(addr.Key{}), Action: Replace, Schema: s,
		Before: object("/one"), After: object("/one", "/two"),
	}
	c.Differences = s.Diff(c.Before, c.After)
	var b strings.Builder
	p := &Plan{Changes: []*Change{c}}
	p.Render(&b, Palette{})
	want := `
      + mount { # forces replacement
          + path = "/two"
        }
`
	if !strings.Contains(b.String(), want) || strings.Contains(b.String(), "/one") {
		t.Errorf("got\n%s", b.String())
	}
}
