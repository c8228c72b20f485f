package providertest

import (
	"context"
	"fmt"

	"github.com/diyform/diyform/internal/diag"
)

type lookupAttrs struct {
	Box    string `diy:"box,required"`
	Unit   int    `diy:"unit" default:"1" min:"1"`
	Size   int    `diy:"size,computed"`
	Color  string `diy:"color,computed"`
	Secret string `diy:"secret,computed,sensitive"`
}

// lookup tells the size of a box in units.
type lookup struct{}

func (lookup) Read(_ context.Context, k *session, v *lookupAttrs) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.Log = append(k.Log, "read lookup: "+v.Box)
	b := k.Boxes[v.Box]
	if b == nil {
		return &diag.Problem{Summary: "No such box", Detail: fmt.Sprintf("There is no box %q.", v.Box), Attribute: "box"}
	}
	v.Size, v.Color, v.Secret = b.Size/v.Unit, b.Color, b.Secret
	return nil
}
