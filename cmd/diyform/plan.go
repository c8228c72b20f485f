package main

import (
	"github.com/spf13/cobra"
)

func newPlan(v *view) *cobra.Command {
	var (
		flags    stackFlags
		out      string
		destroy  bool
		detailed bool
		asJSON   bool
	)
	cmd := &cobra.Command{
		Use:   "plan",
		Short: "Show what apply would do",
		Long: "Reads what is recorded from the kernel, evaluates the configuration, and shows what apply\n" +
			"would do. It changes nothing.",
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			v.startStream(asJSON)
			s, err := v.open(cmd.Context(), "plan", true, &flags)
			if err != nil {
				return err
			}
			defer s.close()
			mode, err := flags.mode(destroy)
			if err == nil {
				err = flags.checkGenerate(mode)
			}
			if err != nil {
				return v.failWith(err, "")
			}
			v.holding = true
			p, err := s.makePlan(cmd.Context(), mode, &flags)
			if err != nil {
				return err
			}
			v.showPlan(p)
			if out != "" {
				if err := s.writePlan(p, out); err != nil {
					return err
				}
			}
			if detailed && p.HasChanges() {
				return exitStatus(exitChanges)
			}
			return nil
		},
	}
	flags.add(cmd)
	flags.addChanges(cmd)
	cmd.Flags().Uint("parallelism", 0, "as in apply; a plan is made in one go, whatever it says")
	cmd.Flags().StringVar(&flags.generate, "generate-config-out", "", "write resource blocks for import blocks that have none to this new file of the folder")
	cmd.Flags().StringVar(&out, "out", "", "write the plan to a file that apply takes")
	cmd.Flags().BoolVar(&destroy, "destroy", false, "plan to destroy all that is recorded")
	cmd.Flags().BoolVar(&detailed, "detailed-exitcode", false, "exit with 0 for no changes, 1 for an error, 2 for changes")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the plan as JSON, a message a line, in the form of Terraform's; for one document: -out=FILE and show -json FILE")
	return cmd
}
