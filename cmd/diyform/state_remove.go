package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/diyform/diyform/internal/addr"
	"github.com/diyform/diyform/internal/diag"
	"github.com/diyform/diyform/state"
)

func newStateRm(v *view) *cobra.Command {
	var flags amendFlags
	cmd := &cobra.Command{
		Use:   "rm ADDRESS ...",
		Short: "Take resources out of the record, and leave them in the kernel",
		Long: "Takes instances, blocks with all of their instances, or modules out of the record. What they made stays in the\n" +
			"kernel, with diyform's mark, and is nobody's then: `diyform import` takes it back. What is still configured is\n" +
			"made by the next apply, unless its name is taken. To be rid of it altogether, take its block out of the\n" +
			"configuration and apply.",
		Example: "  diyform state rm bridge.lan\n  diyform state rm -dry-run 'bridge.lan[\"a\"]' module.lab",
		Args:    cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			var gone []addr.Instance
			err := v.amend(cmd.Context(), "state rm", flags, func(st *state.State) (err error) {
				gone, err = removeRecords(st, args)
				return err
			})
			if err != nil {
				return err
			}
			v.printRemoved(gone, flags.dryRun)
			if s, err := newSession(v); err == nil && !flags.dryRun {
				s.warnRemoved(gone)
			}
			return nil
		},
	}
	flags.addDryRun(cmd)
	return cmd
}

func removeRecords(st *state.State, addresses []string) ([]addr.Instance, error) {
	records, err := selectRecords(st, addresses)
	if err != nil {
		return nil, err
	}
	var gone []addr.Instance
	for _, r := range records {
		gone = append(gone, r.Address)
		st.Settle(r.Address, nil)
		st.SettleDeposed(r.Address, nil)
	}
	return gone, nil
}

func (v *view) printRemoved(gone []addr.Instance, dryRun bool) {
	verb := "Removed"
	if dryRun {
		verb = "Would remove"
	}
	for _, a := range gone {
		v.printf("%s %s\n", verb, a)
	}
	v.printf("%s %s from the record.\n", verb, count(len(gone), "resource"))
}

// warnRemoved says what is left, and how to have it recorded again.
func (s *session) warnRemoved(gone []addr.Instance) {
	s.view.diagnostics(nil, diag.FromError(&diag.Problem{
		Warning: true, Summary: "What they made stays in the kernel",
		Detail: fmt.Sprintf("Nothing was deleted but the record. The objects keep diyform's mark, and no plan knows of them now: `diyform "+
			"import '%s' ID` takes one back, and `diyform state push -force %s` undoes all of this.", gone[0], s.store.Backup()),
	}, "", nil))
}
