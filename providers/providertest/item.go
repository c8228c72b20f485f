package providertest

import (
	"context"
	"fmt"
	"slices"

	"github.com/zclconf/go-cty/cty"

	"github.com/diyform/diyform/internal/diag"
	"github.com/diyform/diyform/providers"
	"github.com/diyform/diyform/providers/schema"
)

type itemAttrs struct {
	Name   string            `diy:"name,optional,computed,replace"`
	Box    string            `diy:"box,required,replace"`
	Rail   string            `diy:"rail"`
	Note   string            `diy:"note"`
	Tags   []string          `diy:"tags,unordered"`
	Env    map[string]string `diy:"env"`
	Serial int               `diy:"serial,computed"`
	Label  *Label            `diy:"label,block"`
	Slots  []Slot            `diy:"slot,block"`
}

type itemType struct{}

func (v *itemAttrs) key() ItemKey { return ItemKey{Box: v.Box, Name: v.Name} }

func (itemType) Read(s *snapshot, rec *providers.Recorded[itemAttrs, identity]) (*providers.Recorded[itemAttrs, identity], error) {
	s.mustHave(boxPlace(rec.Attrs.Box))
	i, ok := s.items[rec.Attrs.key()]
	if !ok || !known(s, rec, i.Serial, i.Mark) {
		return nil, nil
	}
	out := *rec
	out.Attrs, out.Identity = i.attrs(rec.Attrs.key()), identity{i.Serial}
	return &out, nil
}

func (i *Item) attrs(key ItemKey) itemAttrs {
	return itemAttrs{
		Name: key.Name, Box: key.Box, Rail: i.Rail, Note: i.Note, Tags: i.Tags, Env: i.Env,
		Serial: i.Serial, Label: i.Label, Slots: i.Slots,
	}
}

func (itemType) Derive(d *providers.Derivation) {
	d.Default("name", cty.StringVal(providers.ObjectName(d.Address)))
}

func (itemType) Validate(v *itemAttrs, _ schema.Unknown) error {
	if v.Label != nil && len(v.Label.Text) > 20 {
		return &diag.Problem{Summary: "The label is too long", Detail: fmt.Sprintf("%q has more than 20 bytes.", v.Label.Text), Attribute: "label.text"}
	}
	return nil
}

func (itemType) Places(v *itemAttrs, unknown schema.Unknown) providers.Places {
	var p providers.Places
	if !unknown.Has("box") {
		p.Within = append(p.Within, boxPlace(v.Box))
		if !unknown.Has("name") {
			p.Holds = append(p.Holds, itemPlace(v.key()))
		}
	}
	if !unknown.Has("rail") && v.Rail != "" {
		p.Attached = append(p.Attached, railPlace(v.Rail))
	}
	return p
}

func (itemType) Batch(v *itemAttrs) string { return v.Box }

func (itemType) Check(s *snapshot, p *providers.Proposed[itemAttrs]) error {
	if p.Unknown.Has("box") {
		return nil
	}
	s.mustHave(boxPlace(p.Attrs.Box))
	box := boxPlace(p.Attrs.Box)
	_, there := s.boxes[p.Attrs.Box]
	if !p.Promised[box] && (!there || p.Vacated[box]) {
		return &diag.Problem{Summary: "No such box", Detail: fmt.Sprintf("There is no box %q.", p.Attrs.Box), Attribute: "box"}
	}
	return nil
}

func (t itemType) Apply(_ context.Context, k *session, action providers.Action, ops []*providers.Op[itemAttrs, identity]) {
	each(k, "item", action, ops, func(op *providers.Op[itemAttrs, identity], partly error) {
		switch action {
		case providers.Create, providers.Update:
			t.put(k, op, partly)
		case providers.Delete:
			t.delete(k, op, partly)
		}
	})
	for _, op := range ops {
		if at := boxOf(op); at != boxOf(ops[0]) {
			k.violation("%s of %s, in %s, is in one batch with %s", action, op.Address, at, ops[0].Address)
		}
	}
}

func boxOf(op *providers.Op[itemAttrs, identity]) string {
	if op.Action == providers.Delete {
		return op.Prior.Attrs.Box
	}
	return op.Planned.Box
}

// put makes an item, or changes it. Halfway it has no tags and no note.
func (itemType) put(k *session, op *providers.Op[itemAttrs, identity], partly error) {
	v := op.Planned
	switch {
	case k.Boxes[v.Box] == nil:
		op.Fail(fmt.Errorf("item %s: there is no box %s", v.Name, v.Box))
		return
	case v.Rail != "" && k.Rails[v.Rail] == nil:
		op.Fail(fmt.Errorf("item %s: there is no rail %s", v.Name, v.Rail))
		return
	}
	i := k.Items[v.key()]
	if op.Action == providers.Create {
		if i != nil {
			op.Fail(fmt.Errorf("item %s is there already", v.Name))
			return
		}
		i = &Item{Serial: k.nextSerial(), Mark: k.env.Mark(op.Address)}
		k.Items[v.key()] = i
	} else if i == nil || i.Serial != op.Prior.Identity.Serial {
		op.Fail(fmt.Errorf("item %s is gone", v.Name))
		return
	}
	i.Mark = k.env.Mark(op.Address)
	i.Rail, i.Env, i.Label, i.Slots = v.Rail, v.Env, v.Label, v.Slots
	if partly == nil {
		i.Note, i.Tags = v.Note, slices.Sorted(slices.Values(v.Tags))
	}
	settle(op, i.attrs(v.key()), i.Serial, partly)
}

func (itemType) delete(k *session, op *providers.Op[itemAttrs, identity], partly error) {
	key := op.Prior.Attrs.key()
	i := k.Items[key]
	there := i != nil && i.Serial == op.Prior.Identity.Serial
	switch {
	case there && op.Follows:
		k.violation("delete of %s follows, and it is still there", op.Address)
	case !there && !op.Follows:
		k.violation("delete of %s, which is gone", op.Address)
	}
	if !there {
		op.Gone()
		return
	}
	if partly != nil {
		i.Note, i.Tags = "", nil
		settle(op, i.attrs(key), i.Serial, partly)
		return
	}
	delete(k.Items, key)
	op.Gone()
}
