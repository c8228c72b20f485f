package providertest

import (
	"context"
	"fmt"

	"github.com/zclconf/go-cty/cty"

	"github.com/diyform/diyform/providers"
	"github.com/diyform/diyform/providers/schema"
)

type userAttrs struct {
	Name   string `diy:"name,optional,computed,replace"`
	Box    string `diy:"box,required,replace"`
	Job    string `diy:"job"`
	Serial int    `diy:"serial,computed"`
}

type userType struct{}

func (userType) Read(s *snapshot, rec *providers.Recorded[userAttrs, identity]) (*providers.Recorded[userAttrs, identity], error) {
	s.mustHave(userPlace(rec.Attrs.Name))
	u, ok := s.users[rec.Attrs.Name]
	if !ok || !known(s, rec, u.Serial, u.Mark) {
		return nil, nil
	}
	out := *rec
	out.Attrs = userAttrs{Name: rec.Attrs.Name, Box: u.Box, Job: u.Job, Serial: u.Serial}
	out.Identity = identity{u.Serial}
	return &out, nil
}

func (userType) Derive(d *providers.Derivation) {
	d.Default("name", cty.StringVal(providers.ObjectName(d.Address)))
}

func (userType) Places(v *userAttrs, unknown schema.Unknown) providers.Places {
	var p providers.Places
	if !unknown.Has("name") {
		p.Holds = append(p.Holds, userPlace(v.Name))
	}
	if !unknown.Has("box") {
		p.Uses = append(p.Uses, boxPlace(v.Box))
	}
	return p
}

// Prepare is here for its own sake: the intent of a creation is empty, and is given.
func (userType) Prepare(_ context.Context, k *session, op *providers.Op[userAttrs, identity]) (identity, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if _, fails := k.failures["prepare "+op.Address.String()]; fails {
		return identity{}, fmt.Errorf("prepare %s: %w", op.Address, errInjected)
	}
	return op.Intent, nil
}

func (userType) Apply(_ context.Context, k *session, action providers.Action, ops []*providers.Op[userAttrs, identity]) {
	each(k, "user", action, ops, func(op *providers.Op[userAttrs, identity], partly error) {
		if action == providers.Delete {
			if k.Users[op.Prior.Attrs.Name] == nil {
				k.violation("delete of %s, which is gone", op.Address)
			}
			delete(k.Users, op.Prior.Attrs.Name)
			op.Gone()
			return
		}
		v := op.Planned
		if k.Boxes[v.Box] == nil {
			op.Fail(fmt.Errorf("user %s: there is no box %s", v.Name, v.Box))
			return
		}
		u := k.Users[v.Name]
		if action == providers.Create {
			u = &User{Serial: k.nextSerial(), Mark: k.env.Mark(op.Address)}
			k.Users[v.Name] = u
		}
		u.Box, u.Mark = v.Box, k.env.Mark(op.Address)
		if partly == nil {
			u.Job = v.Job
		}
		v.Job, v.Serial = u.Job, u.Serial
		settle(op, v, u.Serial, partly)
	})
}
