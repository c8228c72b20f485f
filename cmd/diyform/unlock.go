package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/diyform/diyform/internal/diag"
	"github.com/diyform/diyform/state"
)

func newForceUnlock(v *view) *cobra.Command {
	return &cobra.Command{
		Use:   "force-unlock",
		Short: "Tell who holds the lock",
		Long: "Tells who holds the lock of the selected workspace. There is no lock that would be left over and had to be\n" +
			"removed: the kernel gives it back when the process that holds it ends, however that ends. So this succeeds\n" +
			"where nobody holds it, and fails where a command is at work.",
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := newSession(v)
			if err != nil {
				return v.stateError(err)
			}
			holder, held, err := s.store.Holder(cmd.Context(), state.LockInfo{Command: "diyform force-unlock"})
			if err != nil {
				return v.failWith(explainAccess(err), "The lock cannot be looked at")
			}
			if !held {
				v.printf("The state is not locked.\n")
				return nil
			}
			return v.failWith(&diag.Problem{
				Summary: "A command holds the lock",
				Detail: fmt.Sprintf("The state is locked by %s. That process is at work, and taking its lock away would have two of them "+
					"change the same things. Wait for it, or interrupt it (Ctrl-C%s), which lets it finish the steps under way; "+
					"-lock-timeout has another command wait.", holder, byKill(holder)),
			}, "")
		},
	}
}

// byKill tells how a process is interrupted from elsewhere.
func byKill(holder state.LockInfo) string {
	if holder.PID == 0 { // it has not written its name yet
		return ""
	}
	return fmt.Sprintf(", or kill -INT %d", holder.PID)
}
