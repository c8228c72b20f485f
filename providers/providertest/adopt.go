package providertest

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/diyform/diyform/providers"
)

// Boxes and items can be imported, boxes be let go of, and rails neither.

func (boxType) ImportForm() string { return "NAME" }

func (boxType) Locate(id string) (boxAttrs, error) {
	if strings.Contains(id, "/") {
		return boxAttrs{}, errors.New("a box has no slash in its name")
	}
	return boxAttrs{Name: id}, nil
}

func (boxType) Import(s *snapshot, r *providers.Recorded[boxAttrs, identity]) (*providers.Recorded[boxAttrs, identity], error) {
	s.mustHave(boxPlace(r.Attrs.Name))
	b, there := s.boxes[r.Attrs.Name]
	id, err := found(s, "box "+r.Attrs.Name, there, b.Serial, b.Mark)
	if err != nil {
		return nil, err
	}
	out := *r
	out.Attrs, out.Identity = b.attrs(r.Attrs.Name), id
	return &out, nil
}

func (boxType) Release(_ context.Context, k *session, ops []*providers.Op[boxAttrs, identity]) {
	each(k, "box", providers.Release, ops, func(op *providers.Op[boxAttrs, identity], partly error) {
		if partly != nil {
			op.Fail(partly)
			return
		}
		k.Boxes[op.Prior.Attrs.Name].Mark = ""
		op.Gone()
	})
}

func (itemType) ImportForm() string { return "BOX/NAME" }

func (itemType) Locate(id string) (itemAttrs, error) {
	box, name, ok := strings.Cut(id, "/")
	if !ok {
		return itemAttrs{}, errors.New("the box is missing")
	}
	return itemAttrs{Box: box, Name: name}, nil
}

func (itemType) Import(s *snapshot, r *providers.Recorded[itemAttrs, identity]) (*providers.Recorded[itemAttrs, identity], error) {
	s.mustHave(boxPlace(r.Attrs.Box))
	i, there := s.items[r.Attrs.key()]
	id, err := found(s, fmt.Sprintf("item %s/%s", r.Attrs.Box, r.Attrs.Name), there, i.Serial, i.Mark)
	if err != nil {
		return nil, err
	}
	out := *r
	out.Attrs, out.Identity = i.attrs(r.Attrs.key()), id
	return &out, nil
}

func (railType) RefuseImport() string { return "A rail is laid, and cannot be taken up." }

func (railType) RefuseRelease() string { return "Rails need somebody who looks after them." }

var _ providers.Importer[boxAttrs, identity, *snapshot] = boxType{}
var _ providers.Importer[itemAttrs, identity, *snapshot] = itemType{}
var _ providers.Releaser[boxAttrs, identity, *session] = boxType{}
var _ providers.Refuser = railType{}
