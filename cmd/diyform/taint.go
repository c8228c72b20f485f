package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/diyform/diyform/internal/addr"
	"github.com/diyform/diyform/internal/diag"
	"github.com/diyform/diyform/state"
)

func newTaint(v *view) *cobra.Command {
	return newStatusCommand(v, "taint", "Have a resource replaced by the next apply",
		"Marks a recorded resource as one that is not as it should be, so that the next apply replaces it. Nothing is\n"+
			"changed in the kernel, and `diyform untaint` takes it back. `diyform apply -replace=ADDRESS` does it at once.",
		"%s is marked as tainted: the next apply replaces it.\n", taint)
}

func newUntaint(v *view) *cobra.Command {
	return newStatusCommand(v, "untaint", "Take a resource as good that is marked as tainted",
		"Takes back `diyform taint`, or what an apply found that could make a resource only in part.",
		"%s is not tainted any more.\n", untaint)
}

func newStatusCommand(v *view, name, short, long, done string, change func(*state.State, *state.Resource) error) *cobra.Command {
	var flags amendFlags
	var allowMissing bool
	cmd := &cobra.Command{
		Use: name + " ADDRESS", Short: short, Long: long,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			a, err := addr.Parse(args[0])
			if err != nil {
				return v.failWith(err, "Not an address")
			}
			missing := false
			err = v.amend(cmd.Context(), name, flags, func(st *state.State) error {
				r := st.Resources[a]
				if missing = r == nil && allowMissing; missing {
					return nil
				}
				if r == nil {
					return notRecorded(st, a.String())
				}
				return change(st, r)
			})
			switch {
			case err != nil:
				return err
			case missing:
				v.diagnostics(nil, diag.FromError(&diag.Problem{Warning: true, Summary: "No such resource",
					Detail: fmt.Sprintf("The state records no %s, and with -allow-missing that is no error.", a)}, "", nil))
			default:
				v.printf(done, a)
			}
			return nil
		},
	}
	flags.add(cmd)
	cmd.Flags().BoolVar(&allowMissing, "allow-missing", false, "a resource that is not recorded is no error")
	return cmd
}

func taint(st *state.State, r *state.Resource) error {
	if r.Status == state.Unfinished {
		return unfinished(r)
	}
	st.SetStatus(r.Address, state.Tainted)
	return nil
}

func untaint(st *state.State, r *state.Resource) error {
	switch r.Status {
	case state.Unfinished:
		return unfinished(r)
	case state.Ready:
		return &diag.Problem{Summary: "The resource is not tainted", Detail: fmt.Sprintf("%s is not marked as tainted.", r.Address)}
	}
	st.SetStatus(r.Address, state.Ready)
	return nil
}

func unfinished(r *state.Resource) error {
	return &diag.Problem{
		Summary: "The resource is not finished",
		Detail: fmt.Sprintf("A run was interrupted while it was at work on %s, and what there is of it only the kernel knows. "+
			"`diyform apply` looks it up and finishes it, `diyform apply -refresh-only` looks it up alone.", r.Address),
	}
}
