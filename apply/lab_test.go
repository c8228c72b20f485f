package apply_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/hashicorp/hcl/v2"

	"github.com/diyform/diyform/apply"
	"github.com/diyform/diyform/config"
	"github.com/diyform/diyform/internal/addr"
	"github.com/diyform/diyform/plan"
	"github.com/diyform/diyform/providers"
	"github.com/diyform/diyform/providers/builtin"
	"github.com/diyform/diyform/providers/providertest"
	"github.com/diyform/diyform/state"
)

// testLineage is the lineage of every state in the tests, so that marks are the same in each.
const testLineage = "b3f6f3d2-8c44-4c40-9f0e-0a6bf2a0c001"

// lab is a working folder and a world, for commands one after another.
type lab struct {
	t     testing.TB
	dir   string
	boot  string
	world *providertest.World
	args  []config.VarArg
	cfg   *config.Config

	died    *providertest.World // the world when the process died, or nil
	diedDir string              // a copy of the folder as it was then
}

func newLab(t testing.TB) *lab {
	return &lab{t: t, dir: t.TempDir(), boot: "boot-1", world: providertest.New()}
}

func (l *lab) must(err error) {
	l.t.Helper()
	if err != nil {
		l.t.Fatal(err)
	}
}

func (l *lab) write(name, text string) {
	l.t.Helper()
	path := filepath.Join(l.dir, name)
	l.must(os.MkdirAll(filepath.Dir(path), 0o700))
	l.must(os.WriteFile(path, []byte(text), 0o600))
}

// command is what a command works with from its begin to its end.
type command struct {
	lab   *lab
	store *state.Store
	lock  *state.Lock
	input plan.Input
}

// begin takes the lock and reads state and configuration.
func (l *lab) begin(mode plan.Mode) (*command, hcl.Diagnostics) {
	l.t.Helper()
	c := &command{lab: l, store: state.Open(l.dir)}
	lock, err := c.store.Lock(context.Background(), state.LockInfo{Command: "test"}, 0, nil)
	l.must(err)
	c.lock = lock
	st, _, err := c.store.Load()
	l.must(err)
	if st.Serial == 0 {
		st.Lineage, st.BootID = testLineage, l.boot
	}
	env := providers.Env{Lineage: st.Lineage, BootID: l.boot, Dir: l.dir}
	registry := providers.NewRegistry(providertest.Provider(l.world), builtin.Provider())
	sessions, err := registry.Open(env)
	l.must(err)
	c.input = plan.Input{State: st, Registry: registry, Sessions: sessions, Env: env, Mode: mode}
	cfg, diags := config.Load(l.dir)
	c.input.Config, l.cfg = cfg, cfg
	if mode == plan.Destroy {
		return c, nil
	}
	if diags.HasErrors() {
		return c, diags
	}
	values, more := cfg.Values(config.ValueSources{Dir: l.dir, Args: l.args})
	c.input.Variables = values
	return c, append(diags, more...)
}

func (c *command) end() {
	c.lab.t.Helper()
	c.lab.must(c.input.Sessions.Close())
	c.lab.must(c.lock.Unlock())
}

// plan makes a plan and nothing else.
func (l *lab) plan(mode plan.Mode) (*plan.Plan, hcl.Diagnostics) {
	l.t.Helper()
	c, diags := l.begin(mode)
	defer c.end()
	if diags.HasErrors() {
		return nil, diags
	}
	return plan.New(context.Background(), c.input)
}

// run plans and applies.
func (l *lab) run(ctx context.Context, mode plan.Mode, o apply.Options) (*plan.Plan, *apply.Result, hcl.Diagnostics) {
	l.t.Helper()
	c, diags := l.begin(mode)
	defer c.end()
	if diags.HasErrors() {
		return nil, nil, diags
	}
	p, diags := plan.New(ctx, c.input)
	if diags.HasErrors() || !p.NeedsApply() {
		return p, nil, diags
	}
	result, more := apply.Run(ctx, c.store, p, o)
	return p, result, append(diags, more...)
}

// state gives what is recorded.
func (l *lab) state() *state.State {
	l.t.Helper()
	st, recovery, err := state.Open(l.dir).Load()
	l.must(err)
	if recovery != nil {
		l.t.Errorf("the journal of a run is left: %+v", recovery)
	}
	return st
}

// editState changes the record between two commands.
func (l *lab) editState(edit func(*state.State)) {
	l.t.Helper()
	store := state.Open(l.dir)
	lock, err := store.Lock(context.Background(), state.LockInfo{}, 0, nil)
	l.must(err)
	st, _, err := store.Load()
	l.must(err)
	edit(st)
	st.Serial++
	l.must(store.Save(st))
	l.must(lock.Unlock())
}

// dieAt makes it look as if the process had died at the first operation for which when says
// so, before or after it: what comes after is undone by bury. The run must have one worker.
func (l *lab) dieAt(after bool, when func(addr.Instance) bool) {
	l.died = nil
	hook := func(_ providers.Action, a addr.Instance) {
		if l.died == nil && when(a) {
			l.died, l.diedDir = l.world.Clone(), filepath.Join(l.t.TempDir(), "died")
			l.must(os.CopyFS(l.diedDir, os.DirFS(l.dir)))
		}
	}
	if after {
		l.world.After = hook
	} else {
		l.world.Before = hook
	}
}

// bury ends what dieAt began, and tells whether the process died.
func (l *lab) bury() bool {
	l.t.Helper()
	l.world.Before, l.world.After = nil, nil
	if l.died == nil {
		return false
	}
	l.died.Log = l.world.Log
	l.world, l.died = l.died, nil
	l.must(os.RemoveAll(l.dir))
	l.must(os.CopyFS(l.dir, os.DirFS(l.diedDir)))
	return true
}
