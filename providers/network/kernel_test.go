package network

import (
	"context"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2/hcldec"
	"github.com/zclconf/go-cty/cty"

	"github.com/diyform/diyform/internal/addr"
	"github.com/diyform/diyform/internal/playhost/playtest"
	"github.com/diyform/diyform/providers"
)

// kernel is a session with the real kernel, in a playhost.
type kernel struct {
	t        *testing.T
	registry *providers.Registry
	session  providers.Session
}

var testEnv = providers.Env{Lineage: "0a1b2c3d-0000-4000-8000-000000000000"}

func newKernel(t *testing.T) *kernel {
	t.Helper()
	playtest.Require(t)
	registry := providers.NewRegistry(Provider())
	env := testEnv
	env.RuntimeDir = filepath.Join(t.TempDir(), "run", "stack")
	sessions, err := registry.Open(env)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := sessions.Close(); err != nil {
			t.Error(err)
		}
	})
	return &kernel{t: t, registry: registry, session: sessions.OfType("route")}
}

// shell runs commands of the playhost, and fails the test with them.
func shell(t *testing.T, script string) string {
	t.Helper()
	out, err := exec.Command("sh", "-ec", script).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", script, err, out)
	}
	return strings.TrimSpace(string(out))
}

// twoHosts makes the namespaces near and far with a veth pair between them.
func twoHosts(t *testing.T) {
	t.Helper()
	shell(t, `
		ip netns add near; ip netns add far
		ip -n near link set lo up; ip -n far link set lo up
		ip -n near link add va type veth peer name vb netns far
		ip -n near addr add 10.0.0.1/24 dev va; ip -n far addr add 10.0.0.2/24 dev vb
		ip -n near addr add fd00::1/64 dev va nodad; ip -n far addr add fd00::2/64 dev vb nodad
		ip -n near link set va up; ip -n far link set vb up`)
	t.Cleanup(func() { shell(t, "ip netns del near; ip netns del far") })
}

func at(typ, name string) addr.Instance {
	return addr.Resource{Type: typ, Name: name}.Instance(addr.Key{})
}

// plan does what the engine does between configuration and operation.
func (k *kernel) plan(typ string, config map[string]cty.Value, prior *providers.Object) cty.Value {
	k.t.Helper()
	return k.planAt(at(typ, "x"), config, prior)
}

func (k *kernel) planAt(a addr.Instance, config map[string]cty.Value, prior *providers.Object) cty.Value {
	k.t.Helper()
	t := k.registry.Type(a.Type)
	settable := hcldec.ImpliedType(t.Schema().Spec())
	full := map[string]cty.Value{}
	for name, ty := range settable.AttributeTypes() {
		full[name] = cty.NullVal(ty)
		if v, ok := config[name]; ok {
			full[name] = v
		}
	}
	before := cty.NullVal(t.Schema().ImpliedType())
	if prior != nil {
		before = prior.Attributes
	}
	c, problems := t.Schema().Canonical(cty.ObjectVal(full))
	for _, p := range problems {
		k.t.Fatal(p)
	}
	d := &providers.Derivation{Context: k.t.Context(), Address: a, Env: testEnv, Config: c, Planned: t.Schema().Propose(c, before)}
	t.Derive(d)
	if err := t.Validate(d.Planned); err != nil {
		k.t.Fatal(err)
	}
	if prior != nil && len(t.Schema().Diff(before, d.Planned)) > 0 {
		return t.Schema().Volatiles(c, d.Planned)
	}
	return d.Planned
}

func (k *kernel) apply(ops ...*providers.Operation) {
	k.t.Helper()
	k.session.Prepare(context.Background(), ops)
	done := 0
	for _, o := range ops {
		if o.Err != nil {
			return
		}
	}
	k.session.Apply(context.Background(), ops, func(*providers.Operation) { done++ })
	if done != len(ops) {
		k.t.Errorf("%d of %d operations are done", done, len(ops))
	}
}

func (k *kernel) create(typ string, config map[string]cty.Value) (*providers.Object, error) {
	k.t.Helper()
	op := &providers.Operation{Action: providers.Create, Type: typ, Address: at(typ, "x"), Planned: k.plan(typ, config, nil)}
	k.apply(op)
	return op.Result, op.Err
}

func (k *kernel) mustCreate(typ string, config map[string]cty.Value) *providers.Object {
	k.t.Helper()
	o, err := k.create(typ, config)
	if err != nil {
		k.t.Fatal(err)
	}
	if !o.Attributes.IsWhollyKnown() {
		k.t.Fatalf("not wholly known: %#v", o.Attributes)
	}
	k.unchanged(config, o)
	return o
}

// unchanged checks that the object reads as it was made, and that the next plan is empty.
func (k *kernel) unchanged(config map[string]cty.Value, o *providers.Object) {
	k.t.Helper()
	s := k.registry.Type(o.Address.Type).Schema()
	got := k.read(o)
	if got == nil {
		k.t.Fatal("it reads as gone")
	}
	for _, c := range s.Diff(o.Attributes, got.Attributes) {
		k.t.Errorf("%s was made as %#v and reads as %#v", c.Path, c.Before, c.After)
	}
	for _, c := range s.Diff(got.Attributes, k.plan(o.Address.Type, config, got)) {
		k.t.Errorf("the second plan changes %s from %#v to %#v", c.Path, c.Before, c.After)
	}
}

func (k *kernel) update(o *providers.Object, config map[string]cty.Value) *providers.Object {
	k.t.Helper()
	typ := o.Address.Type
	op := &providers.Operation{Action: providers.Update, Type: typ, Address: o.Address, Prior: o, Planned: k.plan(typ, config, o)}
	k.apply(op)
	if op.Err != nil {
		k.t.Fatal(op.Err)
	}
	k.unchanged(config, op.Result)
	return op.Result
}

func (k *kernel) delete(o *providers.Object) {
	k.t.Helper()
	op := &providers.Operation{Action: providers.Delete, Type: o.Address.Type, Address: o.Address, Prior: o}
	k.apply(op)
	if op.Err != nil || op.Result != nil {
		k.t.Errorf("delete: %v, left %v", op.Err, op.Result)
	}
}

func (k *kernel) read(o *providers.Object) *providers.Object {
	k.t.Helper()
	got := k.session.Snapshot().Read(context.Background(), []*providers.Object{o})[0]
	if got.Err != nil {
		k.t.Fatal(got.Err)
	}
	return got.Object
}

func (k *kernel) check(typ string, config map[string]cty.Value, promised ...providers.Place) error {
	k.t.Helper()
	p := providers.Proposal{Address: at(typ, "x"), Planned: k.plan(typ, config, nil), Promised: map[providers.Place]bool{}}
	for _, place := range promised {
		p.Promised[place] = true
	}
	return k.session.Snapshot().Check(context.Background(), []providers.Proposal{p})[0]
}

func (k *kernel) data(typ string, config map[string]cty.Value) (cty.Value, error) {
	k.t.Helper()
	s := k.registry.DataType(typ).Schema()
	full := map[string]cty.Value{}
	for name, ty := range hcldec.ImpliedType(s.Spec()).AttributeTypes() {
		full[name] = cty.NullVal(ty)
		if v, ok := config[name]; ok {
			full[name] = v
		}
	}
	return k.session.Data(context.Background(), typ, s.Propose(cty.ObjectVal(full), cty.NullVal(s.ImpliedType())))
}

func (k *kernel) mustData(typ string, config map[string]cty.Value) map[string]cty.Value {
	k.t.Helper()
	v, err := k.data(typ, config)
	if err != nil {
		k.t.Fatal(err)
	}
	if !v.IsWhollyKnown() {
		k.t.Fatalf("not wholly known: %#v", v)
	}
	return v.AsValueMap()
}

func number(n int64) cty.Value { return cty.NumberIntVal(n) }

func text(s string) cty.Value { return cty.StringVal(s) }

func args(pairs ...any) map[string]cty.Value {
	out := map[string]cty.Value{}
	for i := 0; i < len(pairs); i += 2 {
		switch v := pairs[i+1].(type) {
		case string:
			out[pairs[i].(string)] = text(v)
		case int:
			out[pairs[i].(string)] = number(int64(v))
		}
	}
	return out
}
