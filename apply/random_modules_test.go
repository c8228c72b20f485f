package apply_test

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"

	"github.com/diyform/diyform/apply"
	"github.com/diyform/diyform/internal/addr"
	"github.com/diyform/diyform/plan"
)

// TestRandomModules is TestRandom with modules that have instances: their keys change, they are
// renamed, and blocks in them are; plans are about parts, or made from files, or without a
// refresh, before the plan of everything.
func TestRandomModules(t *testing.T) {
	for seed := range randomSeeds() {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			r := rand.New(rand.NewPCG(uint64(seed), 2))
			plants := newPlants(r)
			w := &walk{lab: newLab(t), rand: r, wanted: plants}
			for range 6 {
				plants.edit(r)
				for name, text := range plants.files() {
					w.write(name, text)
				}
				if r.IntN(2) == 0 {
					w.partly(plants)
				}
				w.apply()
			}
			w.destroy()
		})
	}
}

// partly applies a plan that options narrow, of which the same plan is empty afterwards.
func (w *walk) partly(p *plants) {
	w.t.Helper()
	var o plan.Options
	pick := func() []plan.Dependency {
		d, err := plan.ParseDependency(p.address(w.rand))
		w.must(err)
		return []plan.Dependency{d}
	}
	switch w.rand.IntN(4) {
	case 0:
		o.Excludes = pick()
	case 1:
		o.Replace = slices.DeleteFunc(w.declared(), func(addr.Instance) bool { return w.rand.IntN(4) > 0 })
	default:
		o.Targets = pick()
	}
	if w.rand.IntN(4) == 0 {
		o.NoRefresh = true
	}
	first, ok := w.narrow(o)
	if !ok {
		return
	}
	w.checkPromises(first)
	o.Replace = nil
	c, diags := w.begin(plan.Normal)
	defer c.end()
	if diags.HasErrors() {
		w.fatal("the configuration cannot be read", diags)
	}
	c.input.Options = o
	second, diags := plan.New(context.Background(), c.input)
	if diags.HasErrors() {
		w.fatal(fmt.Sprintf("the second plan with %+v fails", o), diags)
	}
	if second.HasChanges() { // what was disturbed elsewhere may still be
		w.t.Fatalf("the second plan with %+v is not empty:\n%s\nafter\n%s\n%s", o, render(second), render(first), w.wanted)
	}
}

// declared lists what of the record configuration has.
func (w *walk) declared() []addr.Instance {
	p, diags := w.plan(plan.Normal)
	if diags.HasErrors() {
		w.fatal("the plan fails", diags)
	}
	var list []addr.Instance
	for _, c := range p.Changes {
		if c.Prior != nil && !c.After.IsNull() && !c.Deposed {
			list = append(list, c.Address)
		}
	}
	return list
}

// narrow plans and applies with options. A part alone may be impossible, which the plan must
// say: then it is left.
func (w *walk) narrow(o plan.Options) (*plan.Plan, bool) {
	w.t.Helper()
	c, diags := w.begin(plan.Normal)
	defer c.end()
	if diags.HasErrors() {
		w.fatal("the configuration cannot be read", diags)
	}
	c.input.Options = o
	p, diags := plan.New(context.Background(), c.input)
	if diags.HasErrors() {
		for _, d := range diags {
			if d.Severity == hcl.DiagError && !slices.Contains(impossible, d.Summary) {
				w.fatal(fmt.Sprintf("the plan with %+v fails", o), diags)
			}
		}
		return nil, false
	}
	s := &script{lab: w.lab}
	s.saveFile, s.matchFile = true, true
	if diags := s.throughFile(p); diags.HasErrors() {
		w.fatal("the plan is not that of its file", diags)
	}
	if !p.NeedsApply() {
		return p, true
	}
	text := render(p)
	_, diags = apply.Run(context.Background(), c.store, p, apply.Options{Workers: 1 + w.rand.IntN(4)})
	if len(w.world.Violations) > 0 {
		w.t.Fatalf("the engine broke its word:\n%s\n%s", strings.Join(w.world.Violations, "\n"), w.wanted)
	}
	if diags.HasErrors() {
		w.fatal(fmt.Sprintf("apply with %+v fails:\n%s", o, text), diags)
	}
	return p, true
}

// impossible is what a plan of a part may say.
var impossible = []string{"Held by what the plan leaves", "Needs what the plan leaves out", "Needed by what stays", "Two at once cannot be", "No such box"}

// plants is a random configuration of a module with instances.
type plants struct {
	next   int
	label  string            // of the module's block
	names  map[string]string // of the blocks in it, by type
	sites  map[string]arguments
	first  bool // rails create first
	ignore bool
	subs   int
	chain  bool // the module's instances depend on the root's box
	moves  string
	inner  string // moved blocks in the module
}

func newPlants(r *rand.Rand) *plants {
	p := &plants{label: "site", names: map[string]string{"box": "b", "rail": "r", "item": "i"}, sites: map[string]arguments{}}
	for range 3 {
		p.addSite(r)
	}
	return p
}

func (p *plants) addSite(r *rand.Rand) {
	p.next++
	p.sites[fmt.Sprint("k", p.next)] = arguments{
		"id": fmt.Sprint(p.next), "size": pick(r, "1", "2", "3"), "color": pick(r, "null", `"red"`, `"blue"`),
		"width": pick(r, "4", "8"), "items": pick(r, `[]`, `["x"]`, `["x", "y z"]`, `["y z", "\"q\"]"]`),
	}
}

func (p *plants) edit(r *rand.Rand) {
	p.moves, p.inner = "", ""
	for _, k := range slices.Sorted(maps.Keys(p.sites)) {
		s := p.sites[k]
		switch r.IntN(9) {
		case 0:
			delete(p.sites, k)
		case 1:
			p.next++
			to := fmt.Sprint("k", p.next)
			delete(p.sites, k)
			p.sites[to] = s
			p.moves += fmt.Sprintf("moved {\n  from = module.%s[%q]\n  to   = module.%[1]s[%[3]q]\n}\n", p.label, k, to)
			if r.IntN(2) == 0 {
				p.moves += fmt.Sprintf("moved {\n  from = item.lone[%q]\n  to   = item.lone[%q]\n}\n", k, to)
			}
		case 2:
			s["size"] = pick(r, "1", "2", "3")
		case 3:
			s["color"] = pick(r, "null", `"red"`, `"blue"`)
		case 4:
			s["width"] = pick(r, "4", "8")
		case 5:
			s["items"] = pick(r, `[]`, `["x"]`, `["x", "y z"]`, `["y z", "\"q\"]"]`)
		}
	}
	for len(p.sites) == 0 || r.IntN(3) == 0 {
		p.addSite(r)
	}
	if r.IntN(6) == 0 {
		p.next++
		to := fmt.Sprint("site_", p.next)
		p.moves += fmt.Sprintf("moved {\n  from = module.%s\n  to   = module.%s\n}\n", p.label, to)
		p.label = to
	}
	for _, typ := range []string{"box", "item", "rail"} {
		if r.IntN(6) == 0 {
			p.next++
			to := fmt.Sprint(typ[:1], "_", p.next)
			p.inner += fmt.Sprintf("moved {\n  from = %s.%s\n  to   = %[1]s.%[3]s\n}\n", typ, p.names[typ], to)
			p.names[typ] = to
		}
	}
	p.first, p.ignore, p.subs, p.chain = r.IntN(2) == 0, r.IntN(3) == 0, r.IntN(3), r.IntN(2) == 0
}

// address gives something that a plan may be about.
func (p *plants) address(r *rand.Rand) string {
	key := pick(r, slices.Sorted(maps.Keys(p.sites))...)
	in := fmt.Sprintf("module.%s[%q]", p.label, key)
	return pick(r, "module."+p.label, in, in+".box."+p.names["box"], in+".item."+p.names["item"], in+".module.sub",
		"module."+p.label+".rail."+p.names["rail"], "item.lone", fmt.Sprintf("item.lone[%q]", key), "box.root", "item.all")
}

func (p *plants) files() map[string]string {
	var sites strings.Builder
	for _, k := range slices.Sorted(maps.Keys(p.sites)) {
		fmt.Fprintf(&sites, "    %s = {\n%s    }\n", k, p.sites[k])
	}
	depends, ignore := "", ""
	if p.chain {
		depends = "  depends_on = [box.root]\n"
	}
	if p.ignore {
		ignore = "  lifecycle {\n    ignore_changes = [note, size]\n  }\n"
	}
	rename := strings.NewReplacer("module.site", "module."+p.label, `module "site"`, fmt.Sprintf("module %q", p.label),
		"DEPENDS\n", depends, "SITES\n", sites.String(), "SUBS", fmt.Sprint(p.subs), "IGNORE\n", ignore,
		"FIRST", fmt.Sprint(p.first), "box.b", "box."+p.names["box"], `"box" "b"`, fmt.Sprintf(`"box" %q`, p.names["box"]),
		"rail.r", "rail."+p.names["rail"], `"rail" "r"`, fmt.Sprintf(`"rail" %q`, p.names["rail"]),
		"item.i", "item."+p.names["item"], `"item" "i"`, fmt.Sprintf(`"item" %q`, p.names["item"]))
	return map[string]string{
		"main.diy.hcl":      rename.Replace(plantsRoot) + p.moves,
		"site/main.diy.hcl": rename.Replace(plantsSite) + p.inner,
		"sub/main.diy.hcl":  plantsSub,
	}
}

func (p *plants) String() string {
	f := p.files()
	return f["main.diy.hcl"] + "# site\n" + f["site/main.diy.hcl"]
}

const plantsRoot = `
locals {
  sites = {
SITES
  }
}

module "site" {
  source   = "./site"
  for_each = local.sites
  site     = each.value
DEPENDS
}

resource "box" "root" {
  size = length(local.sites)
}

resource "item" "lone" {
  for_each = module.site
  name     = "lone-${each.value.id}"
  box      = each.value.box
  note     = "of ${join(",", each.value.serials)}"
}

resource "item" "all" {
  box  = box.root.name
  note = "of ${join(",", [for k, m in module.site : "${k}=${m.rail}"])}"
}

output "all" {
  value = { for k, m in module.site : k => m }
}
`

const plantsSite = `
variable "site" {}

resource "box" "b" {
  name  = "box-${var.site.id}"
  size  = var.site.size
  color = var.site.color
IGNORE
}

resource "rail" "r" {
  name  = "rail-${var.site.id}-${var.site.width}"
  width = var.site.width
  lifecycle {
    create_before_destroy = FIRST
  }
}

resource "item" "i" {
  for_each = toset(var.site.items)
  name     = each.key
  box      = box.b.name
  rail     = rail.r.name
  note     = "on ${rail.r.serial}"
}

module "sub" {
  source = "../sub"
  count  = SUBS
  box    = box.b.name
  n      = count.index
}

output "id" {
  value = var.site.id
}

output "box" {
  value = box.b.name
}

output "rail" {
  value = rail.r.serial
}

output "serials" {
  value = concat([for i in item.i : i.serial], module.sub[*].serial)
}
`

const plantsSub = `
variable "box" {}
variable "n" {}

resource "user" "u" {
  name = "u-${var.box}-${var.n}"
  box  = var.box
}

output "serial" {
  value = user.u.serial
}
`
