package main

import (
	"encoding/json"
	"slices"

	"github.com/spf13/cobra"

	"github.com/diyform/diyform/plan"
	"github.com/diyform/diyform/providers"
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
			s, err := newSession(v)
			if err == nil {
				err = s.load()
			}
			if err != nil {
				return v.stateError(err)
			}
			if asJSON {
				doc, err := stateJSON(s.registry, s.state)
				if err != nil {
					return v.stateError(err)
				}
				return v.json(doc)
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
	p, err := file.Plan(registry.New())
	if err != nil {
		return v.failWith(err, "The plan cannot be read")
	}
	if !asJSON {
		p.Render(v.out, palette(v.out))
		return nil
	}
	doc, err := p.JSON()
	if err != nil {
		return v.failWith(err, "The plan cannot be shown")
	}
	return v.json(doc)
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

// stateJSON is the state in the form of `terraform show -json`, format 1.0.
func stateJSON(registry *providers.Registry, st *state.State) (map[string]any, error) {
	resources := []map[string]any{}
	for i, r := range slices.Concat(st.Sorted(), st.SortedDeposed()) {
		attributes, err := plan.PlainAttributes(registry, r)
		if err != nil {
			return nil, err
		}
		item := map[string]any{
			"address": r.Address.String(), "mode": "managed", "type": r.Address.Type, "name": r.Address.Name,
			"provider_name": "diyform", "schema_version": r.SchemaVersion,
			"values": nullable(attributes), "sensitive_values": sensitiveValues(r.Sensitive),
		}
		if i, ok := r.Address.Key.Int(); ok {
			item["index"] = i
		} else if k, ok := r.Address.Key.Str(); ok {
			item["index"] = k
		}
		if len(r.Dependencies) > 0 {
			item["depends_on"] = r.Dependencies
		}
		if r.Status == state.Tainted {
			item["tainted"] = true
		}
		if i >= len(st.Resources) {
			item["deposed_key"] = plan.DeposedKey
		}
		resources = append(resources, item)
	}
	return map[string]any{
		"format_version": "1.0",
		"values":         map[string]any{"outputs": outputsJSON(st), "root_module": map[string]any{"resources": resources}},
	}, nil
}

func outputsJSON(st *state.State) map[string]any {
	outputs := map[string]any{}
	for name, o := range st.Outputs {
		outputs[name] = map[string]any{"sensitive": o.Sensitive, "type": o.Type, "value": o.Value}
	}
	return outputs
}

func sensitiveValues(paths []string) map[string]any {
	out := map[string]any{}
	for _, p := range paths {
		out[p] = true
	}
	return out
}

func nullable(raw json.RawMessage) json.RawMessage {
	if len(raw) == 0 {
		return json.RawMessage("null")
	}
	return raw
}
