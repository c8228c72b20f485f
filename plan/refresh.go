package plan

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"sync"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/diyform/diyform/internal/addr"
	"github.com/diyform/diyform/internal/diag"
	"github.com/diyform/diyform/providers"
	"github.com/diyform/diyform/providers/schema"
	"github.com/diyform/diyform/state"
)

// refresh reads every recorded object from the kernel and notes what drifted.
func (p *Plan) refresh(ctx context.Context) hcl.Diagnostics {
	p.recorded = make(map[addr.Instance]*Recorded, len(p.Input.State.Resources))
	p.records = p.Input.State.Sorted()
	p.deposed = map[addr.Instance]*Recorded{}
	all := slices.Concat(p.records, p.Input.State.SortedDeposed())
	objects, diags := decodeRecords(p.Input.Registry, all)
	if diags.HasErrors() {
		return diags
	}
	bySession := map[providers.Session][]*Recorded{}
	for i, r := range all {
		rec := &Recorded{Object: objects[i], Record: r}
		if i < len(p.records) {
			p.recorded[r.Address] = rec
		} else {
			p.deposed[r.Address] = rec
		}
		// After a reboot nothing that was recorded is there but files, and numbers that the
		// kernel gave may mean something else now.
		switch {
		case !p.holds(r.Address):
		case p.Input.Options.NoRefresh:
			rec.Actual = rec.Object
		default:
			s := p.Input.Sessions.OfType(r.Address.Type)
			bySession[s] = append(bySession[s], rec)
		}
	}
	p.reading(bySession, false)
	diags = append(diags, read(ctx, bySession)...)
	p.reading(bySession, true)
	if !diags.HasErrors() {
		p.sortOut()
		p.noteDrift()
	}
	return diags
}

// holds reports whether what is recorded of a resource means something in this boot.
func (p *Plan) holds(a addr.Instance) bool {
	if p.Input.State.BootID == p.Input.Env.BootID {
		return true
	}
	t := p.Input.Registry.Type(a.Type)
	return t != nil && t.Lasts()
}

// decodeRecords gives the recorded objects in order, decoded on all processors.
func decodeRecords(registry *providers.Registry, records []*state.Resource) ([]*providers.Object, hcl.Diagnostics) {
	objects, errs := make([]*providers.Object, len(records)), make([]error, len(records))
	var wg sync.WaitGroup
	workers := runtime.GOMAXPROCS(0)
	for w := range workers {
		wg.Go(func() {
			for i := w; i < len(records); i += workers {
				objects[i], _, errs[i] = DecodeRecord(registry, records[i])
			}
		})
	}
	wg.Wait()
	var diags hcl.Diagnostics
	for _, err := range errs {
		diags = append(diags, diag.FromError(err, "The state cannot be read", nil)...)
	}
	return objects, diags
}

// DecodeRecord gives a recorded object and its type.
func DecodeRecord(registry *providers.Registry, r *state.Resource) (*providers.Object, providers.Type, error) {
	t := registry.Type(r.Address.Type)
	if t == nil {
		return nil, nil, &diag.Problem{
			Summary: "Unknown resource type in the state",
			Detail:  fmt.Sprintf("The state records %s, and this version of diyform knows no such type. Use the version that wrote it.", r.Address),
		}
	}
	o, err := decodeRecord(r, t.Schema())
	return o, t, err
}

// Refresh reads the recorded objects that pick chooses from the kernel, in the order of
// their addresses.
func Refresh(ctx context.Context, in Input, pick func(addr.Instance) bool) ([]*Recorded, hcl.Diagnostics) {
	chosen := *in.State
	chosen.Resources, chosen.Deposed = map[addr.Instance]*state.Resource{}, nil
	for a, r := range in.State.Resources {
		if pick(a) {
			chosen.Resources[a] = r
		}
	}
	in.State = &chosen
	p := &Plan{Input: in}
	diags := p.refresh(ctx)
	if diags.HasErrors() {
		return nil, diags
	}
	var out []*Recorded
	for _, r := range chosen.Sorted() {
		out = append(out, p.recorded[r.Address])
	}
	return out, diags
}

func decodeRecord(r *state.Resource, s *schema.Schema) (*providers.Object, error) {
	o := &providers.Object{
		Address: r.Address, Identity: r.Identity, Unfinished: r.Status == state.Unfinished, KnownAs: r.KnownAs, MadeAs: r.MadeAs,
	}
	if len(r.Attributes) == 0 {
		o.Attributes = cty.NullVal(s.ImpliedType())
		return o, nil
	}
	v, err := s.Parse(r.Attributes)
	if err != nil {
		return nil, fmt.Errorf("attributes of %s: %w", r.Address, err)
	}
	o.Attributes = v
	return o, nil
}

// read takes one snapshot a provider, all providers at once. What fails is told in the order of
// addresses, whichever provider is done first.
func read(ctx context.Context, bySession map[providers.Session][]*Recorded) hcl.Diagnostics {
	var (
		mu     sync.Mutex
		failed = map[addr.Instance]hcl.Diagnostics{}
		wg     sync.WaitGroup
	)
	for session, list := range bySession {
		wg.Go(func() {
			objects := make([]*providers.Object, len(list))
			for i, rec := range list {
				objects[i] = rec.Object
			}
			readings := session.Snapshot().Read(ctx, objects)
			mu.Lock()
			defer mu.Unlock()
			seen := map[string]bool{}
			for i, r := range readings {
				list[i].Actual = r.Object
				if r.Err != nil && !seen[r.Err.Error()] {
					seen[r.Err.Error()] = true
					at := list[i].Object.Address
					failed[at] = append(failed[at], located(r.Err, "The kernel could not be read", at)...)
				}
			}
		})
	}
	wg.Wait()
	var diags hcl.Diagnostics
	for _, at := range sortedInstances(failed) {
		diags = append(diags, failed[at]...)
	}
	return diags
}

// reading tells whoever wants to know what is about to be read, or was.
func (p *Plan) reading(bySession map[providers.Session][]*Recorded, done bool) {
	if p.Input.Reading == nil {
		return
	}
	read := map[*Recorded]bool{}
	for _, list := range bySession {
		for _, rec := range list {
			read[rec] = true
		}
	}
	for _, r := range p.records {
		if read[p.recorded[r.Address]] {
			p.Input.Reading(r.Address, done)
		}
	}
}

func (p *Plan) noteDrift() {
	for _, r := range p.records {
		rec := p.recorded[r.Address]
		if rec.Actual == rec.Object {
			continue // as it was, to the last letter
		}
		if rec.Object.Unfinished || !p.holds(r.Address) {
			continue // not drift: a crash, or a reboot
		}
		s := p.Input.Registry.Type(r.Address.Type).Schema()
		d := &Drift{Address: r.Address, Schema: s, Before: rec.Object.Attributes, Sensitive: parsePaths(r.Sensitive)}
		if rec.Actual == nil {
			d.After = cty.NullVal(s.ImpliedType())
		} else {
			d.After = rec.Actual.Attributes
			d.Differences = s.Diff(d.Before, d.After)
			if len(d.Differences) == 0 {
				continue
			}
		}
		p.Drift = append(p.Drift, d)
	}
}

// change is the drift in the form of a change.
func (d *Drift) change() *Change {
	c := &Change{
		Address: d.Address, Action: Update, Schema: d.Schema, Before: d.Before, After: d.After,
		Differences: d.Differences, SensitiveBefore: d.Sensitive,
	}
	if d.After.IsNull() {
		c.Action = Delete
	}
	return c
}
