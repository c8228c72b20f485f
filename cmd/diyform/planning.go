package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"

	"github.com/diyform/diyform/internal/diag"
	"github.com/diyform/diyform/internal/modsource"
	"github.com/diyform/diyform/plan"
)

// makePlan loads the configuration and plans.
func (s *session) makePlan(ctx context.Context, mode plan.Mode, f *stackFlags) (*plan.Plan, error) {
	options, err := f.options()
	if err != nil {
		return nil, s.view.failWith(err, "Not an address")
	}
	if mode != plan.Normal {
		s.loadProtection()
	} else if err := s.loadConfig(ctx, f, nil); err != nil {
		return nil, err
	}
	if f.generate != "" {
		if err := s.generate(ctx, f); err != nil {
			return nil, err
		}
	}
	return s.plan(ctx, mode, options)
}

// loadProtection loads the configuration for a destroy, which needs it only to see what must
// not be destroyed. One that is broken or gone does not stand in its way, nor does a module that
// cannot be downloaded any more.
func (s *session) loadProtection() {
	loader := s.view.loader(context.Background(), modsource.New("."), modsource.Options{Offline: true})
	if cfg, diags := loader.Load("."); !diags.HasErrors() {
		s.config = cfg
	}
}

// showPlan shows a plan, and below it the warnings about it: above a long one they would be out of
// sight when it is agreed to.
func (v *view) showPlan(p *plan.Plan) {
	if v.stream != nil {
		v.stream.planned(p)
		return
	}
	p.Render(v.out, palette(v.out))
	if len(v.held) > 0 {
		fmt.Fprintln(v.err)
	}
	v.release()
}

func (s *session) writePlan(p *plan.Plan, path string) error {
	f, err := p.File()
	if err == nil {
		err = f.Write(path)
	}
	if err != nil {
		return s.view.failWith(err, "The plan cannot be written")
	}
	if s.view.stream == nil {
		s.view.printf("\nSaved the plan to: %s\n\nTo carry out exactly these actions:\n    diyform apply %q\n", path, path)
	}
	return nil
}

// readPlan reads a plan file. What else people give instead of one is told.
func readPlan(path string) (*plan.File, error) {
	file, err := plan.ReadFile(path)
	problem := func(format string, args ...any) error {
		return &diag.Problem{Summary: "Not a plan file", Detail: fmt.Sprintf(format, args...), Err: err}
	}
	switch {
	case err == nil:
		return file, nil
	case errors.Is(err, fs.ErrNotExist):
		return nil, problem("There is no file %s. `diyform plan -out=%[1]s` writes it.", path)
	case errors.Is(err, syscall.EISDIR):
		return nil, problem("%s is a folder. To work in it: diyform -chdir=%[1]s apply.", path)
	case errors.Is(err, fs.ErrPermission):
		return nil, problem("%s cannot be read: permission denied. It is readable by who made the plan, %s, alone.", path, ownerOf(path))
	case isState(path):
		return nil, problem("%s records a state. A plan is what `diyform plan -out=FILE` writes; without a file, apply makes one itself.", path)
	}
	return nil, err
}

// isState reports whether the file looks like the recorded state.
func isState(path string) bool {
	var keys struct{ Lineage, Resources json.RawMessage }
	b, err := os.ReadFile(path)
	return err == nil && json.Unmarshal(b, &keys) == nil && keys.Lineage != nil && keys.Resources != nil
}
