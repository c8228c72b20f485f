package trial

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/hashicorp/hcl/v2"

	"github.com/diyform/diyform/apply"
	"github.com/diyform/diyform/config"
	"github.com/diyform/diyform/internal/diag"
	"github.com/diyform/diyform/plan"
	"github.com/diyform/diyform/providers"
	"github.com/diyform/diyform/state"
)

// stack is a module with its records. Runs of the same module share them.
type stack struct {
	config *config.Config
	store  *state.Store
	lock   *state.Lock
}

// stack gives that of a run, made when it is first needed.
func (t *trial) stack(ctx context.Context, run *config.TestRun) (*stack, hcl.Diagnostics) {
	if s := t.stacks[run.Source]; s != nil {
		t.use(s)
		return s, nil
	}
	s := &stack{}
	t.stacks[run.Source] = s
	source := filepath.Join(t.Dir, run.Source)
	cfg, diags := t.Loader(source).Load(source)
	s.config = cfg
	if diags.HasErrors() {
		return nil, diags
	}
	dir := filepath.Join(t.StateDir, strconv.Itoa(len(t.stacks)))
	err := os.Mkdir(dir, 0o700)
	if err == nil {
		s.store = state.Open(dir)
		s.lock, err = s.store.Lock(ctx, state.LockInfo{Command: "diyform test"}, 0, nil)
	}
	if err != nil {
		return nil, append(diags, diag.FromError(err, "The state cannot be kept", nil)...)
	}
	t.use(s)
	return s, diags
}

// session is one command's work on a stack.
type session struct {
	state    *state.State
	env      providers.Env
	sessions *providers.Sessions
}

func (t *trial) open(s *stack) (*session, error) {
	st, _, err := s.store.Load()
	if err != nil {
		return nil, err
	}
	env := t.Env(st.Lineage)
	sessions, err := t.Registry.Open(env)
	return &session{state: st, env: env, sessions: sessions}, err
}

func (t *trial) input(s *session) plan.Input {
	return plan.Input{State: s.state, Registry: t.Registry, Sessions: s.sessions, Env: s.env, Workspace: providers.DefaultWorkspace}
}

// destroy takes away what is recorded, and makes sure that nothing stays so.
func (s *stack) destroy(ctx context.Context, t *trial) hcl.Diagnostics {
	session, err := t.open(s)
	if err != nil {
		return couldNotDestroy(err)
	}
	defer session.sessions.Close()
	in := t.input(session)
	in.Mode = plan.Destroy
	p, diags := plan.New(ctx, in)
	if p == nil {
		return append(couldNotDestroy(errors.New("no plan could be made")), diags...)
	}
	if p.NeedsApply() {
		_, more := apply.Run(ctx, s.store, p, apply.Options{})
		diags = append(diags, more...)
	}
	left, _, err := s.store.Load()
	if err != nil {
		return append(diags, couldNotDestroy(err)...)
	}
	for _, r := range slices.Concat(left.Sorted(), left.SortedDeposed()) {
		diags = append(diags, couldNotDestroy(fmt.Errorf("%s is still there", r.Address))...)
	}
	return diags
}

func couldNotDestroy(err error) hcl.Diagnostics {
	return diag.FromError(err, "What the tests made could not be destroyed", nil)
}

func (s *stack) close() {
	if s.lock != nil {
		_ = s.lock.Unlock() // the folder goes with the test
	}
}
