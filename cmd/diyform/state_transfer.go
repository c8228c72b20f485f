package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/spf13/cobra"

	"github.com/diyform/diyform/internal/diag"
	"github.com/diyform/diyform/plan"
	"github.com/diyform/diyform/state"
)

func newStatePull(v *view) *cobra.Command {
	return &cobra.Command{
		Use:   "pull",
		Short: "Print the state of the selected workspace as the document that it is",
		Long: "Prints the state as `diyform state push` reads it. What a run that was interrupted has left in its journal is in\n" +
			"it. It may hold secrets.",
		Args: noArguments,
		RunE: func(*cobra.Command, []string) error {
			st, err := loadState()
			if err != nil {
				return v.stateError(err)
			}
			if st.Serial == 0 {
				fmt.Fprintln(v.err, "Nothing is recorded yet.")
				return nil
			}
			document, err := st.Document()
			if err != nil {
				return v.stateError(err)
			}
			v.printf("%s", document)
			return nil
		},
	}
}

func newStatePush(v *view) *cobra.Command {
	var flags amendFlags
	var force bool
	cmd := &cobra.Command{
		Use:   "push FILE",
		Short: "Put a state document in the place of the recorded one",
		Long: "Puts a document in the place of the recorded state of the selected workspace: a file's, or with - what comes on\n" +
			"the standard input. It must be of the same lineage, and its serial greater. The state from before is kept in\n" +
			state.BackupFile + ". What either of them records is not looked up in the kernel, and not changed.",
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return v.push(cmd.Context(), args[0], force, flags)
		},
	}
	flags.add(cmd)
	cmd.Flags().BoolVar(&force, "force", false, "also a state of another lineage, or an older one")
	return cmd
}

func (v *view) push(ctx context.Context, path string, force bool, f amendFlags) error {
	st, err := v.readDocument(path)
	if err != nil {
		return v.failWith(err, "The document cannot be read")
	}
	s, err := newSession(v)
	if err != nil {
		return v.stateError(err)
	}
	if err := s.checkTypes(st); err != nil {
		return v.failWith(err, "The document cannot be used")
	}
	if err := s.takeLock(ctx, "state push", f.lockTimeout); err != nil {
		return v.failWith(explainAccess(err), "The state cannot be locked")
	}
	defer s.unlock()
	if !force {
		if err := s.checkTwins(st); err != nil {
			return v.failWith(err, "The document cannot be used")
		}
	}
	if err := s.store.Push(st, force); err != nil {
		return v.failWith(explainPush(explainAccess(err)), "The state cannot be pushed")
	}
	return nil
}

func (v *view) readDocument(path string) (*state.State, error) {
	name := path
	var data []byte
	var err error
	if path == "-" {
		name = "standard input"
		data, err = io.ReadAll(v.in)
	} else {
		data, err = os.ReadFile(path)
	}
	if err != nil {
		return nil, err
	}
	return state.ReadDocument(name, data)
}

// checkTypes refuses records that no command could read.
func (s *session) checkTypes(st *state.State) error {
	var errs []error
	for _, r := range slices.Concat(st.Sorted(), st.SortedDeposed()) {
		_, _, err := plan.DecodeRecord(s.registry, r)
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// checkTwins refuses the state of another workspace: both would take the same objects in the
// kernel for theirs, and what one of them destroys is the other's.
func (s *session) checkTwins(st *state.State) error {
	lineages, err := state.Lineages(".")
	if err != nil {
		return err
	}
	twin := ""
	for name, lineage := range lineages {
		if lineage == st.Lineage && name != s.workspace {
			twin = name
		}
	}
	if twin == "" {
		return nil
	}
	return &diag.Problem{
		Summary: "The state is another workspace's",
		Detail: fmt.Sprintf("It has the lineage of the workspace %q, which has those objects in the kernel. In two workspaces they would "+
			"be destroyed by whichever is destroyed first. With -force it is done all the same.", twin),
	}
}

func explainPush(err error) error {
	problem := func(summary, advice string) error {
		return &diag.Problem{Summary: summary, Detail: fmt.Sprintf("The document was not taken: %s. %s", err, advice), Err: err}
	}
	switch {
	case errors.As(err, new(*state.ForeignError)):
		return problem("The document is of another state",
			"Objects in the kernel are known by the lineage, so what is recorded now would be forgotten. -force does it all the same.")
	case errors.As(err, new(*state.OlderError)):
		return problem("The document is not newer",
			"What happened since it was pulled would be forgotten. Pull again and change that, or use -force.")
	case errors.Is(err, state.ErrInterrupted):
		return problem("A run was interrupted", "`diyform apply -refresh-only` does that. With -force it is forgotten.")
	}
	return err
}
