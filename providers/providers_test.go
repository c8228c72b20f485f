package providers_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/zclconf/go-cty/cty"

	"github.com/diyform/diyform/internal/addr"
	"github.com/diyform/diyform/providers"
)

func instance(t *testing.T, s string) addr.Instance {
	t.Helper()
	a, err := addr.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestObjectName(t *testing.T) {
	for address, want := range map[string]string{
		"a.web": "web", `a.web["x"]`: "web-x", "a.web[3]": "web-3", `module.lab.module.one.a.web["x"]`: "lab-one-web-x",
		`a.web["a/b: c"]`: "web-a_b__c", `a.web["ä"]`: "web-ä",
	} {
		if got := providers.ObjectName(instance(t, address)); got != want {
			t.Errorf("%s: got %q, want %q", address, got, want)
		}
	}
}

func TestObjectNameOfWorkspace(t *testing.T) {
	a := instance(t, `module.lab.a.web["x"]`)
	for workspace, want := range map[string]string{"": "lab-web-x", providers.DefaultWorkspace: "lab-web-x", "staging": "staging-lab-web-x"} {
		if got := (providers.Env{Workspace: workspace}).ObjectName(a); got != want {
			t.Errorf("in %q: got %q, want %q", workspace, got, want)
		}
	}
}

func TestShortName(t *testing.T) {
	if got := providers.ShortName("exactly15bytes!", 15); got != "exactly15bytes!" {
		t.Errorf("got %q", got)
	}
	long := providers.ShortName("a-name-too-long-for-linux", 15)
	if len(long) > 15 || !strings.HasPrefix(long, "a-name-") || long != providers.ShortName("a-name-too-long-for-linux", 15) {
		t.Errorf("got %q", long)
	}
	if long == providers.ShortName("a-name-too-long-for-linus", 15) {
		t.Error("two names become one")
	}
}

func TestMark(t *testing.T) {
	env := providers.Env{Lineage: "b3f6f3d2-8c44-4c40-9f0e-0a6bf2a0c001"}
	if got := env.Mark(instance(t, `veth_pair.h["a"]`)); got != `diyform:b3f6f3d2:veth_pair.h["a"]` {
		t.Errorf("got %s", got)
	}
	long := instance(t, `veth_pair.h["`+strings.Repeat("x", 300)+`a"]`)
	other := instance(t, `veth_pair.h["`+strings.Repeat("x", 300)+`b"]`)
	if m := env.Mark(long); len(m) >= 256 || m == env.Mark(other) || !strings.HasPrefix(m, env.MarkPrefix()) {
		t.Errorf("got %s and %s", m, env.Mark(other))
	}
}

func TestMAC(t *testing.T) {
	a, b := instance(t, "veth_pair.a"), instance(t, "veth_pair.b")
	seen := map[[6]byte]bool{}
	for _, lineage := range []string{"one", "two"} {
		for _, address := range []addr.Instance{a, b} {
			for _, end := range []string{"", "peer"} {
				mac := providers.MAC(lineage, address, end)
				if mac[0]&3 != 2 || seen[mac] || mac != providers.MAC(lineage, address, end) {
					t.Errorf("%s %s %s: %x", lineage, address, end, mac)
				}
				seen[mac] = true
			}
		}
	}
}

func TestPlaces(t *testing.T) {
	for want, place := range map[string]providers.Place{
		"network namespace lab":               providers.NetworkNamespace("lab"),
		"link veth0":                          providers.Link("", "veth0"),
		"link veth0 in network namespace lab": providers.Link("lab", "veth0"),
	} {
		if place.String() != want {
			t.Errorf("got %q, want %q", place, want)
		}
	}
}

func TestDerivation(t *testing.T) {
	peer := cty.ObjectVal(map[string]cty.Value{"name": cty.UnknownVal(cty.String), "index": cty.NumberIntVal(3)})
	d := &providers.Derivation{
		Config: cty.ObjectVal(map[string]cty.Value{"name": cty.NullVal(cty.String), "peer": cty.NullVal(cty.EmptyObject)}),
		Planned: cty.ObjectVal(map[string]cty.Value{
			"name": cty.UnknownVal(cty.String), "mtu": cty.NumberIntVal(1), "peer": peer,
			"gone": cty.NullVal(peer.Type()), "late": cty.UnknownVal(peer.Type()),
		}),
	}
	for _, path := range []string{"name", "peer.name", "gone.name", "late.name"} {
		d.Set(path, cty.StringVal("x"))
	}
	if !d.Get("name").RawEquals(cty.StringVal("x")) || !d.Get("peer.name").RawEquals(cty.StringVal("x")) {
		t.Errorf("got %#v", d.Planned)
	}
	if !d.Get("gone.name").IsNull() || d.Get("late.name").IsKnown() || !d.Get("peer.index").RawEquals(cty.NumberIntVal(3)) {
		t.Errorf("got %#v", d.Planned)
	}
	d.Default("name", cty.StringVal("y"))
	if !d.Get("name").RawEquals(cty.StringVal("x")) {
		t.Error("a default takes the place of a value that is known")
	}
	d.Set("name", cty.UnknownVal(cty.String))
	d.Default("name", cty.StringVal("y"))
	if !d.Get("name").RawEquals(cty.StringVal("y")) {
		t.Error("a default does not take the place of what is unknown")
	}
}

// thing is the smallest resource there is, in a provider whose view can fail.
type thing struct {
	Name string `diy:"name,required"`
}

type thingIdentity struct{ ID int }

type world struct{ loadErr, openErr, closeErr error }

func (w *world) Close() error { return w.closeErr }

type view struct{ *world }

func (v view) Load(context.Context, []providers.Place) error { return v.loadErr }

// thingType does to operations what their names say.
type thingType struct{}

func (thingType) Read(_ view, r *providers.Recorded[thing, thingIdentity]) (*providers.Recorded[thing, thingIdentity], error) {
	if r.Attrs.Name == "unreadable" {
		return nil, errors.New("unreadable")
	}
	return r, nil
}

func (thingType) Apply(_ context.Context, _ *world, _ providers.Action, ops []*providers.Op[thing, thingIdentity]) {
	for _, op := range ops {
		switch op.Planned.Name {
		case "forgotten":
		case "twice":
			op.Done(op.Planned, thingIdentity{1})
			op.Done(op.Planned, thingIdentity{1})
		default:
			op.Done(op.Planned, thingIdentity{1})
		}
		_ = op.Settled()
	}
}

func provider(w *world) providers.Provider {
	return providers.Assemble(providers.Parts[view, *world]{
		Name:      "things",
		Resources: []providers.Def[view, *world]{providers.Define("thing", "A thing.", thingType{})},
		Open:      func(providers.Env) (*world, error) { return w, w.openErr },
		Snapshot:  func(w *world) view { return view{w} },
	})
}

func named(name string) cty.Value {
	return cty.ObjectVal(map[string]cty.Value{"name": cty.StringVal(name)})
}

func object(t *testing.T, name, identity string) *providers.Object {
	return &providers.Object{Address: instance(t, "thing.a"), Attributes: named(name), Identity: json.RawMessage(identity)}
}

func TestRead(t *testing.T) {
	w := &world{}
	s, err := provider(w).Open(providers.Env{})
	if err != nil {
		t.Fatal(err)
	}
	o := object(t, "a", `{"ID":1}`)
	readings := s.Snapshot().Read(t.Context(), []*providers.Object{
		o, object(t, "a", `{ "ID": 1 }`), object(t, "unreadable", `{}`), object(t, "a", `{"Other":1}`), object(t, "a", ``),
	})
	if readings[0].Object != o || readings[0].Err != nil {
		t.Errorf("what is as it was is another object: %+v", readings[0])
	}
	if r := readings[1].Object; r == nil || string(r.Identity) != `{"ID":1}` {
		t.Errorf("got %+v", readings[1])
	}
	if readings[2].Err == nil || readings[3].Err == nil || !strings.Contains(readings[3].Err.Error(), "identity of thing.a") {
		t.Errorf("got %+v, %+v", readings[2], readings[3])
	}
	if readings[4].Object == nil {
		t.Errorf("got %+v", readings[4])
	}
	w.loadErr = errors.New("no kernel")
	for _, r := range s.Snapshot().Read(t.Context(), []*providers.Object{o, o}) {
		if !errors.Is(r.Err, w.loadErr) {
			t.Errorf("got %+v", r)
		}
	}
	for _, err := range s.Snapshot().Check(t.Context(), []providers.Proposal{{Address: o.Address, Planned: named("a")}}) {
		if !errors.Is(err, w.loadErr) {
			t.Errorf("got %v", err)
		}
	}
}

func TestApply(t *testing.T) {
	s, err := provider(&world{}).Open(providers.Env{})
	if err != nil {
		t.Fatal(err)
	}
	create := func(name string) *providers.Operation {
		return &providers.Operation{Action: providers.Create, Type: "thing", Address: instance(t, "thing.a"), Planned: named(name)}
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	reason := errors.New("the user")
	cancel(reason)
	done, forgotten := create("a"), create("forgotten")
	told := 0
	s.Prepare(ctx, []*providers.Operation{done, forgotten})
	s.Apply(ctx, []*providers.Operation{done, forgotten}, func(*providers.Operation) { told++ })
	if done.Err != nil || string(done.Result.Identity) != `{"ID":1}` || string(done.Intent) != `{"ID":0}` {
		t.Errorf("got %+v", done)
	}
	if !errors.Is(forgotten.Err, reason) || forgotten.Result != nil || told != 2 {
		t.Errorf("got %+v, told %d times", forgotten, told)
	}
	update := create("a")
	update.Action, update.Prior = providers.Update, object(t, "a", `{"Other":1}`)
	s.Prepare(ctx, []*providers.Operation{update})
	if update.Err == nil {
		t.Error("an identity that cannot be read is prepared")
	}
	update.Err = nil
	s.Apply(ctx, []*providers.Operation{update}, func(*providers.Operation) { told++ })
	if update.Err == nil || told != 3 {
		t.Errorf("an identity that cannot be read is applied: %+v", update)
	}
	s.Apply(ctx, nil, nil)
	defer func() {
		if got := recover(); got == nil || !strings.Contains(got.(string), "create of thing.a settled twice") {
			t.Errorf("got %v", got)
		}
	}()
	s.Apply(ctx, []*providers.Operation{create("twice")}, func(*providers.Operation) {})
}

func TestRegistry(t *testing.T) {
	w := &world{}
	r := providers.NewRegistry(provider(w))
	if r.Type("thing").Doc() != "A thing." || r.Type("other") != nil || r.DataType("thing") != nil {
		t.Error("the registry does not know its types")
	}
	if names := r.TypeNames(); len(names) != 1 || names[0] != "thing" || len(r.DataTypeNames()) != 0 {
		t.Errorf("got %q", names)
	}
	sessions, err := r.Open(providers.Env{})
	if err != nil || sessions.OfType("thing") == nil || sessions.OfType("other") != nil || sessions.OfDataType("thing") != nil {
		t.Errorf("got %v, %v", sessions, err)
	}
	w.closeErr = errors.New("stuck")
	if err := sessions.Close(); !errors.Is(err, w.closeErr) {
		t.Errorf("got %v", err)
	}
	w.openErr = errors.New("locked")
	if _, err := r.Open(providers.Env{}); !errors.Is(err, w.openErr) || !strings.Contains(err.Error(), "open provider things") {
		t.Errorf("got %v", err)
	}
}

func TestActionString(t *testing.T) {
	if providers.Create.String()+providers.Update.String()+providers.Delete.String() != "createupdatedelete" {
		t.Error("actions have other names")
	}
}
