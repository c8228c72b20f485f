package schema_test

import (
	"strings"
	"testing"

	"github.com/zclconf/go-cty/cty"

	"github.com/hashicorp/hcl/v2/hcldec"

	"github.com/diyform/diyform/providers/schema"
)

// link is a type with one of everything.
type link struct {
	Name   string            `diy:"name,optional,computed,replace" format:"interface" doc:"The name."`
	MTU    int               `diy:"mtu" default:"1500" min:"68" max:"65535" unit:"bytes"`
	Ratio  float64           `diy:"ratio"`
	Up     bool              `diy:"up" default:"true"`
	Index  uint32            `diy:"index,computed,volatile"`
	Hash   uint64            `diy:"hash,computed"`
	Limit  *int64            `diy:"limit"`
	Quiet  *bool             `diy:"quiet"`
	Kind   string            `diy:"kind,required" enum:"veth,bridge"`
	Addrs  []string          `diy:"addresses,unordered" format:"address"`
	Order  []string          `diy:"order" default:""`
	Ports  []int             `diy:"ports"`
	Labels map[string]string `diy:"labels"`
	Origin origin            `diy:"origin,computed"`
	Old    []origin          `diy:"old,computed"`
	Key    string            `diy:"key,sensitive"`
	Peer   *peer             `diy:"peer,block,replace" doc:"The other end."`
	Rules  []rule            `diy:"rule,block"`
	Lower  lower             `diy:"lower,block"`
}

type origin struct {
	File string `diy:"file"`
	Line int    `diy:"line"`
}

type peer struct {
	Name  string `diy:"name,required,replace" format:"interface"`
	Index int    `diy:"index,computed,volatile"`
	Key   string `diy:"key,sensitive"`
}

type rule struct {
	Action string `diy:"action,required" enum:"drop,accept"`
	Key    string `diy:"key,sensitive"`
	Count  int    `diy:"count,computed"`
}

type lower struct {
	Device string `diy:"device" default:"eth0"`
}

var links = schema.Of[link]()

func TestTags(t *testing.T) {
	if schema.Of[link]() != links {
		t.Error("a schema is made twice")
	}
	name, mtu := links.Attribute("name"), links.Attribute("mtu")
	if !name.Computed || !name.Optional || !name.Replace || !name.Settable() || name.Format != "interface" || name.Doc != "The name." {
		t.Errorf("name: %+v", name)
	}
	if mtu.Computed || !mtu.Optional || *mtu.Min != 68 || *mtu.Max != 65535 || mtu.Unit != "bytes" || !mtu.Default.RawEquals(cty.NumberIntVal(1500)) {
		t.Errorf("mtu: %+v", mtu)
	}
	if i := links.Attribute("index"); !i.Volatile || i.Settable() || i.Optional {
		t.Errorf("index: %+v", i)
	}
	if k := links.Attribute("kind"); !k.Required || len(k.Enum) != 2 || k.Optional || !k.Settable() {
		t.Errorf("kind: %+v", k)
	}
	if a := links.Attribute("addresses"); !a.Unordered || !a.Type.Equals(cty.List(cty.String)) {
		t.Errorf("addresses: %+v", a)
	}
	if o := links.Attribute("order").Default; !o.RawEquals(cty.ListValEmpty(cty.String)) {
		t.Errorf("order: %#v", o)
	}
	if u := links.Attribute("up").Default; !u.RawEquals(cty.True) {
		t.Errorf("up: %#v", u)
	}
	if b := links.Block("peer"); b.Nesting != schema.Optional || !b.Replace || b.Doc != "The other end." {
		t.Errorf("peer: %+v", b)
	}
	if links.Block("rule").Nesting != schema.List || links.Block("lower").Nesting != schema.One {
		t.Error("the nesting of rule or lower is wrong")
	}
	if links.Attribute("peer") != nil || links.Block("name") != nil {
		t.Error("an attribute is taken for a block, or a block for an attribute")
	}
}

func TestImpliedTypeAndSpec(t *testing.T) {
	all := links.ImpliedType()
	if !all.HasAttribute("index") || !all.AttributeType("rule").IsListType() || !all.AttributeType("peer").HasAttribute("index") {
		t.Errorf("the implied type is %#v", all)
	}
	if !all.AttributeType("origin").Equals(cty.Object(map[string]cty.Type{"file": cty.String, "line": cty.Number})) {
		t.Errorf("origin has type %#v", all.AttributeType("origin"))
	}
	settable := hcldec.ImpliedType(links.Spec())
	if settable.HasAttribute("index") || !settable.HasAttribute("name") || settable.AttributeType("peer").HasAttribute("index") {
		t.Errorf("what may be set is %#v", settable)
	}
}

func TestMalformedTags(t *testing.T) {
	tests := map[string]func(){
		"has no diy tag": func() { schema.Of[struct{ A string }]() },
		"unknown format": func() {
			schema.Of[struct {
				A string `diy:"a" format:"colour"`
			}]()
		},
		"tag min": func() {
			schema.Of[struct {
				A int `diy:"a" min:"few"`
			}]()
		},
		"has no counterpart": func() {
			schema.Of[struct {
				A chan int `diy:"a"`
			}]()
		},
		"no default": func() {
			schema.Of[struct {
				A []string `diy:"a" default:"x"`
			}]()
		},
		"decode into": func() { links.Decode(cty.NullVal(links.ImpliedType()), &rule{}) },
	}
	for want, f := range tests {
		t.Run(want, func(t *testing.T) {
			defer func() {
				if got := recover(); got == nil || !strings.Contains(got.(string), want) {
					t.Errorf("got %v, want a panic that tells %q", got, want)
				}
			}()
			f()
		})
	}
}
