package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

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
	root := newRoot(v)
	args, err := changeFolder(args)
	if err == nil {
		root.SetArgs(doubleDashes(root, args))
		err = root.ExecuteContext(ctx)
	}
	var status exitStatus
	switch {
	case err == nil:
		return exitDone
	case errors.As(err, &status):
		return int(status)
	}
	v.diagnostics(nil, diag.FromError(err, "The command line is wrong", nil))
	return exitError
}

func newRoot(v *view) *cobra.Command {
	root := &cobra.Command{
		Use:   "diyform",
		Short: "Plan, make and destroy Linux networks and containers",
		Long: "diyform makes Linux networks and containers from the *.diy.hcl files of a folder:\n" +
			"`diyform plan` shows what would change, `diyform apply` does it, `diyform destroy`\n" +
			"takes all of it away.\n\n" +
			"-chdir=DIR before the command makes it work in DIR. Flags take one dash or two.",
		SilenceErrors: true, SilenceUsage: true,
		CompletionOptions: cobra.CompletionOptions{HiddenDefaultCmd: true},
	}
	root.SetIn(v.in)
	root.SetOut(v.out)
	root.SetErr(v.err)
	root.AddCommand(
		newPlan(v), newApply(v), newDestroy(v), newValidate(v), newFmt(v), newShow(v), newOutput(v),
		newState(v), newExec(v), newLogs(v), newPs(v), newVersion(v),
	)
	return root
}

// changeFolder carries out -chdir=DIR, which stands before the command.
func changeFolder(args []string) ([]string, error) {
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

// doubleDashes gives long flags written with one dash, as Terraform's are, the second that
// pflag wants. What follows "--" is not ours.
func doubleDashes(root *cobra.Command, args []string) []string {
	long := map[string]bool{"help": true, "version": true}
	var visit func(c *cobra.Command)
	visit = func(c *cobra.Command) {
		c.Flags().VisitAll(func(f *pflag.Flag) { long[f.Name] = true })
		for _, sub := range c.Commands() {
			visit(sub)
		}
	}
	visit(root)
	out := slices.Clone(args)
	for i, arg := range out {
		if arg == "--" {
			break
		}
		name, _, _ := strings.Cut(strings.TrimPrefix(arg, "-"), "=")
		if strings.HasPrefix(arg, "-") && !strings.HasPrefix(arg, "--") && (long[name] || len(name) > 2) {
			out[i] = "-" + arg
		}
	}
	return out
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
