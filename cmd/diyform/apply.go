package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/zclconf/go-cty/cty"

	"github.com/diyform/diyform/apply"
	"github.com/diyform/diyform/internal/diag"
	"github.com/diyform/diyform/plan"
)

// applyFlags are those of apply and destroy.
type applyFlags struct {
	stackFlags
	autoApprove bool
	parallelism uint
	asJSON      bool
}

func (f *applyFlags) add(cmd *cobra.Command) {
	f.stackFlags.add(cmd)
	cmd.Flags().BoolVar(&f.autoApprove, "auto-approve", false, "do it without asking")
	cmd.Flags().BoolVar(&f.asJSON, "json", false, "print what happens as JSON, a message a line, in the form of Terraform's; takes -auto-approve or a plan file")
	cmd.Flags().UintVar(&f.parallelism, "parallelism", 0, "how many batches of steps run at once (0: by the machine)")
}

func newApply(v *view) *cobra.Command {
	var flags applyFlags
	var destroy bool
	cmd := &cobra.Command{
		Use:   "apply [PLANFILE]",
		Short: "Make the kernel as the configuration wants it",
		Long: "Plans, asks, and does it. With a plan file that `diyform plan -out` wrote it does exactly that\n" +
			"plan, without asking, and refuses if state, configuration or kernel have changed since.",
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				return v.applyFile(cmd.Context(), args[0], &flags)
			}
			mode, err := flags.mode(destroy)
			if err != nil {
				return v.failWith(err, "")
			}
			return v.planAndApply(cmd.Context(), mode, &flags)
		},
	}
	flags.add(cmd)
	flags.addChanges(cmd)
	cmd.Flags().BoolVar(&destroy, "destroy", false, "destroy all that is recorded, as diyform destroy does")
	return cmd
}

func newDestroy(v *view) *cobra.Command {
	var flags applyFlags
	cmd := &cobra.Command{
		Use:   "destroy",
		Short: "Take away all that was made",
		Long:  "Plans to destroy all that the state records, asks, and does it.",
		Args:  noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return v.planAndApply(cmd.Context(), plan.Destroy, &flags)
		},
	}
	flags.add(cmd)
	return cmd
}

// needsLock refuses -lock=false of what changes something. A lock is never left behind that
// one would have to do without: the kernel takes it from who has ended.
func (f *stackFlags) needsLock() error {
	if !f.unlocked {
		return nil
	}
	return &diag.Problem{
		Summary: "There is no changing without the lock",
		Detail: "-lock=false is for plans: two commands that change the stack at once would undo each other's work. The lock goes with " +
			"the process that holds it, so wait for that one, with -lock-timeout=30s.",
	}
}

func (v *view) planAndApply(ctx context.Context, mode plan.Mode, f *applyFlags) error {
	if err := f.needsLock(); err != nil {
		return v.failWith(err, "")
	}
	command := "apply"
	if mode == plan.Destroy {
		command = "destroy"
	}
	v.startStream(f.asJSON)
	if !f.autoApprove && (!v.interactive() || !f.input || f.asJSON) {
		return v.failWith(&diag.Problem{
			Summary: "Nobody can be asked",
			Detail: fmt.Sprintf("Without a terminal, or with -input=false, %s needs -auto-approve, or a plan file: diyform plan -out=FILE, "+
				"then diyform apply FILE.", command),
		}, "")
	}
	s, err := v.open(ctx, command, true, &f.stackFlags)
	if err != nil {
		return err
	}
	defer s.close()
	v.holding = true
	p, err := s.makePlan(ctx, mode, &f.stackFlags)
	if err != nil {
		return err
	}
	v.showPlan(p)
	if !f.autoApprove && p.HasChanges() && !v.approve(ctx, mode) {
		v.printf("Cancelled: nothing was changed.\n")
		return exitStatus(exitError)
	}
	return s.carryOut(ctx, p, f)
}

func (v *view) approve(ctx context.Context, mode plan.Mode) bool {
	if mode == plan.Destroy {
		return v.confirm(ctx, "Do you really want to destroy all of it?", "There is no undo.")
	}
	return v.confirm(ctx, "Do you want to perform these actions?", "diyform will do what is described above.")
}

func (v *view) applyFile(ctx context.Context, path string, f *applyFlags) error {
	v.startStream(f.asJSON)
	if err := f.needsLock(); err != nil {
		return v.failWith(err, "")
	}
	file, err := readPlan(path)
	if err != nil {
		return v.failWith(err, "The plan cannot be read")
	}
	if len(f.targets)+len(f.excludes)+len(f.replace) > 0 || f.refreshOnly || !f.refresh {
		return v.failWith(&diag.Problem{
			Summary: "A plan file says what is to be done",
			Detail:  "It holds the options that it was made with. Give them to diyform plan.",
		}, "")
	}
	s, err := v.open(ctx, "apply", true, &f.stackFlags)
	if err != nil {
		return err
	}
	defer s.close()
	p, err := s.approvedPlan(ctx, file, &f.stackFlags)
	if err != nil {
		return err
	}
	return s.carryOut(ctx, p, f)
}

// approvedPlan gives the plan of a file, if it is still what would be planned.
func (s *session) approvedPlan(ctx context.Context, file *plan.File, f *stackFlags) (*plan.Plan, error) {
	if file.Workspace != s.workspace {
		return nil, s.view.failWith(&diag.Problem{
			Summary: "The plan is of another workspace",
			Detail: fmt.Sprintf("It was made in the workspace %q, and %q is selected. Select the other one with "+
				"`diyform workspace select`, or make a plan here.", file.Workspace, s.workspace),
		}, "")
	}
	if s.state.Serial == 0 && file.Serial == 0 {
		s.state.Lineage = file.Lineage // the plan gave this state its lineage
	}
	p, err := s.planAgain(ctx, file, f)
	if err != nil {
		return nil, err
	}
	if err := file.Matches(p); err != nil {
		return nil, s.view.failWith(err, "The plan cannot be applied")
	}
	return p, nil
}

// planAgain makes the plan of a file anew, with the values that are in the file.
func (s *session) planAgain(ctx context.Context, file *plan.File, f *stackFlags) (*plan.Plan, error) {
	options, err := file.PlanOptions()
	if err != nil {
		return nil, s.view.failWith(err, "The plan cannot be read")
	}
	s.planTime = file.Time
	if mode := file.PlanMode(); mode != plan.Normal {
		s.loadProtection()
		return s.plan(ctx, mode, options)
	}
	values, err := file.Values()
	if err != nil {
		return nil, s.view.failWith(err, "The plan cannot be read")
	}
	if values == nil {
		values = map[string]cty.Value{}
	}
	if err := s.loadConfig(ctx, f, values); err != nil {
		return nil, err
	}
	return s.plan(ctx, plan.Normal, options)
}

// carryOut applies the plan, prints what happens, and sums up.
func (s *session) carryOut(ctx context.Context, p *plan.Plan, f *applyFlags) error {
	v := s.view
	if !p.NeedsApply() {
		s.summary(p, &apply.Result{Outputs: s.state.Outputs})
		return nil
	}
	// A reader who goes away does not end the process in the middle of its work.
	gone := make(chan os.Signal, 1)
	signal.Notify(gone, syscall.SIGPIPE)
	defer signal.Stop(gone)
	reporter := v.reporter(p)
	result, diags := apply.Run(ctx, s.store, p, apply.Options{Workers: int(f.parallelism), Observe: reporter.step})
	reporter.close()
	v.diagnostics(s.files(), diags)
	if result == nil {
		return exitStatus(exitError)
	}
	if len(result.Failed) > 0 || diags.HasErrors() {
		s.incomplete(p, result)
		return exitStatus(exitError)
	}
	s.summary(p, result)
	return nil
}

func (s *session) summary(p *plan.Plan, r *apply.Result) {
	if s.view.stream != nil {
		s.view.stream.applied(p, r)
		return
	}
	c := palette(s.view.out)
	counts := counted(r)
	if p.Input.Mode == plan.Destroy {
		s.view.printf("\n%s\n", c.Bold(c.Green("Destroy complete! Resources: "+countedGone(r))))
		return
	}
	s.view.printf("\n%s\n", c.Bold(c.Green("Apply complete! Resources: "+counts)))
	passed := 0
	for _, k := range p.Checks {
		if k.Passed {
			passed++
		}
	}
	if len(p.Checks) > 0 {
		s.view.printf("Checks: %d passed, %d failed.\n", passed, len(p.Checks)-passed)
	}
	s.printOutputs(r)
}

// countedGone says how many objects a destroy has taken away, and how many it has left.
func countedGone(r *apply.Result) string {
	s := fmt.Sprintf("%d destroyed", r.Destroyed)
	if r.Forgotten > 0 {
		s += fmt.Sprintf(", %d forgotten", r.Forgotten)
	}
	return s + "."
}

// counted says what was done, in Terraform's words.
func counted(r *apply.Result) string {
	return plan.Tally{
		Import: r.Imported, Add: r.Added, Change: r.Changed, Destroy: r.Destroyed, Move: r.Moved, Forget: r.Forgotten,
	}.Done()
}

// incomplete says what was done and what was not.
func (s *session) incomplete(p *plan.Plan, r *apply.Result) {
	c := palette(s.view.err)
	if s.view.stream != nil {
		c = plan.Palette{}
	}
	s.view.note("%s", c.Bold(c.Red(fmt.Sprintf(
		"Incomplete. Done: %s Failed: %d. Not tried: %d.", counted(r), len(r.Failed), len(r.Skipped)))))
	for _, a := range r.Failed {
		s.view.note("  failed:    %s", a)
	}
	for _, a := range r.Skipped {
		s.view.note("  not tried: %s", a)
	}
	s.view.note("What was done is recorded. The next apply goes on from there.")
}
