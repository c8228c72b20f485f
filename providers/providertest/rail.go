package providertest

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/zclconf/go-cty/cty"

	"github.com/diyform/diyform/providers"
	"github.com/diyform/diyform/providers/schema"
)

// A rail is renamed in place, as a network interface is, and lasts, as a file does.
type railAttrs struct {
	Name   string `diy:"name,optional,computed"`
	Width  int    `diy:"width,replace" default:"4"`
	Serial int    `diy:"serial,computed"`
}

type railType struct{}

func (railType) Read(s *snapshot, rec *providers.Recorded[railAttrs, identity]) (*providers.Recorded[railAttrs, identity], error) {
	s.mustHave(railPlace(rec.Attrs.Name))
	// By its name first: after a crash its predecessor may have the same mark.
	names := append([]string{rec.Attrs.Name}, slices.Sorted(maps.Keys(s.rails))...)
	for _, name := range names {
		r, ok := s.rails[name]
		if ok && known(s, rec, r.Serial, r.Mark) {
			out := *rec
			out.Attrs = railAttrs{Name: name, Width: r.Width, Serial: r.Serial}
			out.Identity = identity{r.Serial}
			return &out, nil
		}
	}
	return nil, nil
}

func (railType) Derive(d *providers.Derivation) {
	d.Default("name", cty.StringVal(providers.ObjectName(d.Address)))
}

func (railType) Places(v *railAttrs, unknown schema.Unknown) providers.Places {
	if unknown.Has("name") {
		return providers.Places{}
	}
	return providers.Places{Holds: []providers.Place{railPlace(v.Name)}}
}

func (railType) Lasts() {}

func (t railType) Apply(_ context.Context, k *session, action providers.Action, ops []*providers.Op[railAttrs, identity]) {
	each(k, "rail", action, ops, func(op *providers.Op[railAttrs, identity], partly error) {
		switch action {
		case providers.Create:
			t.create(k, op, partly)
		case providers.Update:
			t.rename(k, op, partly)
		case providers.Delete:
			t.delete(k, op)
		}
	})
}

func (railType) create(k *session, op *providers.Op[railAttrs, identity], partly error) {
	v := op.Planned
	if k.Rails[v.Name] != nil {
		op.Fail(fmt.Errorf("rail %s is there already", v.Name))
		return
	}
	r := &Rail{Serial: k.nextSerial(), Width: v.Width, Mark: k.env.Mark(op.Address)}
	k.Rails[v.Name] = r
	v.Serial = r.Serial
	settle(op, v, r.Serial, partly)
}

func (railType) rename(k *session, op *providers.Op[railAttrs, identity], partly error) {
	from, to := op.Prior.Attrs.Name, op.Planned.Name
	r := k.Rails[from]
	switch {
	case r == nil || r.Serial != op.Prior.Identity.Serial:
		op.Fail(fmt.Errorf("rail %s is gone", from))
		return
	case to != from && k.Rails[to] != nil:
		op.Fail(fmt.Errorf("rail %s is there already", to))
		return
	}
	delete(k.Rails, from)
	k.Rails[to] = r
	r.Mark = k.env.Mark(op.Address)
	for _, i := range k.Items {
		if i.Rail == from {
			i.Rail = to
		}
	}
	settle(op, railAttrs{Name: to, Width: r.Width, Serial: r.Serial}, r.Serial, partly)
}

// delete lets go of the items on the rail.
func (railType) delete(k *session, op *providers.Op[railAttrs, identity]) {
	name := op.Prior.Attrs.Name
	if r := k.Rails[name]; r == nil || r.Serial != op.Prior.Identity.Serial {
		k.violation("delete of %s, which is gone", op.Address)
		op.Gone()
		return
	}
	delete(k.Rails, name)
	for _, i := range k.Items {
		if i.Rail == name {
			i.Rail = ""
		}
	}
	op.Gone()
}
