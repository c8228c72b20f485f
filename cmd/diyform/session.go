package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/spf13/cobra"
	"github.com/zclconf/go-cty/cty"

	"github.com/diyform/diyform/config"
	"github.com/diyform/diyform/internal/addr"
	"github.com/diyform/diyform/internal/diag"
	"github.com/diyform/diyform/internal/linux/bootid"
	"github.com/diyform/diyform/internal/modsource"
	"github.com/diyform/diyform/plan"
	"github.com/diyform/diyform/providers"
	"github.com/diyform/diyform/state"
)

// session is one command's work on the stack of the working folder.
type session struct {
	view     *view
	registry *providers.Registry

	workspace string // its name
	store     *state.Store
	state     *state.State
	recovery  *state.Recovery
	lock      *state.Lock

	env      providers.Env
	sessions *providers.Sessions

	loader    config.Loader
	config    *config.Config // nil for commands that need none
	variables map[string]cty.Value
	planTime  time.Time // of the plan file that is applied, else zero
}

// stackFlags are the flags of commands that plan.
type stackFlags struct {
	variables   variableFlags
	lockTimeout time.Duration
	input       bool
	unlocked    bool

	concise, compactWarnings bool

	targets, excludes, replace []string
	refresh, refreshOnly       bool
	generate                   string // the file that blocks for imports are written to
}

// addVariables adds the flags of commands that evaluate.
func (f *stackFlags) addVariables(cmd *cobra.Command) {
	cmd.Flags().Var(variableFlag{&f.variables, false}, "var", "set a variable: -var 'NAME=VALUE', any number of times")
	cmd.Flags().Var(variableFlag{&f.variables, true}, "var-file", "read variables from a file, any number of times")
	cmd.Flags().DurationVar(&f.lockTimeout, "lock-timeout", 0, "how long to wait for another command to end, as in 30s")
	lock := cmd.Flags().VarPF((*withoutFlag)(&f.unlocked), "lock", "", "keep other commands out; a plan alone can do with -lock=false")
	lock.NoOptDefVal = "true"
	cmd.Flags().BoolVar(&f.input, "input", true, "ask for variables without a value, on a terminal")
}

func (f *stackFlags) add(cmd *cobra.Command) {
	f.addVariables(cmd)
	cmd.Flags().BoolVar(&f.concise, "concise", false, "leave out what tells of progress alone")
	cmd.Flags().BoolVar(&f.compactWarnings, "compact-warnings", false, "tell warnings with a line or two each")
	cmd.Flags().StringArrayVar(&f.targets, "target", nil, "plan this resource and what it depends on alone, any number of times")
	cmd.Flags().StringArrayVar(&f.excludes, "exclude", nil, "leave this resource and what depends on it as they are, any number of times")
	cmd.Flags().BoolVar(&f.refresh, "refresh", true, "read from the kernel what is recorded")
}

// addChanges adds the flags of commands that may do something else than to destroy.
func (f *stackFlags) addChanges(cmd *cobra.Command) {
	cmd.Flags().StringArrayVar(&f.replace, "replace", nil, "replace this instance although nothing asks for it, any number of times")
	cmd.Flags().BoolVar(&f.refreshOnly, "refresh-only", false, "record what is there, and change nothing in the kernel")
}

// mode is the kind of plan that the flags ask for.
func (f *stackFlags) mode(destroy bool) (plan.Mode, error) {
	switch {
	case destroy && (f.refreshOnly || len(f.replace) > 0), f.refreshOnly && (!f.refresh || len(f.replace) > 0):
		return 0, &diag.Problem{Summary: "Flags that contradict each other",
			Detail: "-destroy, -refresh-only and -replace are kinds of plans, and -refresh-only reads: choose one."}
	case destroy:
		return plan.Destroy, nil
	case f.refreshOnly:
		return plan.RefreshOnly, nil
	}
	return plan.Normal, nil
}

// options gives what else the flags ask of a plan.
func (f *stackFlags) options() (plan.Options, error) {
	o := plan.Options{NoRefresh: !f.refresh}
	var err error
	if o.Targets, err = plan.ParseTargets(f.targets); err != nil {
		return o, err
	}
	if o.Excludes, err = plan.ParseTargets(f.excludes); err != nil {
		return o, err
	}
	for _, text := range f.replace {
		a, err := addr.Parse(text)
		if err != nil {
			return o, err
		}
		o.Replace = append(o.Replace, a)
	}
	return o, nil
}

// withoutFlag is a flag that says that something is not wanted by being false, so that the zero
// value is the default.
type withoutFlag bool

func (f *withoutFlag) Set(text string) error {
	wanted, err := strconv.ParseBool(text)
	*f = withoutFlag(!wanted)
	return err
}

func (f *withoutFlag) String() string { return strconv.FormatBool(!bool(*f)) }

func (f *withoutFlag) Type() string { return "bool" }

// variableFlags keeps -var and -var-file in the order of the command line.
type variableFlags []config.VarArg

type variableFlag struct {
	list *variableFlags
	file bool
}

func (f variableFlag) Set(s string) error {
	*f.list = append(*f.list, config.VarArg{File: f.file, Text: s})
	return nil
}

func (f variableFlag) String() string { return "" }

func (f variableFlag) Type() string {
	if f.file {
		return "file"
	}
	return "NAME=VALUE"
}

// open loads the state of the working folder and opens sessions with the providers. With
// lock it takes the lock first.
func (v *view) open(ctx context.Context, command string, lock bool, f *stackFlags) (*session, error) {
	if f != nil {
		v.concise, v.compact = f.concise, f.compactWarnings
	}
	s, err := newSession(v)
	if err != nil {
		return nil, v.stateError(err)
	}
	s.loader = v.loader(ctx, modsource.New("."), modsource.Options{Ask: f != nil && f.input && v.interactive()})
	if lock && !f.unlocked {
		if err := s.takeLock(ctx, command, f.lockTimeout); err != nil {
			return nil, v.failWith(explainAccess(err), "The state cannot be locked")
		}
	}
	if err := s.load(); err != nil {
		s.close()
		return nil, v.stateError(err)
	}
	return s, nil
}

func (s *session) takeLock(ctx context.Context, command string, timeout time.Duration) error {
	lock, err := s.store.Lock(ctx, state.LockInfo{Command: "diyform " + command}, timeout, func(holder state.LockInfo) {
		s.view.note("Waiting for %s.", holder)
	})
	var locked *state.LockedError
	if errors.As(err, &locked) {
		return &diag.Problem{
			Summary: "The state is locked",
			Detail: fmt.Sprintf("Another command is at work here: %s. Wait until it ends, or use -lock-timeout=30s to wait "+
				"in this command. The lock goes with the process that holds it.", locked.Holder),
			Err: err,
		}
	}
	s.lock = lock
	return err
}

func (s *session) load() (err error) {
	if s.state, s.recovery, err = s.store.Load(); err != nil {
		return err
	}
	return nil
}

// connect opens sessions with the providers, once the lineage is settled.
func (s *session) connect() error {
	if s.sessions != nil {
		return nil
	}
	boot, err := bootid.Read()
	if err != nil {
		return err
	}
	dir, err := os.Getwd()
	if err != nil {
		return err
	}
	if err := checkPrivate(runtimeRoot()); err != nil {
		return err
	}
	s.env = providers.Env{
		Lineage: s.state.Lineage, BootID: boot, Dir: dir, Workspace: s.workspace,
		RuntimeDir: filepath.Join(runtimeRoot(), s.state.Lineage),
		DataDir:    dataRoot(),
	}
	s.sessions, err = s.registry.Open(s.env)
	return err
}

// runtimeRoot is where what is gone at reboot lives.
func runtimeRoot() string {
	if os.Geteuid() == 0 {
		return "/run/diyform"
	}
	if dir := os.Getenv("XDG_RUNTIME_DIR"); dir != "" {
		return filepath.Join(dir, "diyform")
	}
	return fmt.Sprintf("/tmp/diyform-%d", os.Getuid())
}

// checkPrivate refuses a runtime folder that somebody else made, or may write to: who can
// replace the sockets in it can speak for our supervisors.
func checkPrivate(dir string) error {
	info, err := os.Lstat(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	owner, ok := info.Sys().(*syscall.Stat_t)
	if ok && info.IsDir() && int(owner.Uid) == os.Geteuid() && info.Mode().Perm()&0o022 == 0 {
		return nil
	}
	return &diag.Problem{
		Summary: "The runtime folder is not private",
		Detail: fmt.Sprintf("%s exists and is not a folder that only this user may write to, so what is in it cannot be "+
			"trusted. Remove it, or set XDG_RUNTIME_DIR to a folder of this user's.", dir),
	}
}

// dataRoot is where images and writable layers live.
func dataRoot() string {
	if os.Geteuid() == 0 {
		return "/var/lib/diyform"
	}
	if dir := os.Getenv("XDG_DATA_HOME"); dir != "" {
		return filepath.Join(dir, "diyform")
	}
	return filepath.Join(os.Getenv("HOME"), ".local", "share", "diyform")
}

// close ends the sessions and gives the lock back.
func (s *session) close() {
	if s.sessions != nil {
		if err := s.sessions.Close(); err != nil {
			fmt.Fprintln(s.view.err, err)
		}
	}
	// Empty where an interrupted run had just made it. Whoever needs it makes it again.
	_ = os.Remove(runtimeRoot())
	s.unlock()
}

// unlock gives the lock back.
func (s *session) unlock() {
	if s.lock == nil {
		return
	}
	if err := s.lock.Unlock(); err != nil {
		fmt.Fprintln(s.view.err, err)
	}
	s.lock = nil
}

// loadConfig reads the configuration and the values of its variables, in which those of a
// plan file go before all others.
func (s *session) loadConfig(ctx context.Context, f *stackFlags, planned map[string]cty.Value) error {
	cfg, diags := s.loader.Load(".")
	if diags.HasErrors() {
		return s.view.fail(cfg.Files, diags)
	}
	s.config = cfg
	values, more := cfg.Values(config.ValueSources{
		Environ: os.Environ(), Dir: ".", Args: f.variables, Planned: planned, Ask: s.asker(ctx, f),
	})
	diags = append(diags, more...)
	if ctx.Err() != nil {
		return s.view.failWith(&diag.Problem{Summary: "Interrupted", Detail: "Nothing was planned, and nothing changed."}, "")
	}
	if diags.HasErrors() {
		return s.view.fail(cfg.Files, diags)
	}
	s.view.diagnostics(cfg.Files, diags)
	s.variables = values
	return nil
}

func (s *session) asker(ctx context.Context, f *stackFlags) func(*config.Variable) (string, bool) {
	if !f.input || !s.view.interactive() {
		return nil
	}
	return func(v *config.Variable) (string, bool) { return s.view.ask(ctx, v) }
}

// files are the sources for the excerpts of diagnostics.
func (s *session) files() map[string]*hcl.File {
	if s.config == nil {
		return nil
	}
	return s.config.Files
}

// plan makes the plan. Warnings are printed.
func (s *session) plan(ctx context.Context, mode plan.Mode, options plan.Options) (*plan.Plan, error) {
	if err := s.connect(); err != nil {
		return nil, s.view.failWith(err, "The providers cannot be opened")
	}
	s.tellRecovery()
	in := s.input()
	in.Mode, in.Options, in.Time = mode, options, s.planTime
	in.Remote, in.Reading = remote(), s.view.reading()
	p, diags := plan.New(ctx, in)
	if diags.HasErrors() {
		return nil, s.view.fail(s.files(), s.nameWorkspaces(diags))
	}
	s.view.diagnostics(s.files(), diags)
	return p, nil
}

// input is what a plan, or the console, is made of.
func (s *session) input() plan.Input {
	return plan.Input{
		Config: s.config, Variables: s.variables, State: s.state, Registry: s.registry,
		Sessions: s.sessions, Env: s.env, Workspace: s.workspace,
	}
}

// tellRecovery says that a run was interrupted, and what it left open.
func (s *session) tellRecovery() {
	if s.recovery == nil {
		return
	}
	var open []string
	for _, u := range s.recovery.Unfinished {
		open = append(open, fmt.Sprintf("%s of %s", u.Action, u.Address))
	}
	looked := ""
	if len(open) > 0 {
		looked = "; what was under way is looked up in the kernel: " + strings.Join(open, ", ")
	}
	s.view.note("An earlier run (%s) was interrupted. What it did is known from its journal%s.", s.recovery.Command, looked)
}
