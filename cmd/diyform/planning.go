package main

import (
	"context"

	"github.com/diyform/diyform/plan"
)

// makePlan loads the configuration and plans. A destroy needs the configuration only to bind
// a plan file to it, so one that is broken or gone does not stand in its way.
func (s *session) makePlan(ctx context.Context, mode plan.Mode, f *stackFlags) (*plan.Plan, error) {
	if mode == plan.Normal {
		if err := s.loadConfig(f, nil); err != nil {
			return nil, err
		}
	}
	return s.plan(ctx, mode)
}

func (s *session) showPlan(p *plan.Plan, asJSON bool) error {
	if !asJSON {
		p.Render(s.view.out, palette(s.view.out))
		return nil
	}
	doc, err := p.JSON()
	if err != nil {
		return s.view.failWith(err, "The plan cannot be shown")
	}
	return s.view.json(doc)
}

func (s *session) writePlan(p *plan.Plan, path string, quiet bool) error {
	f, err := p.File()
	if err == nil {
		err = f.Write(path)
	}
	if err != nil {
		return s.view.failWith(err, "The plan cannot be written")
	}
	if !quiet {
		s.view.printf("\nSaved the plan to: %s\n\nTo carry out exactly these actions:\n    diyform apply %q\n", path, path)
	}
	return nil
}
