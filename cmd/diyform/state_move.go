package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/diyform/diyform/internal/diag"
	"github.com/diyform/diyform/state"
)

// amendFlags are those of commands that correct the record.
type amendFlags struct {
	dryRun      bool
	lockTimeout time.Duration
}

func (f *amendFlags) add(cmd *cobra.Command) {
	cmd.Flags().DurationVar(&f.lockTimeout, "lock-timeout", 0, "how long to wait for another command to end, as in 30s")
}

func (f *amendFlags) addDryRun(cmd *cobra.Command) {
	f.add(cmd)
	cmd.Flags().BoolVar(&f.dryRun, "dry-run", false, "tell what would be done, and do nothing")
}

// amend corrects the record under the lock; in a dry run, a copy of it.
func (v *view) amend(ctx context.Context, command string, f amendFlags, change func(*state.State) error) error {
	s, err := newSession(v)
	if err != nil {
		return v.stateError(err)
	}
	if f.dryRun {
		if err := s.load(); err != nil {
			return v.stateError(err)
		}
		if err := change(s.state); err != nil {
			return v.failWith(err, "The record cannot be changed")
		}
		return nil
	}
	if err := s.takeLock(ctx, command, f.lockTimeout); err != nil {
		return v.failWith(explainAccess(err), "The state cannot be locked")
	}
	defer s.unlock()
	if err := s.store.Amend(change); err != nil {
		return v.failWith(explainAccess(err), "The record cannot be changed")
	}
	return nil
}

func newStateMv(v *view) *cobra.Command {
	return newMoveCommand(v, &cobra.Command{
		Use:   "mv SOURCE DESTINATION",
		Short: "Record a resource, a whole block or a module at another address",
		Long: "Records an instance, a block with all of its instances, or a module with all that is in it at another address,\n" +
			"as after the same change of the configuration. Nothing changes in the kernel: the next apply gives the objects\n" +
			"the mark of their new address. What depends on them follows.",
		Example: "  diyform state mv bridge.lan bridge.core\n" +
			"  diyform state mv 'bridge.lan[\"a\"]' bridge.lan_a\n" +
			"  diyform state mv module.lab 'module.labs[\"a\"]'",
	}, moveRecords)
}

// newMoveCommand is a command that gives records other addresses by what move makes of its two
// arguments.
func newMoveCommand(v *view, cmd *cobra.Command, move func(st *state.State, source, destination string) ([]state.Move, error)) *cobra.Command {
	var flags amendFlags
	cmd.Args = cobra.ExactArgs(2)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		var moves []state.Move
		err := v.amend(cmd.Context(), cmdPath(cmd), flags, func(st *state.State) (err error) {
			moves, err = move(st, args[0], args[1])
			return err
		})
		if err == nil {
			v.printMoves(moves, flags.dryRun)
		}
		return err
	}
	flags.addDryRun(cmd)
	return cmd
}

func (v *view) printMoves(moves []state.Move, dryRun bool) {
	verb, sum := "Move", "Moved"
	if dryRun {
		verb, sum = "Would move", "Would move"
	}
	for _, m := range moves {
		v.printf("%s %s to %s\n", verb, m.From, m.To)
	}
	v.printf("%s %s.\n", sum, count(len(moves), "resource"))
}

// moveRecords carries out `state mv`.
func moveRecords(st *state.State, source, destination string) ([]state.Move, error) {
	from, to, err := parsePair(source, destination)
	if err != nil {
		return nil, err
	}
	if err := checkSource(st, from, to); err != nil {
		return nil, err
	}
	moves, err := st.Rename(from.Moved(to))
	return moves, explainMove(st, err)
}

// checkSource refuses what cannot be moved as one.
func checkSource(st *state.State, from, to state.Selection) error {
	records, err := selectRecords(st, []string{from.String()})
	if err != nil {
		return err
	}
	problem := func(format string, args ...any) error {
		return &diag.Problem{Summary: "Several instances cannot become one", Detail: fmt.Sprintf(format, args...)}
	}
	for _, r := range records {
		precedes, splits := from.Precedes(r.Address)
		if !precedes {
			return problem("%s is in several instances of a module, as in %s. Name one of them, or move it in all of them with "+
				"`diyform state replace`.", from, r.Address)
		}
		if splits && to.HasKey() {
			return problem("%s has instances with keys of their own, as in %s, and %s is one instance. Name the one that is to be "+
				"moved, or a destination without a key.", from, r.Address, to)
		}
	}
	return nil
}

func parsePair(source, destination string) (from, to state.Selection, err error) {
	if from, err = state.ParseSelection(source); err != nil {
		return from, to, notAnAddress(err)
	}
	if to, err = state.ParseSelection(destination); err != nil {
		return from, to, notAnAddress(err)
	}
	problem := func(summary, format string, args ...any) error {
		return &diag.Problem{Summary: summary, Detail: fmt.Sprintf(format, args...)}
	}
	switch {
	case from.String() == to.String():
		return from, to, problem("Source and destination are the same", "%s is given twice.", from)
	case from.IsModule() && !to.IsModule():
		return from, to, problem("A module becomes a module", "%s is a module, and %s is a resource.", from, to)
	case !from.IsModule() && to.IsModule():
		return from, to, problem("A resource becomes a resource", "%s is a resource, and %s is a module. Name the resource in it, as in %[2]s.%s.",
			from, to, from.Resource())
	case from.IsModule() && to.Within(from):
		return from, to, problem("A module cannot be moved into itself", "%s is a part of %s.", to, from)
	}
	return from, to, nil
}

func notAnAddress(err error) error {
	return &diag.Problem{Summary: "Not an address", Detail: diag.Sentence(err.Error()), Err: err}
}

func explainMove(st *state.State, err error) error {
	if occupied := (*state.OccupiedError)(nil); errors.As(err, &occupied) {
		m := occupied.Move
		return &diag.Problem{
			Summary: "The destination is taken", Err: err,
			Detail: fmt.Sprintf("The state records %s already, so %s cannot be moved there. Nothing was changed. Choose another "+
				"destination, move that one away first, or take it out with `diyform state rm`.%s", m.To, m.From, freeKeys(st, m)),
		}
	}
	return err
}

// freeKeys tells which instances the destination's block has.
func freeKeys(st *state.State, m state.Move) string {
	if m.To.Key.IsZero() {
		return ""
	}
	return suggestInstances(st, m.To.Resource.String())
}

func newStateReplace(v *view) *cobra.Command {
	return newMoveCommand(v, &cobra.Command{
		Use:   "replace NAME NEW",
		Short: "Rename a block or a module in all addresses",
		Long: "Renames a block or a module wherever it stands in the recorded addresses: in the root module and in all others,\n" +
			"in each of their instances, and in what others depend on. It is `diyform state mv` for all of them at once, as\n" +
			"after a name was changed in a module that is used several times.",
		Example: "  diyform state replace bridge.lan bridge.core\n" +
			"  diyform state replace module.net module.network\n" +
			"  diyform state replace module.net.bridge.lan module.net.bridge.core",
	}, replaceNames)
}

func replaceNames(st *state.State, name, by string) ([]state.Move, error) {
	from, to, err := parsePair(name, by)
	if err != nil {
		return nil, err
	}
	if !from.Fits(to) {
		return nil, &diag.Problem{
			Summary: "The names do not fit",
			Detail: fmt.Sprintf("%s and %s must be of the same parts, modules and a resource, without keys: each is a new name for the "+
				"one in its place. `diyform state mv` moves into modules and out of them.", from, to),
		}
	}
	moves, err := st.Rename(from.Replaced(to))
	if err == nil && len(moves) == 0 {
		return nil, notRecorded(st, name)
	}
	return moves, explainMove(st, err)
}
