package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/spf13/cobra"

	"github.com/diyform/diyform/internal/diag"
	"github.com/diyform/diyform/providers"
	"github.com/diyform/diyform/providers/registry"
	"github.com/diyform/diyform/state"
)

// workspaceVariable names the workspace, whichever is selected.
const workspaceVariable = "DIYFORM_WORKSPACE"

// workspaceName is the workspace that commands in the working folder are about.
func workspaceName() (string, error) {
	name := os.Getenv(workspaceVariable)
	if name == "" {
		return state.SelectedWorkspace(".")
	}
	if err := state.CheckWorkspaceName(name); err != nil {
		return "", fmt.Errorf("%s: %w", workspaceVariable, err)
	}
	return name, nil
}

// newSession is on the stack of the working folder, in the selected workspace. The view may be
// nil where nothing is printed.
func newSession(v *view) (*session, error) {
	name, err := workspaceName()
	if err != nil {
		return nil, err
	}
	store, err := state.OpenWorkspace(".", name)
	if err != nil {
		return nil, explainWorkspace(err)
	}
	return &session{view: v, registry: registry.New(), workspace: name, store: store}, nil
}

// nameWorkspaces adds to errors that tell an object's mark whose it is, where that is another
// workspace of this folder.
func (s *session) nameWorkspaces(diags hcl.Diagnostics) hcl.Diagnostics {
	lineages, err := state.Lineages(".")
	if err != nil {
		return diags // they say what is wrong without it
	}
	for _, d := range diags {
		for name, lineage := range lineages {
			if name != s.workspace && strings.Contains(d.Detail, providers.Env{Lineage: lineage}.MarkPrefix()) {
				d.Detail += fmt.Sprintf(" It is of the workspace %q of this folder.", name)
			}
		}
	}
	return diags
}

// loadSession is a session with what is recorded in the selected workspace. It has no lock.
func loadSession(v *view) (*session, error) {
	s, err := newSession(v)
	if err != nil {
		return nil, err
	}
	return s, s.load()
}

// loadState reads what is recorded in the selected workspace.
func loadState() (*state.State, error) {
	s, err := loadSession(nil)
	if err != nil {
		return nil, err
	}
	return s.state, nil
}

func explainWorkspace(err error) error {
	missing := (*state.NoWorkspaceError)(nil)
	if !errors.As(err, &missing) {
		return err
	}
	why := ""
	if os.Getenv(workspaceVariable) != "" {
		why = " " + workspaceVariable + " is set to it."
	}
	return &diag.Problem{
		Summary: "No such workspace", Err: err,
		Detail: fmt.Sprintf("There is no workspace %q.%s%s `diyform workspace list` lists those that there are, "+
			"`diyform workspace select NAME` chooses one, and `diyform workspace new %s` makes this one.",
			missing.Name, why, diag.Suggest(missing.Name, missing.Known), missing.Name),
	}
}

func newWorkspace(v *view) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "workspace",
		Short: "Keep several labs of one configuration",
		Long: "Each workspace has its own state, so that several labs of one configuration can be up at once. Names that\n" +
			"the configuration leaves out have the workspace in front, but in the default one; diyform.workspace is its\n" +
			"name in expressions. " + workspaceVariable + " goes before what is selected.",
		Args: commandsOnly, RunE: showHelp,
	}
	cmd.AddCommand(newWorkspaceList(v), newWorkspaceNew(v), newWorkspaceSelect(v), newWorkspaceDelete(v), newWorkspaceShow(v))
	return cmd
}

// workspaceRow is a workspace as `diyform workspace list -json` shows it.
type workspaceRow struct {
	Name     string `json:"name"`
	Selected bool   `json:"selected"`
}

func newWorkspaceList(v *view) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the workspaces, the selected one with a star",
		Args:  noArguments,
		RunE: func(*cobra.Command, []string) error {
			selected, err := workspaceName()
			if err != nil {
				return v.failWith(explainAccess(err), "The workspaces cannot be listed")
			}
			names, err := state.Workspaces(".")
			if err != nil {
				return v.failWith(explainAccess(err), "The workspaces cannot be listed")
			}
			rows := make([]workspaceRow, len(names))
			for i, name := range names {
				rows[i] = workspaceRow{name, name == selected}
			}
			if asJSON {
				return v.json(rows)
			}
			for _, r := range rows {
				mark := " "
				if r.Selected {
					mark = "*"
				}
				v.printf("%s %s\n", mark, r.Name)
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print as JSON")
	return cmd
}

func newWorkspaceShow(v *view) *cobra.Command {
	return &cobra.Command{
		Use:   "show",
		Short: "Print the name of the selected workspace",
		Args:  noArguments,
		RunE: func(*cobra.Command, []string) error {
			name, err := workspaceName()
			if err != nil {
				return v.failWith(explainAccess(err), "The workspace cannot be shown")
			}
			v.printf("%s\n", name)
			return nil
		},
	}
}

func newWorkspaceNew(v *view) *cobra.Command {
	return &cobra.Command{
		Use:   "new NAME",
		Short: "Make an empty workspace, and select it",
		Args:  cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			name := args[0]
			if err := checkOverride(name); err != nil {
				return v.failWith(err, "")
			}
			err := state.NewWorkspace(".", name)
			if errors.Is(err, state.ErrWorkspaceExists) {
				err = &diag.Problem{Summary: "The workspace exists already", Err: err,
					Detail: fmt.Sprintf("There is a workspace %q: `diyform workspace select %[1]s` chooses it.", name)}
			}
			if err == nil {
				err = selectWorkspace(name)
			}
			if err != nil {
				return v.failWith(explainAccess(err), "The workspace cannot be made")
			}
			v.printf("Created and switched to workspace %q.\n\nIt is empty: nothing is recorded in it, and plan and apply in it know "+
				"nothing of what other\nworkspaces have made.\n", name)
			return nil
		},
	}
}

// checkOverride refuses to select what would not come into effect.
func checkOverride(name string) error {
	if set := os.Getenv(workspaceVariable); set != "" && set != name {
		return &diag.Problem{
			Summary: "The workspace is set by the environment",
			Detail: fmt.Sprintf("%s is %q, which goes before what is selected, so that selecting %q would change nothing. "+
				"Unset it, or set it to that name.", workspaceVariable, set, name),
		}
	}
	return nil
}

// selectWorkspace leaves the choice as it is where the environment makes it.
func selectWorkspace(name string) error {
	if os.Getenv(workspaceVariable) == name {
		return nil
	}
	return state.SelectWorkspace(".", name)
}

func newWorkspaceSelect(v *view) *cobra.Command {
	var orCreate bool
	cmd := &cobra.Command{
		Use:   "select NAME",
		Short: "Choose the workspace that commands in this folder are about",
		Args:  cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			made, err := selectOrCreate(args[0], orCreate)
			if err != nil {
				return v.failWith(explainAccess(err), "The workspace cannot be selected")
			}
			if made {
				v.printf("Created and switched to workspace %q.\n", args[0])
			} else {
				v.printf("Switched to workspace %q.\n", args[0])
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&orCreate, "or-create", false, "make the workspace if there is none of that name")
	return cmd
}

func selectOrCreate(name string, orCreate bool) (made bool, err error) {
	if err := checkOverride(name); err != nil {
		return false, err
	}
	_, err = state.OpenWorkspace(".", name)
	if missing := (*state.NoWorkspaceError)(nil); errors.As(err, &missing) {
		if !orCreate {
			return false, noWorkspace(missing)
		}
		made, err = true, state.NewWorkspace(".", name)
	}
	if err == nil {
		err = selectWorkspace(name)
	}
	return made, err
}

func noWorkspace(e *state.NoWorkspaceError) error {
	return &diag.Problem{
		Summary: "No such workspace", Err: e,
		Detail: fmt.Sprintf("There is no workspace %q.%s `diyform workspace new %[1]s` makes it, and so does select with -or-create.",
			e.Name, diag.Suggest(e.Name, e.Known)),
	}
}

type workspaceDeletion struct {
	force       bool
	lockTimeout time.Duration
}

func newWorkspaceDelete(v *view) *cobra.Command {
	var flags workspaceDeletion
	cmd := &cobra.Command{
		Use:   "delete NAME",
		Short: "Delete a workspace in which nothing is recorded",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			left, err := v.deleteWorkspace(cmd.Context(), args[0], flags)
			if err != nil {
				return v.failWith(explainAccess(err), "The workspace cannot be deleted")
			}
			v.printf("Deleted workspace %q.\n", args[0])
			if left > 0 {
				v.diagnostics(nil, diag.FromError(&diag.Problem{Warning: true, Summary: "What the workspace made is still there",
					Detail: fmt.Sprintf("%d resources were recorded in %q. What they made was not destroyed, keeps diyform's mark, and is "+
						"nobody's now: remove it by hand, or take it into another workspace with `diyform import`.", left, args[0])}, "", nil))
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&flags.force, "force", false, "delete it although resources are recorded in it, which stay in the kernel")
	cmd.Flags().DurationVar(&flags.lockTimeout, "lock-timeout", 0, "how long to wait for another command to end, as in 30s")
	return cmd
}

// deleteWorkspace gives how many resources were recorded in it.
func (v *view) deleteWorkspace(ctx context.Context, name string, flags workspaceDeletion) (left int, err error) {
	problem := func(summary, format string, args ...any) error {
		return &diag.Problem{Summary: summary, Detail: fmt.Sprintf(format, args...)}
	}
	if name == state.DefaultWorkspace {
		return 0, problem("The default workspace stays", "%q cannot be deleted.", name)
	}
	if selected, err := workspaceName(); err != nil {
		return 0, err
	} else if selected == name {
		return 0, problem("The workspace is selected", "%q is the workspace that commands are about now. Select another one first: "+
			"`diyform workspace select %s`.", name, state.DefaultWorkspace)
	}
	store, err := state.OpenWorkspace(".", name)
	if err != nil {
		if missing := (*state.NoWorkspaceError)(nil); errors.As(err, &missing) {
			return 0, problem("No such workspace", "There is no workspace %q.%s", name, diag.Suggest(name, missing.Known))
		}
		return 0, err
	}
	s := &session{view: v, store: store}
	if err := s.takeLock(ctx, "workspace delete", flags.lockTimeout); err != nil {
		return 0, err
	}
	defer s.unlock()
	if err := s.load(); err != nil {
		return 0, err
	}
	left = len(s.state.Resources) + len(s.state.Deposed)
	if left > 0 && !flags.force {
		return 0, problem("The workspace is not empty", "%q records %d resources. Destroy them first: "+
			"`diyform workspace select %[1]s`, `diyform destroy`. With -force it is deleted as it is, and what it made stays.", name, left)
	}
	return left, store.DeleteWorkspace()
}
