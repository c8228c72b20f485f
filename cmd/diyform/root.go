package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/spf13/cobra"

	"github.com/diyform/diyform/internal/diag"
)

// Exit codes. They are part of what users' scripts rely on.
const (
	exitDone    = 0
	exitError   = 1
	exitChanges = 2 // with -detailed-exitcode
)

// exitStatus is an error that only carries an exit code: all was said.
type exitStatus int

func (e exitStatus) Error() string { return fmt.Sprintf("exit status %d", int(e)) }

// execute runs the command that args name and gives the exit code.
func execute(ctx context.Context, v *view, args []string) int {
	if isCompletion(args) {
		return completeShell(ctx, v, args)
	}
	var cmd *cobra.Command
	root := newRoot(v)
	args, err := changeFolder(args)
	if err == nil {
		err = foreignCommand(args)
	}
	if err == nil {
		root.SetArgs(doubleDashes(root, args))
		cmd, err = root.ExecuteContextC(ctx)
	}
	if lost := v.out.lost(); lost != nil {
		v.stream = nil // that is where it got lost
		v.diagnostics(nil, diag.FromError(lost, "The output cannot be written", nil))
		return exitError
	}
	var status exitStatus
	switch {
	case err == nil:
		return exitDone
	case errors.As(err, &status):
		return int(status)
	}
	v.diagnostics(nil, diag.FromError(misused(cmd, err), "The command line is wrong", nil))
	return exitError
}

func newRoot(v *view) *cobra.Command {
	var noColor bool
	root := &cobra.Command{
		Use:   "diyform",
		Short: "Plan, make and destroy Linux networks and containers",
		Long: "diyform makes Linux networks and containers from the *.diy.hcl files of a folder:\n" +
			"`diyform plan` shows what would change, `diyform apply` does it, `diyform destroy`\n" +
			"takes all of it away.\n\n" +
			"-chdir=DIR before the command makes it work in DIR. Flags take one dash or two, and their values\n" +
			"follow after = or a space.",
		Example: "  diyform plan\n" +
			"  diyform apply -auto-approve\n" +
			"  diyform -chdir=examples/nat destroy",
		Args: commandsOnly, RunE: showHelp,
		PersistentPreRun: func(*cobra.Command, []string) {
			if noColor {
				v.noColor()
			}
		},
		Version:       version,
		SilenceErrors: true, SilenceUsage: true,
		CompletionOptions: cobra.CompletionOptions{HiddenDefaultCmd: true},
	}
	root.SetIn(v.in)
	root.SetOut(v.out)
	root.SetErr(v.err)
	root.SetVersionTemplate(versionLine())
	root.SetFlagErrorFunc(flagProblem)
	root.PersistentFlags().BoolVar(&noColor, "no-color", false, "write without colours, as with NO_COLOR in the environment")
	root.AddCommand(
		newValidate(v), newPlan(v), newApply(v), newDestroy(v), newImport(v), newDrift(v), newRefresh(v), newTest(v),
		newShow(v), newOutput(v), newState(v), newTaint(v), newUntaint(v), newForceUnlock(v), newWorkspace(v),
		newPs(v), newTop(v), newLogs(v), newAttach(v), newExec(v), newCp(v), newWait(v),
		newStart(v), newStop(v), newRestart(v), newKill(v), newImage(v), newSystemd(v),
		newFmt(v), newGet(v), newConsole(v), newGraph(v), newSchema(v), newMetadata(v), newVersion(v),
		newCompletion(v), newMan(v),
	)
	addExamples(root)
	setUpHelp(root)
	registerCompletions(root)
	return root
}

// changeFolder carries out -chdir=DIR, which stands before the command.
func changeFolder(args []string) ([]string, error) {
	if len(args) > 1 && (args[0] == "-chdir" || args[0] == "--chdir") {
		args = append([]string{"-chdir=" + args[1]}, args[2:]...)
	}
	for _, prefix := range []string{"-chdir=", "--chdir="} {
		if len(args) == 0 || !strings.HasPrefix(args[0], prefix) {
			continue
		}
		dir := strings.TrimPrefix(args[0], prefix)
		if err := os.Chdir(dir); err != nil {
			return nil, &diag.Problem{
				Summary: "The folder cannot be used",
				Detail:  fmt.Sprintf("-chdir=%s: %s", dir, diag.Sentence(errors.Unwrap(err).Error())),
				Err:     err,
			}
		}
		return args[1:], nil
	}
	return args, nil
}

// fail prints diagnostics and gives the error that ends the command.
func (v *view) fail(files map[string]*hcl.File, diags hcl.Diagnostics) error {
	v.diagnostics(files, diags)
	return exitStatus(exitError)
}

// failWith is fail for an error without a place in the configuration.
func (v *view) failWith(err error, summary string) error {
	return v.fail(nil, diag.FromError(err, summary, nil))
}
