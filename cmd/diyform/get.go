package main

import (
	"context"
	"fmt"

	"github.com/hashicorp/hcl/v2"
	"github.com/spf13/cobra"

	"github.com/diyform/diyform/config"
	"github.com/diyform/diyform/internal/modsource"
)

func newGet(v *view) *cobra.Command {
	var o modsource.Options
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "get",
		Short: "Download the modules of the configuration",
		Long: "Downloads the modules that come from git repositories and archives into .diyform/modules, and removes\n" +
			"those that are called no more. Other commands download what is missing by themselves; -update also\n" +
			"downloads what is there, which brings changes of branches.",
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return v.get(cmd.Context(), o, asJSON) },
	}
	cmd.Flags().BoolVar(&o.Update, "update", false, "download again what is there")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print as JSON which modules there are, and where")
	return cmd
}

// gotModule is a call of a module and where its files are.
type gotModule struct {
	Address string `json:"address"`
	Source  string `json:"source"`
	Dir     string `json:"dir"`
	Commit  string `json:"commit,omitempty"`
	Digest  string `json:"digest,omitempty"`
}

func (v *view) get(ctx context.Context, o modsource.Options, asJSON bool) error {
	store := modsource.New(".")
	o.Ask = v.interactive()
	cfg, diags := v.loader(ctx, store, o).Load(".")
	if diags.HasErrors() {
		return v.fail(cfg.Files, diags)
	}
	v.diagnostics(cfg.Files, diags)
	called := cfg.All()[1:]
	needed := map[string]bool{}
	for _, m := range called {
		needed[m.Key()] = true
	}
	removed, err := store.Prune(ctx, func(key string) bool { return needed[key] }, modsource.Options{Log: v.tell})
	if err != nil {
		return v.failWith(err, "Modules cannot be removed")
	}
	for _, key := range removed {
		v.tell(fmt.Sprintf("Removed %s, which is called no more.", modsource.Called(key)))
	}
	got, err := gotModules(store, called)
	if err != nil {
		return v.failWith(err, "Modules cannot be listed")
	}
	if asJSON {
		return v.json(map[string]any{"modules": got})
	}
	for _, m := range got {
		v.printf("- %s in %s\n", m.Address, m.Dir)
	}
	if len(got) == 0 {
		v.printf("The configuration calls no modules.\n")
	}
	return nil
}

// gotModules lists the called modules with what was downloaded for each.
func gotModules(store *modsource.Store, called []*config.Config) ([]gotModule, error) {
	installed, err := store.Modules()
	if err != nil {
		return nil, err
	}
	byKey := map[string]modsource.Module{}
	for _, m := range installed {
		byKey[m.Key] = m
	}
	got := []gotModule{} // never null in JSON
	for _, m := range called {
		_, step := m.Path.Split()
		source := m.Parent.Calls[step.Name].Source
		is := byKey[m.Key()]
		got = append(got, gotModule{string(m.Path), modsource.Display(source), m.Dir, is.Commit, is.Digest})
	}
	return got, nil
}

// loadConfiguration reads the configuration of the working folder and downloads modules that are
// missing.
func (v *view) loadConfiguration(ctx context.Context) (*config.Config, hcl.Diagnostics) {
	return v.loader(ctx, modsource.New("."), modsource.Options{Ask: v.interactive()}).Load(".")
}

// loader is a reader of configuration that tells what it downloads.
func (v *view) loader(ctx context.Context, store *modsource.Store, o modsource.Options) config.Loader {
	o.Log = v.tell
	return config.Loader{Modules: store.Finder(ctx, o)}
}

// tell writes a line about what goes on to standard error, where it is in no script's way.
func (v *view) tell(line string) { fmt.Fprintln(v.err, line) }
