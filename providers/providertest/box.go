package providertest

import (
	"context"
	"fmt"

	"github.com/zclconf/go-cty/cty"

	"github.com/diyform/diyform/internal/diag"
	"github.com/diyform/diyform/providers"
	"github.com/diyform/diyform/providers/schema"
)

type boxAttrs struct {
	Name     string `diy:"name,optional,computed,replace" doc:"Made from the resource's key when left out."`
	Size     int    `diy:"size" default:"1" min:"0" max:"1000"`
	Color    string `diy:"color,replace" enum:"red,green,blue"`
	Note     string `diy:"note"`
	Secret   string `diy:"secret,sensitive"`
	Serial   int    `diy:"serial,computed"`
	Revision int    `diy:"revision,computed,volatile"`
}

type boxType struct{}

func (boxType) Read(s *snapshot, rec *providers.Recorded[boxAttrs, identity]) (*providers.Recorded[boxAttrs, identity], error) {
	s.mustHave(boxPlace(rec.Attrs.Name))
	b, ok := s.boxes[rec.Attrs.Name]
	if !ok || !known(s, rec, b.Serial, b.Mark) {
		return nil, nil
	}
	out := *rec
	out.Attrs, out.Identity = b.attrs(rec.Attrs.Name), identity{b.Serial}
	return &out, nil
}

func (b *Box) attrs(name string) boxAttrs {
	return boxAttrs{Name: name, Size: b.Size, Color: b.Color, Note: b.Note, Secret: b.Secret, Serial: b.Serial, Revision: b.Revision}
}

func (boxType) Derive(d *providers.Derivation) {
	d.Default("name", cty.StringVal(providers.ObjectName(d.Address)))
}

func (boxType) Validate(v *boxAttrs, unknown schema.Unknown) error {
	if v.Color == "red" && v.Size > 100 && !unknown.Has("size") {
		return &diag.Problem{Summary: "The box is too big", Detail: fmt.Sprintf("A red box has at most 100, not %d.", v.Size), Attribute: "size"}
	}
	if v.Note != "" && v.Note == v.Secret {
		return &diag.Problem{Summary: "The secret is told", Detail: fmt.Sprintf("The note %q is the secret.", v.Note)}
	}
	return nil
}

func (boxType) Places(v *boxAttrs, unknown schema.Unknown) providers.Places {
	if unknown.Has("name") {
		return providers.Places{}
	}
	return providers.Places{Holds: []providers.Place{boxPlace(v.Name)}}
}

func (boxType) Check(s *snapshot, p *providers.Proposed[boxAttrs]) error {
	if p.Unknown.Has("name") || p.Vacated[boxPlace(p.Attrs.Name)] {
		return nil
	}
	s.mustHave(boxPlace(p.Attrs.Name))
	if _, there := s.boxes[p.Attrs.Name]; !there {
		return nil
	}
	return &diag.Problem{Summary: "The box is there already", Detail: fmt.Sprintf("A box %q is there that diyform did not make.", p.Attrs.Name), Attribute: "name"}
}

func (t boxType) Apply(_ context.Context, k *session, action providers.Action, ops []*providers.Op[boxAttrs, identity]) {
	each(k, "box", action, ops, func(op *providers.Op[boxAttrs, identity], partly error) {
		switch action {
		case providers.Create:
			t.create(k, op, partly)
		case providers.Update:
			t.update(k, op, partly)
		case providers.Delete:
			t.delete(k, op, partly)
		}
	})
}

func (boxType) create(k *session, op *providers.Op[boxAttrs, identity], partly error) {
	name := op.Planned.Name
	if k.Boxes[name] != nil {
		op.Fail(fmt.Errorf("box %s is there already", name))
		return
	}
	b := &Box{Serial: k.nextSerial(), Revision: 1, Color: op.Planned.Color, Mark: k.env.Mark(op.Address)}
	k.Boxes[name] = b
	if partly == nil {
		b.Size, b.Note, b.Secret = op.Planned.Size, op.Planned.Note, op.Planned.Secret
	}
	settle(op, b.attrs(name), b.Serial, partly)
}

func (boxType) update(k *session, op *providers.Op[boxAttrs, identity], partly error) {
	name := op.Planned.Name
	b := k.Boxes[name]
	if b == nil || b.Serial != op.Prior.Identity.Serial {
		op.Fail(fmt.Errorf("box %s is gone", name))
		return
	}
	b.Mark = k.env.Mark(op.Address)
	b.Revision++
	b.Size = op.Planned.Size
	if partly == nil {
		b.Note, b.Secret = op.Planned.Note, op.Planned.Secret
	}
	settle(op, b.attrs(name), b.Serial, partly)
}

// delete takes along what is in the box.
func (boxType) delete(k *session, op *providers.Op[boxAttrs, identity], partly error) {
	name := op.Prior.Attrs.Name
	for user, u := range k.Users {
		if u.Box == name {
			op.Fail(fmt.Errorf("box %s is used by user %s", name, user))
			return
		}
	}
	b := k.Boxes[name]
	switch {
	case b == nil || b.Serial != op.Prior.Identity.Serial:
		k.violation("delete of %s, which is gone", op.Address)
		op.Gone()
		return
	case partly != nil:
		b.Size = 0
		settle(op, b.attrs(name), b.Serial, partly)
		return
	}
	delete(k.Boxes, name)
	for key := range k.Items {
		if key.Box == name {
			delete(k.Items, key)
		}
	}
	op.Gone()
}
