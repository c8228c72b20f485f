package config

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hcldec"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"github.com/diyform/diyform/internal/addr"
	"github.com/diyform/diyform/internal/diag"
)

// testSpec is that of a resource type with two arguments and a nested block.
var testSpec = hcldec.ObjectSpec{
	"name":      &hcldec.AttrSpec{Name: "name", Type: cty.String},
	"namespace": &hcldec.AttrSpec{Name: "namespace", Type: cty.String},
	"peer": &hcldec.BlockListSpec{TypeName: "peer", Nested: hcldec.ObjectSpec{
		"name": &hcldec.AttrSpec{Name: "name", Type: cty.String},
	}},
}

// describeReference writes `subject[key]`, where the key of the source is an expression.
func describeReference(ref Reference, src string) string {
	s := ref.Subject.String()
	if ref.Key == nil {
		return s
	}
	if v, diags := ref.Key.Value(nil); !diags.HasErrors() {
		if v.Type() == cty.String {
			return fmt.Sprintf("%s[%q]", s, v.AsString())
		}
		return s + "[" + v.AsBigFloat().String() + "]"
	}
	return s + "[" + string(ref.Key.Range().SliceBytes([]byte(src))) + "]"
}

func wantSubjects(t *testing.T, refs []Reference, want ...string) {
	t.Helper()
	var got []string
	for _, ref := range refs {
		got = append(got, describeReference(ref, ""))
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func parseExpr(t testing.TB, src string) hclsyntax.Expression {
	t.Helper()
	expr, diags := hclsyntax.ParseExpression([]byte(src), "x", hcl.InitialPos)
	noProblems(t, diags)
	return expr
}

func TestReferences(t *testing.T) {
	tests := map[string]string{ // expression: references
		`1`:                                 ``,
		`var.a`:                             `var.a`,
		`var.a.b[0]`:                        `var.a`,
		`"x${local.a}y${var.b}"`:            `local.a var.b`,
		`bridge.lan`:                        `bridge.lan`,
		`bridge.lan.name`:                   `bridge.lan`,
		`data.ping.gateway.received`:        `data.ping.gateway`,
		`data.ping.gateway["a"].received`:   `data.ping.gateway["a"]`,
		`data.ping.gateway[var.a].received`: `data.ping.gateway[var.a] var.a`,
		`h.h["a"].name`:                     `h.h["a"]`,
		`h.h[0].name`:                       `h.h[0]`,
		`h.h.0.name`:                        `h.h[0]`,
		`h.h[each.key].name`:                `h.h[each.key] each.key`,
		`(h.h)[each.key].name`:              `h.h[each.key] each.key`,
		`h.h[count.index + 1]`:              `h.h[count.index + 1] count.index`,
		`h.h["${each.key}-x"].name`:         `h.h["${each.key}-x"] each.key`,
		`h.h[local.m[each.key]].name`:       `h.h[local.m[each.key]] local.m each.key`,
		`h.h[h.g[each.key].peer].name`:      `h.h[h.g[each.key].peer] h.g[each.key] each.key`,
		`h.h[each.value["a"]][var.x].name`:  `h.h[each.value["a"]] each.value var.x`,
		`h.h.list[each.key]`:                `h.h each.key`,
		`h.h.list["a"]`:                     `h.h`,
		`h.h[*].name`:                       `h.h`,
		`h.h.*.name`:                        `h.h`,
		`values(h.h)[*].name`:               `h.h`,
		`[for k, v in h.h : v.name]`:        `h.h`,
		`[for k in var.ks : h.h[k].name]`:   `var.ks h.h`,
		`{for k in var.ks : k => h.h["a"]}`: `var.ks h.h["a"]`,
		`[for h in var.ks : h.h["a"]]`:      `var.ks`,
		`[for k in h.g : h.h[[for k in var.b : k][0]].x]`: `h.g h.h[[for k in var.b : k][0]] var.b`,
		`[for k in var.a : k if h.h[var.b].x == k]`:       `var.a h.h[var.b] var.b`,
		`var.list[*][h.h[var.a].name]`:                    `var.list h.h[var.a] var.a`,
		`h.h[var.list[*].x[0]].name`:                      `h.h[var.list[*].x[0]] var.list`,
		`{ a = var.b, (var.c) = 1 }`:                      `var.b var.c`,
		`%{ for x in var.l }${x}${h.h[x].n}%{ endfor }`:   `var.l h.h`,
		`f(path.module, each.value, count.index)`:         `path.module each.value count.index`,
		`var.a ? h.h["a"].x : h.h["b"].x`:                 `var.a h.h["a"] h.h["b"]`,
		`h.h[true]`:                                       `h.h`,
		`var`:                                             `(invalid reference)`,
		`var["a"]`:                                        `(invalid reference)`,
		`data.x`:                                          `(invalid reference)`,
		`x`:                                               `(invalid reference)`,
		`module.a.b`:                                      `module.a`,
		`self.name`:                                       `self`,
		`resource.h.h["a"].name`:                          `h.h["a"]`,
		`resource.h.h[each.key].name`:                     `h.h[each.key] each.key`,
		`resource.h`:                                      `(invalid reference)`,
	}
	for src, want := range tests {
		t.Run(src, func(t *testing.T) {
			var expr hclsyntax.Expression
			if strings.HasPrefix(src, "%{") {
				var diags hcl.Diagnostics
				expr, diags = hclsyntax.ParseTemplate([]byte(src), "x", hcl.InitialPos)
				noProblems(t, diags)
			} else {
				expr = parseExpr(t, src)
			}
			var got []string
			for _, ref := range References(expr) {
				got = append(got, describeReference(ref, src))
			}
			if s := strings.Join(got, " "); s != want {
				t.Errorf("got %s\nwant %s", s, want)
			}
		})
	}
}

func TestReferencesOfNoExpression(t *testing.T) {
	if refs := References(nil); refs != nil {
		t.Errorf("got %v", refs)
	}
	if refs := References(hcl.StaticExpr(cty.StringVal("${var.a}"), hcl.Range{})); refs != nil {
		t.Errorf("got %v", refs)
	}
}

func TestReferencesInJSON(t *testing.T) {
	c := mustLoad(t, `-- main.diy.json --
{"locals": {
  "a": "${network_namespace.h[each.key].name}",
  "b": ["${var.b}", {"${var.c}": "x-${local.d[0]}"}, 1, null, true],
  "c": "$${var.literal}",
  "d": "${broken"
}}
`)
	wantSubjects(t, References(c.Locals["b"].Expr), "var.b", "var.c", "local.d")
	wantSubjects(t, References(c.Locals["c"].Expr))
	wantSubjects(t, References(c.Locals["d"].Expr))
	refs := References(c.Locals["a"].Expr)
	if len(refs) != 2 || refs[0].Key == nil || refs[0].Subject.String() != "network_namespace.h" {
		t.Fatalf("got %v", refs)
	}
	if got := place(&refs[0].Range); got != "main.diy.json:2,11-30" {
		t.Errorf("place %s", got)
	}
	key, diags := refs[0].Key.Value(&hcl.EvalContext{Variables: map[string]cty.Value{
		"each": cty.ObjectVal(map[string]cty.Value{"key": cty.StringVal("k")}),
	}})
	noProblems(t, diags)
	if key.AsString() != "k" {
		t.Errorf("key %#v", key)
	}
}

func TestBodyReferencesAreThoseOfTheSpec(t *testing.T) {
	const native = `resource "veth_pair" "a" {
  for_each  = local.meta
  name      = var.name
  namespace = h.h[each.key].name
  stray     = var.stray
  peer {
    name  = local.one
    stray = var.stray
  }
  peer {
    name = local.two
  }
}`
	const json = `-- main.diy.json --
{"resource": {"veth_pair": {"a": {
  "for_each": "${local.meta}", "name": "${var.name}", "namespace": "${h.h[each.key].name}", "stray": "${var.stray}",
  "peer": [{"name": "${local.one}", "stray": "${var.stray}"}, {"name": "${local.two}"}]
}}}}`
	for form, text := range map[string]string{"native": native, "json": json} {
		t.Run(form, func(t *testing.T) {
			c := mustLoad(t, text)
			r := c.Resources[addr.Resource{Type: "veth_pair", Name: "a"}]
			var got []string
			for _, ref := range BodyReferences(r.Body, testSpec) {
				got = append(got, ref.Subject.String())
			}
			want := []string{"var.name", "h.h", "each.key", "local.one", "local.two"}
			if !slices.Equal(got, want) {
				t.Errorf("got %q, want %q", got, want)
			}
			wantSubjects(t, References(r.ForEach), "local.meta")
		})
	}
}

func TestDependsOnKeys(t *testing.T) {
	for _, text := range []string{
		"resource \"a\" \"a\" {\n  depends_on = [h.h[each.key], data.d.d[\"x\"], h.g[1]]\n}",
		"-- a.diy.json --\n" + `{"resource": {"a": {"a": {"depends_on": ["h.h[each.key]", "data.d.d[\"x\"]", "h.g[1]"]}}}}`,
	} {
		c := mustLoad(t, text)
		refs := c.Resources[addr.Resource{Type: "a", Name: "a"}].DependsOn
		var got []string
		for _, ref := range refs {
			got = append(got, ref.Subject.String())
		}
		if want := []string{"h.h", "each.key", "data.d.d", "h.g"}; !slices.Equal(got, want) {
			t.Fatalf("got %q, want %q", got, want)
		}
		for i, ref := range refs {
			if (ref.Key != nil) != (i != 1) {
				t.Errorf("%s: key %v", ref.Subject, ref.Key)
			}
		}
	}
}

func TestBodyHidesMetaArgumentsButSuggestsThem(t *testing.T) {
	c := mustLoad(t, "resource \"a\" \"a\" {\n  count = 1\n  nmae = 1\n  for_eahc = {}\n  lifecylce {}\n  lifecycle {}\n}")
	body := c.Resources[addr.Resource{Type: "a", Name: "a"}].Body
	_, diags := hcldec.Decode(body, testSpec, nil)
	diags = diag.InOrder(diags)
	wantDiags(t, diags,
		`main.diy.hcl:3,3-7: Unsupported argument; Did you mean "name"?`,
		`main.diy.hcl:4,3-11: Unsupported argument; Did you mean "for_each"?`,
		`main.diy.hcl:5,3-12: Unsupported block type; Did you mean "lifecycle"?`)
	attrs, _ := body.JustAttributes()
	if len(attrs) != 2 || attrs["count"] != nil {
		t.Errorf("attributes %v", keysOf(attrs))
	}
}

func TestCheckReference(t *testing.T) {
	const text = `
variable "subnet" {}
locals {
  hosts = []
}
resource "veth_pair" "uplink" {}
resource "bridge" "lan" {}
data "default_route" "wan" {}
check "c" {
  data "ping" "gateway" {}
  assert {
    condition     = data.ping.gateway.ok
    error_message = ""
  }
}
`
	tests := map[string]string{ // expression: diagnostic
		`var.subnet`:             ``,
		`local.hosts`:            ``,
		`veth_pair.uplink.name`:  ``,
		`data.default_route.wan`: ``,
		`path.module`:            ``,
		`var.subnt`:              `x:1,1-10: Reference to undeclared variable; There is no variable subnt in this configuration. Did you mean "subnet"?`,
		`var.other.a`:            `x:1,1-10: Reference to undeclared variable; Declare it with: variable "other" {}`,
		`local.host`:             `x:1,1-11: Reference to undeclared local value; Did you mean "hosts"?`,
		`locals.hosts`:           `x:1,1-13: Reference to undeclared resource; Did you mean "local.hosts"?`,
		`vars.subnet`:            `x:1,1-12: Reference to undeclared resource; Did you mean "var.subnet"?`,
		`veth_pair.uplnk.name`:   `x:1,1-16: Reference to undeclared resource; Did you mean "veth_pair.uplink"?`,
		`vethpair.uplink["a"].x`: `x:1,1-16: Reference to undeclared resource; Did you mean "veth_pair.uplink"?`,
		`data.default_route.wn`:  `x:1,1-22: Reference to undeclared data block; Did you mean "data.default_route.wan"?`,
		`data.tcp.completely`:    `x:1,1-20: Reference to undeclared data block; There is no data block data.tcp.completely in this configuration.`,
		`data.ping.gateway.ok`:   `x:1,1-18: Reference to data inside a check; declared inside check "c" and is visible there only`,
		`each.key`:               `x:1,1-9: Reference without a value here; with for_each`,
		`count.index`:            `x:1,1-12: Reference without a value here; with count`,
		`each.kye`:               `x:1,1-9: Reference to unknown attribute; each has no kye. Did you mean "key"? It has key and value.`,
		`count.i`:                `x:1,1-8: Reference to unknown attribute; It has index.`,
		`path.modul`:             `x:1,1-11: Reference to unknown attribute; Did you mean "module"?`,
		`var`:                    `x:1,1-4: Invalid reference; var is not complete. Write it with a name, as in var.subnet.`,
		`data.default_route`:     `x:1,1-19: Invalid reference; data.default_route is not complete.`,
		`veth_pair`:              `x:1,1-10: Invalid reference; veth_pair is not complete. Write it with a name, as in veth_pair.uplink.`,
		`up`:                     `x:1,1-3: Invalid reference; up is not a value.`,
		`brigde`:                 `x:1,1-7: Invalid reference; Did you mean "bridge"?`,
		`resource.bridge.lan`:    ``,
		`resource.bridge.lna.a`:  `x:1,1-20: Reference to undeclared resource; There is no resource bridge.lna in this configuration. Did you mean "bridge.lan"?`,
		`resource.bridge`:        `x:1,1-16: Invalid reference; resource.bridge is not complete. Write it with a name, as in resource.veth_pair.uplink.`,
		`module`:                 `x:1,1-7: Invalid reference; module is not complete. Write it with a name, as in module.lab.subnet.`,
		`terraform.workspace`:    `x:1,1-20: Invalid reference; The name of the workspace is diyform.workspace.`,
		`diyform.workspace`:      ``,
		`diyform.version`:        `x:1,1-16: Reference to unknown attribute; diyform has no version. It has workspace.`,
		`module.a.b`:             `x:1,1-9: Reference to undeclared module block; There is no module block a in this configuration.`,
	}
	c := mustLoad(t, text)
	for src, want := range tests {
		t.Run(src, func(t *testing.T) {
			diags := c.CheckReferences(References(parseExpr(t, src)), Scope{})
			if want == "" {
				noProblems(t, diags)
				return
			}
			wantDiags(t, diags, want)
		})
	}
	for src, at := range map[string]Scope{
		`each.value`:        {Each: true},
		`count.index`:       {Count: true},
		`data.ping.gateway`: c.Checks["c"].Scope(),
	} {
		noProblems(t, c.CheckReferences(References(parseExpr(t, src)), at))
	}
	wantDiags(t, c.CheckReferences(References(parseExpr(t, "data.ping.gatway")), c.Checks["c"].Scope()),
		`x:1,1-17: Reference to undeclared data block; Did you mean "data.ping.gateway"?`)
}
