package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/diyform/diyform/internal/addr"
	"github.com/diyform/diyform/plan"
	"github.com/diyform/diyform/providers"
	"github.com/diyform/diyform/providers/registry"
	"github.com/diyform/diyform/state"
)

// containerRow is a container as `diyform ps` shows it.
type containerRow struct {
	Address          string   `json:"address"`
	Status           string   `json:"status"`
	PID              int64    `json:"pid"`
	StartedAt        string   `json:"started_at,omitempty"`
	NetworkNamespace string   `json:"network_namespace,omitempty"`
	Command          []string `json:"command"`
}

func newPs(v *view) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "ps",
		Short: "List the containers and how they are",
		Args:  noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			rows, err := v.containers(cmd.Context())
			if err != nil {
				return err
			}
			if asJSON {
				return v.json(rows)
			}
			v.printContainers(rows)
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print as JSON")
	return cmd
}

func (v *view) containers(ctx context.Context) ([]containerRow, error) {
	s := &session{view: v, registry: registry.New(), store: state.Open(".")}
	if err := s.load(); err != nil {
		return nil, v.stateError(err)
	}
	if err := s.connect(); err != nil {
		return nil, v.failWith(err, "The providers cannot be opened")
	}
	defer s.close()
	list, diags := plan.Refresh(ctx, plan.Input{State: s.state, Registry: s.registry, Sessions: s.sessions, Env: s.env},
		func(a addr.Instance) bool { return a.Type == "container" })
	if diags.HasErrors() {
		return nil, v.fail(nil, diags)
	}
	rows := []containerRow{}
	for _, r := range list {
		rows = append(rows, newContainerRow(r))
	}
	return rows, nil
}

func newContainerRow(r *plan.Recorded) containerRow {
	row := containerRow{Address: r.Object.Address.String(), Status: "gone"}
	from := r.Actual
	if from == nil {
		from = r.Object
	}
	row.Command = stringList(from, "command")
	if r.Hides("command") {
		row.Command = []string{plan.Hidden}
	}
	row.NetworkNamespace = stringOf(from, "network_namespace")
	if r.Hides("network_namespace") {
		row.NetworkNamespace = plan.Hidden
	}
	if r.Actual != nil {
		row.Status = stringOf(r.Actual, "status")
		row.StartedAt = stringOf(r.Actual, "started_at")
		if pid := r.Actual.Attributes.GetAttr("pid"); !pid.IsNull() {
			row.PID, _ = pid.AsBigFloat().Int64()
		}
	}
	return row
}

func stringOf(o *providers.Object, name string) string {
	if v := o.Attributes.GetAttr(name); !v.IsNull() {
		return v.AsString()
	}
	return ""
}

func stringList(o *providers.Object, name string) []string {
	out := []string{}
	if v := o.Attributes.GetAttr(name); !v.IsNull() {
		for _, e := range v.AsValueSlice() {
			out = append(out, e.AsString())
		}
	}
	return out
}

func (v *view) printContainers(rows []containerRow) {
	var cells [][]string
	for _, r := range rows {
		pid, up := "-", "-"
		if r.PID != 0 {
			pid = fmt.Sprint(r.PID)
		}
		if t, err := time.Parse(time.RFC3339, r.StartedAt); err == nil && r.PID != 0 {
			up = max(0, time.Since(t)).Round(time.Second).String()
		}
		cells = append(cells, []string{r.Address, r.Status, pid, up, orDash(r.NetworkNamespace), strings.Join(r.Command, " ")})
	}
	table(v.out, []string{"ADDRESS", "STATUS", "PID", "UP", "NETWORK", "COMMAND"}, cells)
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
