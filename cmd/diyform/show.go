package main

import (
	"github.com/spf13/cobra"

	"github.com/diyform/diyform/plan"
	"github.com/diyform/diyform/providers/registry"
	"github.com/diyform/diyform/state"
)

func newShow(v *view) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "show [PLANFILE]",
		Short: "Show what is recorded, or a plan file",
		Args:  cobra.MaximumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) == 1 {
				return v.showFile(args[0], asJSON)
			}
			s, err := loadSession(v)
			if err != nil {
				return v.stateError(err)
			}
			if asJSON {
				return s.showJSON(s.state)
			}
			return s.showState()
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print it as JSON, in the form of terraform show -json")
	return cmd
}

func (v *view) showFile(path string, asJSON bool) error {
	file, err := readPlan(path)
	if err != nil {
		return v.failWith(err, "The plan cannot be read")
	}
	if asJSON {
		return v.json(file.Document)
	}
	p, err := file.Plan(registry.New())
	if err != nil {
		return v.failWith(err, "The plan cannot be read")
	}
	p.Render(v.out, palette(v.out))
	return nil
}

func (s *session) showState() error {
	for i, r := range s.state.Sorted() {
		if i > 0 {
			s.view.printf("\n")
		}
		if err := s.showResource(r); err != nil {
			return err
		}
	}
	for _, r := range s.state.SortedDeposed() {
		s.view.printf("\n# The next apply destroys the deposed object of\n")
		if err := s.showResource(r); err != nil {
			return err
		}
	}
	if len(s.state.Resources)+len(s.state.Deposed) == 0 && len(s.state.Outputs) == 0 {
		s.view.printf("Nothing is recorded.\n")
	}
	if len(s.state.Outputs) > 0 {
		s.view.printf("\nOutputs:\n\n")
		s.view.printOutputs(s.state.Outputs)
	}
	return nil
}

func (s *session) showResource(r *state.Resource) error {
	object, t, err := plan.DecodeRecord(s.registry, r)
	if err != nil {
		return s.view.stateError(err)
	}
	plan.RenderObject(s.view.out, palette(s.view.out), r.Address, t.Schema(), object.Attributes, r.Sensitive)
	return nil
}

// showJSON prints a state in the form of terraform show -json.
func (s *session) showJSON(st *state.State) error {
	doc, err := plan.StateJSON(s.registry, st)
	if err != nil {
		return s.view.stateError(err)
	}
	return s.view.json(doc)
}
