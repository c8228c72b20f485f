package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/diyform/diyform/internal/diag"
	"github.com/diyform/diyform/plan"
	"github.com/diyform/diyform/providers/registry"
	"github.com/diyform/diyform/state"
)

// driftFlags are those of the command drift.
type driftFlags struct {
	asJSON   bool
	watch    bool
	interval time.Duration
}

func newDrift(v *view) *cobra.Command {
	var f driftFlags
	cmd := &cobra.Command{
		Use:   "drift",
		Short: "Show what was changed outside of diyform",
		Long: "Compares what is recorded with what is there. It changes neither, needs no configuration and\n" +
			"waits for no other command. The exit code is 0 for no drift, 2 for drift and 1 for an error.\n\n" +
			"With -watch it goes on, and tells what changes as soon as the kernel does, until it is interrupted.",
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			switch {
			case f.interval < burstQuiet:
				return v.failWith(&diag.Problem{Summary: "The interval is too short",
					Detail: fmt.Sprintf("-interval=%s is less than %s. What the kernel tells of is told at once anyway.", f.interval, burstQuiet)}, "")
			case f.watch:
				return v.watchDrift(cmd.Context(), &f)
			}
			return v.drift(cmd.Context(), &f)
		},
	}
	cmd.Flags().BoolVar(&f.asJSON, "json", false, "print it as JSON, with -watch one object a line")
	cmd.Flags().BoolVar(&f.watch, "watch", false, "go on, and tell what changes")
	cmd.Flags().DurationVar(&f.interval, "interval", 10*time.Second,
		"with -watch, how often to look at what tells of no changes: sysctls, files, containers")
	return cmd
}

// newRefresh is for those who know it from Terraform.
func newRefresh(v *view) *cobra.Command {
	flags := applyFlags{autoApprove: true}
	cmd := &cobra.Command{
		Use:   "refresh",
		Short: "Record what is there",
		Long: "Reads what is recorded from the kernel and records it as it is: `diyform apply -refresh-only\n" +
			"-auto-approve`. It changes nothing in the kernel. `diyform drift` shows what it would record.",
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return v.planAndApply(cmd.Context(), plan.RefreshOnly, &flags)
		},
	}
	flags.stackFlags.add(cmd)
	return cmd
}

// readings reads drift, once or again and again, of one workspace.
type readings struct {
	view      *view
	store     *state.Store
	workspace string
}

func (v *view) readings() (*readings, error) {
	s, err := newSession(v)
	if err != nil {
		return nil, v.stateError(err)
	}
	return &readings{view: v, store: s.store, workspace: s.workspace}, nil
}

// begin loads what is recorded now and opens sessions. No lock: nothing is written, and who
// watches must stand in nobody's way.
func (r *readings) begin() (*session, error) {
	s := &session{view: r.view, registry: registry.New(), store: r.store, workspace: r.workspace}
	if err := s.load(); err != nil {
		return nil, err
	}
	return s, s.connect()
}

// drift reads once.
func (v *view) drift(ctx context.Context, f *driftFlags) error {
	r, err := v.readings()
	if err != nil {
		return err
	}
	s, err := r.begin()
	if s != nil {
		defer s.close()
	}
	if err != nil {
		return v.stateError(err)
	}
	found, diags := plan.FindDrift(ctx, s.input())
	v.diagnostics(nil, diags)
	if diags.HasErrors() {
		return exitStatus(exitError)
	}
	if err := v.showDrift(found, f.asJSON); err != nil {
		return v.failWith(err, "The drift cannot be shown")
	}
	if len(found) > 0 {
		return exitStatus(exitChanges)
	}
	return nil
}

// driftDocument is drift for scripts.
type driftDocument struct {
	FormatVersion string            `json:"format_version"`
	Time          *time.Time        `json:"time,omitempty"` // with -watch
	Drifted       bool              `json:"drifted"`        // whether anything is not as recorded
	ResourceDrift []plan.JSONChange `json:"resource_drift"` // with -watch, what has changed since the line before
	Resolved      []string          `json:"resolved,omitempty"`
	Diagnostics   []diag.Document   `json:"diagnostics,omitempty"`
}

func newDriftDocument(found []*plan.Drift) (*driftDocument, error) {
	doc := &driftDocument{FormatVersion: "1.0", Drifted: len(found) > 0, ResourceDrift: []plan.JSONChange{}}
	for _, d := range found {
		j, err := d.JSON()
		if err != nil {
			return nil, err
		}
		doc.ResourceDrift = append(doc.ResourceDrift, j)
	}
	return doc, nil
}

func (v *view) showDrift(found []*plan.Drift, asJSON bool) error {
	if asJSON {
		doc, err := newDriftDocument(found)
		if err != nil {
			return err
		}
		return v.json(doc)
	}
	p := palette(v.out)
	if len(found) == 0 {
		v.printf("%s What is recorded is what is there.\n", p.Bold(p.Green("No drift.")))
		return nil
	}
	plan.RenderDrift(v.out, p, "Changed outside of diyform since the last apply:", found)
	changed, gone := countDrift(found)
	v.printf("%s %d changed, %d gone. `diyform plan` shows how they would be repaired; `diyform refresh` records\nthem as they are.\n",
		p.Bold("Drift:"), changed, gone)
	return nil
}

func countDrift(found []*plan.Drift) (changed, gone int) {
	for _, d := range found {
		if d.Gone() {
			gone++
		} else {
			changed++
		}
	}
	return changed, gone
}

// driftNews is what has changed between two readings.
type driftNews struct {
	found    []*plan.Drift // all
	new      []*plan.Drift // drift that was not there, or was another
	resolved []string      // addresses that are again as recorded, or recorded no more
}

// driftMemory is what was told last: by address, the drift as JSON.
type driftMemory map[string]string

// compare gives the news, and remembers them.
func (m driftMemory) compare(found []*plan.Drift) (driftNews, error) {
	news := driftNews{found: found}
	now := map[string]bool{}
	for _, d := range found {
		j, err := d.JSON()
		if err != nil {
			return news, err
		}
		address, text := d.Address.String(), fmt.Sprintf("%s %s", j.Change.Before, j.Change.After)
		now[address] = true
		if m[address] != text {
			m[address] = text
			news.new = append(news.new, d)
		}
	}
	for _, address := range keys(m) {
		if !now[address] {
			delete(m, address)
			news.resolved = append(news.resolved, address)
		}
	}
	return news, nil
}
