package apply_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/zclconf/go-cty/cty"

	"github.com/diyform/diyform/apply"
	"github.com/diyform/diyform/internal/addr"
	"github.com/diyform/diyform/internal/marks"
	"github.com/diyform/diyform/plan"
	"github.com/diyform/diyform/providers"
	"github.com/diyform/diyform/providers/providertest"
	"github.com/diyform/diyform/state"
)

// A state that cannot be saved is no loss: the journal has all of it.
func TestStateCannotBeSaved(t *testing.T) {
	l := newLab(t)
	l.write("main.diy.hcl", `resource "box" "a" {}`)
	document := filepath.Join(l.dir, state.File)
	l.world.Before = func(providers.Action, addr.Instance) { l.must(os.Mkdir(document, 0o700)) }
	_, result, diags := l.run(t.Context(), plan.Normal, apply.Options{})
	if !diags.HasErrors() || !strings.Contains(diags.Error(), "The state cannot be saved") || result.Added != 1 {
		t.Fatalf("got %v, %+v", diags, result)
	}
	l.world.Before = nil
	l.must(os.Remove(document))
	p, diags := l.plan(plan.Normal)
	if diags.HasErrors() || p.HasChanges() {
		t.Errorf("the next plan is not empty: %v\n%s", diags, render(p))
	}
}

func TestJournalCannotBeWritten(t *testing.T) {
	l := newLab(t)
	l.write("main.diy.hcl", `resource "box" "a" {}`)
	c, diags := l.begin(plan.Normal)
	defer c.end()
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	p, diags := plan.New(t.Context(), c.input)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	l.must(os.Mkdir(filepath.Join(l.dir, ".diyform", "journal"), 0o700))
	_, diags = apply.Run(t.Context(), c.store, p, apply.Options{})
	if !strings.Contains(diags.Error(), "The journal cannot be written") || !l.world.Empty() {
		t.Errorf("got %v and the world\n%s", diags, l.world)
	}
}

func TestInterruptionTellsItsCause(t *testing.T) {
	l := newLab(t)
	l.write("main.diy.hcl", "resource \"box\" \"a\" {}\nresource \"item\" \"x\" {\n box = box.a.name\n}\n")
	ctx, cancel := context.WithCancelCause(t.Context())
	l.world.Before = func(providers.Action, addr.Instance) { cancel(errors.New("the terminal was closed")) }
	_, _, diags := l.run(ctx, plan.Normal, apply.Options{})
	if !strings.Contains(diags.Error(), "the terminal was closed. Steps under way were finished") {
		t.Errorf("got %v", diags)
	}
}

// Events come one at a time, each step's end after its begin, and a batch's begins together.
func TestEvents(t *testing.T) {
	l := newLab(t)
	l.write("main.diy.hcl", hostsConfig(60))
	begun, ended := map[addr.Instance]bool{}, map[addr.Instance]bool{}
	observe := func(e apply.Event) {
		switch e.Kind {
		case apply.Started:
			begun[e.Address] = true
		case apply.Finished:
			if !begun[e.Address] || ended[e.Address] || e.Action != "create" {
				t.Errorf("unexpected end: %+v", e)
			}
			ended[e.Address] = true
		default:
			t.Errorf("unexpected: %+v", e)
		}
	}
	_, result, diags := l.run(t.Context(), plan.Normal, apply.Options{Observe: observe, Workers: 3})
	if diags.HasErrors() || len(ended) != 61 || result.Added != 61 {
		t.Errorf("got %v, %d ends, %+v", diags, len(ended), result)
	}
	batches := map[string]int{}
	for _, line := range l.world.Log {
		kind, _, _ := strings.Cut(line, ":")
		batches[kind]++
	}
	if batches["create box"] > 12 || batches["create user"] > 20 {
		t.Errorf("the batches are small: %v", batches)
	}
}

func TestRefreshOfSome(t *testing.T) {
	l := newLab(t)
	l.write("main.diy.hcl", "resource \"box\" \"a\" {}\nresource \"box\" \"b\" {}\nresource \"rail\" \"r\" {}\n")
	if _, _, diags := l.run(t.Context(), plan.Normal, apply.Options{}); diags.HasErrors() {
		t.Fatal(diags)
	}
	delete(l.world.Boxes, "b")
	c, _ := l.begin(plan.Destroy)
	defer c.end()
	list, diags := plan.Refresh(t.Context(), c.input, func(a addr.Instance) bool { return a.Type == "box" })
	if diags.HasErrors() || len(list) != 2 || list[0].Actual == nil || list[1].Actual != nil {
		t.Errorf("got %+v, %v", list, diags)
	}
	c.input.State.Resources[list[0].Object.Address].Attributes = []byte(`{"size":"x"}`)
	if _, diags = plan.Refresh(t.Context(), c.input, func(addr.Instance) bool { return true }); !strings.Contains(diags.Error(), "attributes of box.a") {
		t.Errorf("got %v", diags)
	}
}

func TestRenderObject(t *testing.T) {
	registry := providertest.Registry(providertest.New())
	s := registry.Type("item").Schema()
	v, err := s.Parse([]byte(`{"name":"x","box":"b","serial":3,"tags":["a","b"],"env":{"A":"1","LONG":"2"},
		"label":{"text":"t","pin":"1234"},"slot":[{"port":80},{"port":443,"note":"tls"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	a, err := addr.Parse(`item.x["k"]`)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	plan.RenderObject(&b, plan.Palette{}, a, s, v, []string{"env.A", "slot.1.note"})
	want := `# item.x["k"]:
resource "item" "x" {
    name   = "x"
    box    = "b"
    tags   = [
        "a",
        "b",
    ]
    env    = {
        "A"    = (sensitive value)
        "LONG" = "2"
    }
    serial = 3

    label {
        text = "t"
        pin  = (sensitive value)
    }

    slot {
        port = 80
    }

    slot {
        port = 443
        note = (sensitive value)
    }
}
`
	if b.String() != want {
		t.Errorf("got\n%s", b.String())
	}
}

func TestColours(t *testing.T) {
	l := newLab(t)
	l.write("main.diy.hcl", `resource "box" "a" {}`)
	p, diags := l.plan(plan.Normal)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	var plain, coloured bytes.Buffer
	p.Render(&plain, plan.Palette{})
	p.Render(&coloured, plan.Palette{On: true})
	if !strings.Contains(coloured.String(), "\x1b[32m+\x1b[0m resource") || strings.Contains(plain.String(), "\x1b") {
		t.Errorf("got\n%s", coloured.String())
	}
	for _, code := range []string{"0", "1", "2", "32"} {
		coloured = *bytes.NewBuffer(bytes.ReplaceAll(coloured.Bytes(), []byte("\x1b["+code+"m"), nil))
	}
	if coloured.String() != plain.String() {
		t.Errorf("with colours the plan reads differently:\n%s", coloured.String())
	}
}

func TestPlanFile(t *testing.T) {
	l := newLab(t)
	l.write("main.diy.hcl", `
variable "plain" { default = { a = [1, "x"] } }
variable "secret" {
  default   = "s"
  sensitive = true
}
resource "box" "a" {}
`)
	p, diags := l.plan(plan.Normal)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	f, err := p.File()
	l.must(err)
	path := filepath.Join(l.dir, "out")
	l.must(os.WriteFile(path, nil, 0o644)) // an older file, that others may read
	l.must(f.Write(path))
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("got %v, %v", info, err)
	}
	f, err = plan.ReadFile(path)
	l.must(err)
	got, err := f.Values()
	l.must(err)
	if len(got) != 2 || !got["plain"].RawEquals(p.Input.Variables["plain"]) || !got["secret"].RawEquals(cty.StringVal("s").Mark(marks.Sensitive)) {
		t.Errorf("got %#v", got)
	}
	if err := f.Matches(p); err != nil {
		t.Errorf("the plan does not match itself: %v", err)
	}
	if p.Change(f.Changes[0].Address) == nil {
		t.Error("the change is not found by its address")
	}
}

func TestPlanFilesThatAreNone(t *testing.T) {
	l := newLab(t)
	path := filepath.Join(l.dir, "out")
	if _, err := plan.ReadFile(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v", err)
	}
	for text, want := range map[string]string{
		"":                             "EOF",
		"{}":                           "format 0",
		`{"diyform_plan_format": 1}`:   "format 1 and this diyform knows 2",
		`{"some": "thing"}`:            "unknown field",
		`{"diyform_plan_format": 2} x`: "stands after",
	} {
		l.write("out", text)
		if _, err := plan.ReadFile(path); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "Not a plan file") {
			t.Errorf("%s: got %v, want %s", text, err, want)
		}
	}
	if err := (&plan.File{}).Write(filepath.Join(l.dir, "no", "folder")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v", err)
	}
	registry := providertest.Registry(l.world)
	box, err := addr.Parse("box.a")
	l.must(err)
	other, err := addr.Parse("data.crate.a")
	l.must(err)
	for want, f := range map[string]*plan.File{
		"the type crate is unknown": {Changes: []plan.FileChange{{Address: other}}},
		"box.a in the plan":         {Changes: []plan.FileChange{{Address: box, Before: []byte{1}}}},
		"output o in the plan":      {Outputs: []plan.FileOutput{{Name: "o"}}},
	} {
		if _, err := f.Plan(registry); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	bad := &plan.File{Variables: map[string]plan.FileVariable{"v": {Type: []byte(`"string"`), Value: []byte(`{}`)}}}
	if _, err := bad.Values(); err == nil || !strings.Contains(err.Error(), "variable v in the plan") {
		t.Errorf("got %v", err)
	}
}

// A plan belongs to the state that it was made for, even before that state was first saved.
func TestPlanOfAnotherState(t *testing.T) {
	l := newLab(t)
	l.write("main.diy.hcl", `resource "box" "a" {}`)
	if _, _, diags := l.run(t.Context(), plan.Normal, apply.Options{}); diags.HasErrors() {
		t.Fatal(diags)
	}
	p, _ := l.plan(plan.Normal)
	f, err := p.File()
	l.must(err)
	f.Lineage = "another"
	if err := f.Matches(p); err == nil || !strings.Contains(err.Error(), "for another state") {
		t.Errorf("got %v", err)
	}
}

// The same configuration as JSON makes the same plan.
func TestJSONConfiguration(t *testing.T) {
	native, other := newLab(t), newLab(t)
	native.write("main.diy.hcl", `
resource "box" "h" {
  for_each = toset(["a", "b"])
}
resource "item" "x" {
  for_each = toset(["a", "b"])
  box      = box.h[each.key].name
  tags     = ["t"]
  label {
    text = each.key
  }
  slot {
    port = 1
  }
  slot {
    port = 2
  }
}
`)
	other.write("main.diy.json", `{"resource": {
  "box": {"h": {"for_each": "${toset([\"a\", \"b\"])}"}},
  "item": {"x": {"for_each": "${toset([\"a\", \"b\"])}", "box": "${box.h[each.key].name}", "tags": ["t"],
    "label": {"text": "${each.key}"}, "slot": [{"port": 1}, {"port": 2}]}}
}}`)
	for _, l := range []*lab{native, other} {
		if _, _, diags := l.run(t.Context(), plan.Normal, apply.Options{Workers: 1}); diags.HasErrors() {
			t.Fatal(diags)
		}
	}
	if native.world.String() != other.world.String() || !slices.Equal(resources(native.state()), resources(other.state())) {
		t.Errorf("got\n%s%s\nand\n%s%s", native.world, resources(native.state()), other.world, resources(other.state()))
	}
}

// Hundreds of instances that all depend on each other's whole block are still planned.
func TestWholeBlocks(t *testing.T) {
	l := newLab(t)
	l.write("main.diy.hcl", fmt.Sprintf(`
resource "box" "h" {
  count = %[1]d
}
resource "item" "x" {
  count = %[1]d
  box   = box.h[count.index].name
  note  = "${length(box.h)} boxes, the last is ${box.h[%[1]d - 1].name}"
}
`, 200))
	_, result, diags := l.run(t.Context(), plan.Normal, apply.Options{})
	if diags.HasErrors() || result.Added != 400 {
		t.Fatal(diags)
	}
	_, result, diags = l.run(t.Context(), plan.Destroy, apply.Options{})
	if diags.HasErrors() || result.Destroyed != 400 || !l.world.Empty() || len(l.world.Violations) > 0 {
		t.Errorf("got %v, %+v, %q", diags, result, l.world.Violations)
	}
}
