package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/diyform/diyform/internal/addr"
	"github.com/diyform/diyform/internal/diag"
	"github.com/diyform/diyform/state"
)

func newState(v *view) *cobra.Command {
	cmd := &cobra.Command{
		Use: "state", Short: "Look at what is recorded, and correct it",
		Long: "Looks at what is recorded, and corrects it. What these commands change is the record alone: the kernel is not\n" +
			"asked for anything. The state from before is kept in " + state.BackupFile + ".",
		Args: commandsOnly, RunE: showHelp,
	}
	cmd.AddCommand(newStateList(v), newStateShow(v), newStateMv(v), newStateReplace(v), newStateRm(v), newStatePull(v), newStatePush(v))
	return cmd
}

func showHelp(cmd *cobra.Command, _ []string) error { return cmd.Help() }

func newStateList(v *view) *cobra.Command {
	var id string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "list [ADDRESS ...]",
		Short: "List the recorded resources",
		Long: "Lists the addresses of the recorded resources, or those of the given blocks, instances and modules, which must\n" +
			"be there.",
		RunE: func(_ *cobra.Command, args []string) error {
			st, err := loadState()
			if err != nil {
				return v.stateError(err)
			}
			list, err := selectRecords(st, args)
			if err != nil {
				return v.failWith(err, "Not an address")
			}
			if id != "" {
				list = slices.DeleteFunc(list, func(r *state.Resource) bool { return idOf(r) != id })
			}
			if asJSON {
				return v.json(addressesOf(list))
			}
			for _, r := range list {
				v.printf("%s\n", r.Address)
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&id, "id", "", "those alone whose attribute id has this value")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print as JSON")
	return cmd
}

func addressesOf(list []*state.Resource) []string {
	out := []string{}
	for _, r := range list {
		out = append(out, r.Address.String())
	}
	return out
}

// idOf gives the attribute id, "" where there is none.
func idOf(r *state.Resource) string {
	var attributes struct {
		ID any `json:"id"`
	}
	if json.Unmarshal(r.Attributes, &attributes) != nil {
		return ""
	}
	id, _ := attributes.ID.(string)
	return id
}

// selectRecords gives the records that any of the addresses is about, in their order; all of
// them without any address. An address that is about none is an error.
func selectRecords(st *state.State, addresses []string) ([]*state.Resource, error) {
	if len(addresses) == 0 {
		return st.Sorted(), nil
	}
	chosen := map[addr.Instance]bool{}
	for _, text := range addresses {
		what, err := state.ParseSelection(text)
		if err != nil {
			return nil, err
		}
		before := len(chosen)
		found := false
		for a := range st.Resources {
			if what.Matches(a) {
				chosen[a], found = true, true
			}
		}
		if len(chosen) == before && !found {
			return nil, notRecorded(st, text)
		}
	}
	return slices.DeleteFunc(st.Sorted(), func(r *state.Resource) bool { return !chosen[r.Address] }), nil
}

// notRecorded says that the state has nothing at an address, and what it has nearby.
func notRecorded(st *state.State, text string) error {
	hint := suggestInstances(st, text)
	if hint == "" {
		var known []string
		for _, r := range st.Sorted() {
			known = append(known, r.Address.String(), r.Address.Resource.String())
			if m := string(r.Address.Module); m != "" {
				known = append(known, m)
			}
		}
		hint = diag.Suggest(text, known)
	}
	return &diag.Problem{
		Summary: "No such resource",
		Detail:  fmt.Sprintf("The state records no %s.%s `diyform state list` lists what it records.", text, hint),
	}
}

// suggestInstances tells who named a block which instances it has.
func suggestInstances(st *state.State, block string) string {
	var have []string
	for _, r := range st.Sorted() {
		if r.Address.Resource.String() == block && !r.Address.Key.IsZero() {
			have = append(have, r.Address.String())
		}
	}
	const most = 3
	switch n := len(have); {
	case n == 0:
		return ""
	case n > most:
		have = append(have[:most], fmt.Sprintf("and %d more", n-most))
	}
	return fmt.Sprintf(" It has the instances %s.", strings.Join(have, ", "))
}

func newStateShow(v *view) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "show ADDRESS",
		Short: "Show one recorded resource",
		Args:  cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			s, err := loadSession(v)
			if err != nil {
				return v.stateError(err)
			}
			r, err := s.find(args[0])
			if err != nil {
				return v.failWith(err, "")
			}
			if !asJSON {
				return s.showResource(r)
			}
			one := *s.state
			one.Resources, one.Deposed, one.Outputs = map[addr.Instance]*state.Resource{r.Address: r}, nil, nil
			return s.showJSON(&one)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print it as JSON, in the form of diyform show -json")
	return cmd
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
	return nil, notRecorded(s.state, a.String())
}
