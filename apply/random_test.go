package apply_test

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"

	"github.com/diyform/diyform/apply"
	"github.com/diyform/diyform/internal/addr"
	"github.com/diyform/diyform/plan"
	"github.com/diyform/diyform/providers/schema"
)

// TestRandom takes random configurations through random edits, with and without failures,
// and holds what must be true whatever they are. The same seed gives the same run, but for
// the order in which workers take batches.
func TestRandom(t *testing.T) {
	const edits = 6
	for seed := range randomSeeds() {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			r := rand.New(rand.NewPCG(uint64(seed), 1))
			wanted := newWanted()
			wanted.modular = seed%2 == 1
			w := &walk{lab: newLab(t), rand: r, wanted: wanted}
			for range edits {
				wanted.edit(r)
				w.apply()
			}
			w.destroy()
		})
	}
}

// randomSeeds gives how many walks there are; DIYFORM_SEEDS asks for more.
func randomSeeds() int {
	if n, err := strconv.Atoi(os.Getenv("DIYFORM_SEEDS")); err == nil {
		return n
	}
	if testing.Short() {
		return 5
	}
	return 25
}

// walk is one configuration on its way through edits.
type walk struct {
	*lab
	rand   *rand.Rand
	wanted configuration
}

// configuration is what a walk is about: files by their names.
type configuration interface {
	fmt.Stringer
	files() map[string]string
}

func (w *walk) apply() {
	w.t.Helper()
	for name, text := range w.wanted.files() {
		w.write(name, text)
	}
	if w.rand.IntN(3) == 0 {
		w.disturb()
	}
	switch w.rand.IntN(3) {
	case 0:
		w.withFailures(plan.Normal)
	case 1:
		w.withCrash(plan.Normal)
	}
	p, result, diags := w.once(plan.Normal)
	if diags.HasErrors() {
		w.fatal("apply fails", diags)
	}
	if result != nil {
		w.checkPromises(p)
	}
	p, diags = w.plan(plan.Normal)
	if diags.HasErrors() {
		w.fatal("the second plan fails", diags)
	}
	if p.NeedsApply() {
		w.t.Fatalf("the second plan is not empty:\n%s\n%s", render(p), w.wanted)
	}
}

func (w *walk) once(mode plan.Mode) (*plan.Plan, *apply.Result, hcl.Diagnostics) {
	w.t.Helper()
	p, result, diags := w.run(context.Background(), mode, apply.Options{Workers: 1 + w.rand.IntN(4)})
	if len(w.world.Violations) > 0 {
		w.t.Fatalf("the engine broke its word:\n%s\n%s", strings.Join(w.world.Violations, "\n"), w.wanted)
	}
	return p, result, diags
}

// withFailures applies while the world refuses some of it. Only that may fail.
func (w *walk) withFailures(mode plan.Mode) {
	w.t.Helper()
	p, diags := w.plan(mode)
	if diags.HasErrors() {
		w.fatal("the plan fails", diags)
	}
	for _, c := range p.Changes {
		if c.Action == plan.NoOp && !c.Adopts() || w.rand.IntN(5) > 0 {
			continue
		}
		actions := map[plan.Action][]string{plan.Replace: {"delete", "create"}}[c.Action]
		if c.Adopts() {
			actions = []string{"update"}
		}
		if actions == nil {
			actions = []string{c.Action.String()}
		}
		w.world.Fail(actions[w.rand.IntN(len(actions))], c.Address.String(), w.rand.IntN(2) == 0)
	}
	_, _, diags = w.once(mode)
	w.world.Heal()
	for _, d := range diags {
		if !strings.Contains(d.Summary+d.Detail, "world") {
			w.fatal("something fails that nobody made fail", hcl.Diagnostics{d})
		}
	}
}

// withCrash applies and dies at some operation, of which the journal knows the intent alone.
func (w *walk) withCrash(mode plan.Mode) {
	w.t.Helper()
	operations := 1 + w.rand.IntN(12)
	w.dieAt(w.rand.IntN(2) == 0, func(addr.Instance) bool {
		operations--
		return operations == 0
	})
	_, _, diags := w.run(context.Background(), mode, apply.Options{Workers: 1})
	w.bury()
	if diags.HasErrors() {
		w.fatal("apply fails", diags)
	}
}

// disturb changes the world behind the engine's back.
func (w *walk) disturb() {
	for _, name := range slices.Sorted(maps.Keys(w.world.Boxes)) {
		if w.rand.IntN(4) == 0 {
			w.world.Boxes[name].Note = "disturbed"
		}
	}
	for key, item := range w.world.Items {
		switch w.rand.IntN(8) {
		case 0:
			item.Tags, item.Label = []string{"z"}, nil
		case 1:
			delete(w.world.Items, key)
		}
	}
	for name := range w.world.Users {
		if w.rand.IntN(6) == 0 {
			delete(w.world.Users, name)
		}
	}
}

// checkPromises compares what the plan said with what is on record. That the record is what
// the world has, the next plan tells.
func (w *walk) checkPromises(p *plan.Plan) {
	w.t.Helper()
	st := w.state()
	if len(st.Deposed) > 0 {
		w.t.Fatalf("deposed objects are left: %v", st.Deposed)
	}
	for _, c := range p.Changes {
		if c.Deposed {
			continue
		}
		r := st.Resources[c.Address]
		if (r == nil) != c.After.IsNull() {
			w.t.Fatalf("%s of %s left the record %+v", c.Action, c.Address, r)
		}
		if r == nil {
			continue
		}
		got, err := c.Schema.Parse(r.Attributes)
		w.must(err)
		for _, d := range c.Schema.Diff(c.After, got) {
			if d.Before.IsWhollyKnown() && !computedHere(c.Schema, d.Path) {
				w.t.Errorf("%s of %s promised %s = %#v and gave %#v", c.Action, c.Address, d.Path, d.Before, d.After)
			}
		}
	}
}

// computedHere tells the attributes that an update while applying may find changed already.
func computedHere(s *schema.Schema, path string) bool {
	a := s.Attribute(path)
	return a != nil && a.Volatile
}

func (w *walk) destroy() {
	w.t.Helper()
	switch w.rand.IntN(3) {
	case 0:
		w.withFailures(plan.Destroy)
	case 1:
		w.withCrash(plan.Destroy)
	}
	_, _, diags := w.once(plan.Destroy)
	if diags.HasErrors() {
		w.fatal("destroy fails", diags)
	}
	if !w.world.Empty() || len(w.state().Resources) > 0 {
		w.t.Fatalf("destroy left\n%s%v", w.world, resources(w.state()))
	}
}

func (w *walk) fatal(what string, diags hcl.Diagnostics) {
	w.t.Helper()
	w.t.Fatalf("%s:\n%s\n%s", what, (&script{lab: w.lab}).tell(diags), w.wanted)
}
