package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/diyform/diyform/internal/addr"
	"github.com/diyform/diyform/internal/diag"
	"github.com/diyform/diyform/providers/registry"
	"github.com/diyform/diyform/state"
)

func newState(v *view) *cobra.Command {
	cmd := &cobra.Command{Use: "state", Short: "Look at what is recorded", Args: commandsOnly, RunE: showHelp}
	cmd.AddCommand(newStateList(v), newStateShow(v))
	return cmd
}

func showHelp(cmd *cobra.Command, _ []string) error { return cmd.Help() }

func newStateList(v *view) *cobra.Command {
	return &cobra.Command{
		Use:   "list [ADDRESS ...]",
		Short: "List the recorded resources",
		Long:  "Lists the addresses of the recorded resources, or those that belong to the given blocks.",
		RunE: func(_ *cobra.Command, args []string) error {
			st, _, err := state.Open(".").Load()
			if err != nil {
				return v.stateError(err)
			}
			for _, r := range st.Sorted() {
				if len(args) == 0 || belongs(r.Address, args) {
					v.printf("%s\n", r.Address)
				}
			}
			return nil
		},
	}
}

func belongs(a addr.Instance, wanted []string) bool {
	for _, w := range wanted {
		s := a.String()
		if s == w || a.Resource.String() == w || strings.HasPrefix(s, w+".") {
			return true
		}
	}
	return false
}

func newStateShow(v *view) *cobra.Command {
	return &cobra.Command{
		Use:   "show ADDRESS",
		Short: "Show one recorded resource",
		Args:  cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			s := &session{view: v, registry: registry.New(), store: state.Open(".")}
			if err := s.load(); err != nil {
				return v.stateError(err)
			}
			r, err := s.find(args[0])
			if err != nil {
				return v.failWith(err, "")
			}
			return s.showResource(r)
		},
	}
}

// suggestType tells who gave a name alone which resources have it.
func (s *session) suggestType(name string) string {
	var have []string
	for _, r := range s.state.Sorted() {
		if r.Address.Name == name {
			have = append(have, r.Address.String())
		}
	}
	if len(have) == 0 {
		return ""
	}
	return fmt.Sprintf(" There is %s.", strings.Join(have, ", "))
}

// find gives the recorded resource of an address, or an error that suggests another.
func (s *session) find(text string) (*state.Resource, error) {
	a, err := addr.Parse(text)
	if err != nil {
		return nil, &diag.Problem{Summary: "Not an address", Detail: diag.Sentence(err.Error()) + s.suggestType(text), Err: err}
	}
	if r := s.state.Resources[a]; r != nil {
		return r, nil
	}
	var known []string
	for _, r := range s.state.Sorted() {
		known = append(known, r.Address.String())
	}
	return nil, &diag.Problem{
		Summary: "No such resource",
		Detail:  fmt.Sprintf("The state records no %s.%s `diyform state list` lists what it records.", a, diag.Suggest(text, known)),
	}
}
