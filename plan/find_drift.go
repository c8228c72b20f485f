package plan

import (
	"context"
	"io"
	"maps"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/diyform/diyform/providers"
)

// FindDrift compares what is recorded with what is there, in the order of addresses. Other than
// for a plan, which makes it anew without a word, what a reboot took along is drift too.
func FindDrift(ctx context.Context, in Input) ([]*Drift, hcl.Diagnostics) {
	in.Mode = RefreshOnly
	p := &Plan{Input: in}
	diags := p.refresh(ctx)
	if diags.HasErrors() {
		return nil, diags
	}
	for _, r := range p.records {
		if p.holds(r.Address) {
			continue
		}
		rec, s := p.recorded[r.Address], p.Input.Registry.Type(r.Address.Type).Schema()
		p.Drift = append(p.Drift, &Drift{
			Address: r.Address, Schema: s, Before: rec.Object.Attributes, After: cty.NullVal(s.ImpliedType()),
			Sensitive: parsePaths(r.Sensitive),
		})
	}
	slices.SortFunc(p.Drift, func(a, b *Drift) int { return a.Address.Compare(b.Address) })
	return p.Drift, diags
}

// RenderDrift writes what is not as it was recorded, for people.
func RenderDrift(w io.Writer, palette Palette, headline string, list []*Drift) {
	r := &renderer{w: w, Palette: palette}
	r.drifted(headline, list)
}

// JSON gives the drift in the form of a plan's resource_drift.
func (d *Drift) JSON() (JSONChange, error) { return d.change().json() }

// Gone reports whether the object is not there any more.
func (d *Drift) Gone() bool { return d.After.IsNull() }

// NetworkNamespaces lists those that the recorded resources are or live in, by name. The host's,
// "", is always among them.
func NetworkNamespaces(in Input) ([]string, hcl.Diagnostics) {
	objects, diags := decodeRecords(in.Registry, slices.Concat(in.State.Sorted(), in.State.SortedDeposed()))
	if diags.HasErrors() {
		return nil, diags
	}
	names := map[string]bool{"": true}
	kind := providers.NetworkNamespace("").Kind
	for _, o := range objects {
		places := in.Registry.Type(o.Address.Type).Places(o.Attributes)
		for _, place := range slices.Concat(places.Holds, places.Within, places.Uses) {
			if place.Kind == kind {
				names[place.Name] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(names)), diags
}
