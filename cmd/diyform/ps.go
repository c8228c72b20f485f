package main

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/diyform/diyform/internal/addr"
	"github.com/diyform/diyform/internal/diag"
	"github.com/diyform/diyform/internal/linux/process"
	"github.com/diyform/diyform/plan"
	"github.com/diyform/diyform/providers"
	"github.com/diyform/diyform/providers/container"
	"github.com/diyform/diyform/providers/container/supervisor"
)

// containerRow is a container as `diyform ps -json` shows it. Scripts rely on the keys.
type containerRow struct {
	Address string `json:"address"`
	// Status is its phase, or "gone": it was made, and does not exist any more.
	Status           string       `json:"status"`
	PID              int64        `json:"pid"` // 0: it has no process
	StartedAt        string       `json:"started_at,omitempty"`
	NetworkNamespace string       `json:"network_namespace,omitempty"`
	Addresses        []netip.Addr `json:"addresses"`
	Command          []string     `json:"command"`
	Health           string       `json:"health,omitempty"` // starting, healthy or unhealthy
	Uptime           *float64     `json:"uptime,omitempty"` // seconds
	// ExitCode is that of the last run, 128 and the signal's number where a signal ended it.
	ExitCode  *int   `json:"exit_code,omitempty"`
	Signal    int    `json:"signal,omitempty"`
	OOMKilled bool   `json:"oom_killed"` // the kernel ended one of its processes for want of memory
	Restarts  int    `json:"restarts"`   // by the restart policy
	NextStart string `json:"next_start,omitempty"`
	Problem   string `json:"problem,omitempty"`
	*usage           // nil, and its keys are absent, where it has no processes

	status supervisor.Status
}

// usage is what a container uses.
type usage struct {
	Memory      int64   `json:"memory"`                 // bytes
	MemoryLimit int64   `json:"memory_limit,omitempty"` // bytes
	CPU         float64 `json:"cpu"`                    // seconds of processor time so far
	PIDs        int64   `json:"pids"`                   // processes and threads
}

func newPs(v *view) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "ps",
		Short: "List the containers and how they are",
		Long: "List the containers and how they are.\n\n" +
			"MEMORY is without the page cache that the kernel can drop at once, CPU the processor time that was used so\n" +
			"far. Both are of all processes of the container. ADDRESSES are those that are set now, in its network\n" +
			"namespace. `diyform top` shows the use as it changes.",
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			rows, err := v.containers(cmd.Context())
			if err != nil {
				return v.failWith(err, "The containers cannot be listed")
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

// containers lists those of the stack in the working folder. Nothing is printed.
func (v *view) containers(ctx context.Context) ([]containerRow, error) {
	s, err := loadSession(v)
	if err != nil {
		return nil, diag.FromError(explainAccess(err), "The state cannot be read", nil)
	}
	if err := s.connect(); err != nil {
		return nil, diag.FromError(err, "The providers cannot be opened", nil)
	}
	defer s.close()
	list, diags := plan.Refresh(ctx, plan.Input{State: s.state, Registry: s.registry, Sessions: s.sessions, Env: s.env},
		func(a addr.Instance) bool { return a.Type == "container" })
	if diags.HasErrors() {
		return nil, diags
	}
	known, err := supervisor.Connect(s.env.RuntimeDir).List(ctx)
	if err != nil {
		return nil, err
	}
	statuses := map[string]supervisor.Status{}
	for _, k := range known {
		statuses[k.Spec.ID] = k
	}
	rows := []containerRow{}
	var meter meter
	for _, r := range list {
		row := newContainerRow(r)
		if k, ok := statuses[container.RecordedID(r.Object)]; ok && r.Actual != nil {
			row.observe(k, &meter)
		}
		rows = append(rows, row)
	}
	return rows, nil
}

// newContainerRow tells what the provider has read.
func newContainerRow(r *plan.Recorded) containerRow {
	row := containerRow{Address: r.Object.Address.String(), Status: "gone", Addresses: []netip.Addr{}}
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

// observe adds what the supervisor and the kernel know.
func (r *containerRow) observe(s supervisor.Status, m *meter) {
	r.status = s
	r.Health, r.Restarts, r.OOMKilled, r.Problem = string(s.Health.Status), s.Restarts, s.OOMKilled, s.Problem
	if len(r.Command) == 0 { // it is the image's
		r.Command = s.Spec.Command
	}
	if s.Exit != nil {
		r.ExitCode, r.Signal = &s.Exit.Code, s.Exit.Signal
	}
	if !s.NextStart.IsZero() && s.Phase == supervisor.Restarting {
		r.NextStart = s.NextStart.UTC().Format(time.RFC3339)
	}
	if r.PID == 0 {
		return
	}
	if s.Phase == supervisor.Running {
		up := max(0, time.Since(s.StartedAt)).Seconds()
		r.Uptime = &up
	}
	// Who has just ended has neither any more.
	if list, err := process.Addresses(int(r.PID)); err == nil {
		r.Addresses = append(r.Addresses, list...)
	}
	r.usage = m.read(s)
}

// state is the status for people: with what they would ask next.
func (r *containerRow) state() string {
	switch {
	case r.NextStart != "":
		return "restarting in " + max(0, time.Until(r.status.NextStart)).Round(time.Second).String()
	case r.OOMKilled && r.Signal == int(syscall.SIGKILL):
		return "oom-killed"
	case r.ExitCode != nil && (r.Status == string(supervisor.Exited) || r.Status == string(supervisor.Stopped)):
		return fmt.Sprintf("%s (%d)", r.Status, *r.ExitCode)
	}
	return r.Status
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
		pid, up, memory, cpu := "-", "-", "-", "-"
		if r.PID != 0 {
			pid = fmt.Sprint(r.PID)
		}
		if r.Uptime != nil {
			up = ago(*r.Uptime)
		}
		if r.usage != nil {
			memory, cpu = byteCount(r.usage.Memory), processorTime(r.usage.CPU)
		}
		var addresses []string
		for _, a := range r.Addresses {
			addresses = append(addresses, a.String())
		}
		cells = append(cells, []string{
			r.Address, r.state(), pid, up, orDash(r.Health), memory, cpu, fmt.Sprint(r.Restarts),
			orDash(r.NetworkNamespace), orDash(strings.Join(addresses, ",")), oneLine(strings.Join(r.Command, " ")),
		})
	}
	table(v.out, []string{"ADDRESS", "STATUS", "PID", "UP", "HEALTH", "MEMORY", "CPU", "RESTARTS", "NETWORK", "ADDRESSES", "COMMAND"}, cells)
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// oneLine keeps a command with line breaks from breaking the table.
func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }
