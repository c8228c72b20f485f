package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/diyform/diyform/internal/diag"
)

// loadRow is a container as `diyform top -json` shows it. Scripts rely on the keys.
type loadRow struct {
	Address string  `json:"address"`
	Status  string  `json:"status"`
	CPU     float64 `json:"cpu_percent"` // of one processor, since the last round
	*usage          // nil, and its keys are absent, where it has no processes

	Uptime *float64 `json:"uptime,omitempty"` // seconds
	state  string
}

// topFlags are how top shows what it reads.
type topFlags struct {
	interval time.Duration
	rounds   int // 0: until it is told to end
	sort     string
	json     bool
}

// sortings compare rows, the one that comes first first.
var sortings = map[string]func(a, b loadRow) int{
	"cpu":     func(a, b loadRow) int { return cmp.Compare(b.CPU, a.CPU) },
	"memory":  func(a, b loadRow) int { return cmp.Compare(b.used().Memory, a.used().Memory) },
	"pids":    func(a, b loadRow) int { return cmp.Compare(b.used().PIDs, a.used().PIDs) },
	"address": func(a, b loadRow) int { return cmp.Compare(a.Address, b.Address) },
}

// used is what the container uses, or nothing.
func (r loadRow) used() usage {
	if r.usage == nil {
		return usage{}
	}
	return *r.usage
}

func newTop(v *view) *cobra.Command {
	var f topFlags
	cmd := &cobra.Command{
		Use:   "top",
		Short: "Show what the containers use, as it changes",
		Long: "Show what the containers use, as it changes. q or Ctrl-C ends it. Where standard output is no terminal it\n" +
			"prints one round, or those of -n, one after the other.\n\n" +
			"CPU is in percent of one processor, of all processes of the container since the last round. MEMORY is\n" +
			"without the page cache that the kernel can drop at once. PIDS counts processes and threads.",
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := f.check(); err != nil {
				return v.failWith(err, "The command line is wrong")
			}
			live := !f.json && v.interactive()
			if !live && !cmd.Flags().Changed("n") {
				f.rounds = 1
			}
			var err error
			if live {
				err = v.topLive(cmd.Context(), &f)
			} else {
				err = v.topRounds(cmd.Context(), &f, func(rows []loadRow) error { return v.printRound(&f, rows) })
			}
			if err != nil {
				return v.failWith(err, "The containers cannot be watched")
			}
			return nil
		},
	}
	cmd.Flags().DurationVar(&f.interval, "interval", 2*time.Second, "time between rounds")
	cmd.Flags().IntVarP(&f.rounds, "n", "n", 0, "end after this many rounds; 0 goes on")
	cmd.Flags().StringVar(&f.sort, "sort", "cpu", "what to sort by: "+strings.Join(sortingNames(), ", "))
	cmd.Flags().BoolVar(&f.json, "json", false, "print each round as a line of JSON")
	return cmd
}

func sortingNames() []string { return keys(sortings) }

// shortestInterval is what keeps top from being the one that uses most.
const shortestInterval = 100 * time.Millisecond

func (f *topFlags) check() error {
	if sortings[f.sort] == nil {
		return &diag.Problem{Summary: "Unknown sorting", Detail: fmt.Sprintf("-sort=%s: there is %s.%s",
			f.sort, strings.Join(sortingNames(), ", "), diag.Suggest(f.sort, sortingNames()))}
	}
	if f.interval < shortestInterval || f.rounds < 0 {
		return &diag.Problem{Summary: "Flag out of range",
			Detail: fmt.Sprintf("-interval must be at least %s, and -n at least 0.", shortestInterval)}
	}
	return nil
}

// firstInterval is how long the first round's CPU is measured at most: nobody wants to wait
// for the first picture.
const firstInterval = 500 * time.Millisecond

// topRounds reads the containers round by round and shows each, until an interrupt. Its
// errors are not printed yet: the terminal may not be as it was.
func (v *view) topRounds(ctx context.Context, f *topFlags, show func([]loadRow) error) error {
	last, err := v.containers(ctx)
	at := time.Now()
	pause := min(f.interval, firstInterval)
	for round := 0; err == nil && (f.rounds == 0 || round < f.rounds); round++ {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(pause):
		}
		pause = f.interval
		var rows []containerRow
		if rows, err = v.containers(ctx); err != nil {
			break
		}
		now := time.Now()
		err = show(loads(last, rows, now.Sub(at), f.sort))
		last, at = rows, now
	}
	if ctx.Err() != nil {
		return nil // it was interrupted in the middle of a round
	}
	return err
}

// loads compares two rounds that are a time apart.
func loads(before, now []containerRow, apart time.Duration, sort string) []loadRow {
	used := map[string]containerRow{}
	for _, r := range before {
		used[r.Address] = r
	}
	rows := []loadRow{}
	for _, r := range now {
		row := loadRow{Address: r.Address, Status: r.Status, usage: r.usage, Uptime: r.Uptime, state: r.state()}
		// A container that was started anew in between began at nothing.
		if old := used[r.Address]; r.usage != nil && old.usage != nil && old.PID == r.PID && apart > 0 {
			row.CPU = max(0, (r.usage.CPU-old.usage.CPU)/apart.Seconds()*100)
		}
		rows = append(rows, row)
	}
	slices.SortStableFunc(rows, func(a, b loadRow) int {
		return cmp.Or(sortings[sort](a, b), cmp.Compare(a.Address, b.Address))
	})
	return rows
}

// printRound prints a round for scripts, or for who reads it later.
func (v *view) printRound(f *topFlags, rows []loadRow) error {
	if f.json {
		return newEncoder(v.out).Encode(rows)
	}
	v.printf("%s", loadTable(rows))
	return nil
}

func loadTable(rows []loadRow) string {
	var cells [][]string
	for _, r := range rows {
		cpu, memory, limit, share, pids, up := "-", "-", "-", "-", "-", "-"
		if u := r.usage; u != nil {
			cpu, memory, pids = fmt.Sprintf("%.1f%%", r.CPU), byteCount(u.Memory), fmt.Sprint(u.PIDs)
			if u.MemoryLimit > 0 {
				limit, share = byteCount(u.MemoryLimit), fmt.Sprintf("%.0f%%", float64(u.Memory)/float64(u.MemoryLimit)*100)
			}
		}
		if r.Uptime != nil {
			up = ago(*r.Uptime)
		}
		cells = append(cells, []string{r.Address, r.state, cpu, memory, limit, share, pids, up})
	}
	var b strings.Builder
	table(&b, []string{"ADDRESS", "STATUS", "CPU", "MEMORY", "LIMIT", "USED", "PIDS", "UP"}, cells)
	return b.String()
}

// What a terminal does at these: ECMA-48 and xterm's control sequences.
const (
	enterScreen = "\x1b[?1049h\x1b[?25l" // the other screen, no cursor
	leaveScreen = "\x1b[?25h\x1b[?1049l"
	toTop       = "\x1b[H"
	clearLine   = "\x1b[K"
	clearBelow  = "\x1b[J"
)

// topLive shows the rounds on the terminal, each in the place of the last.
func (v *view) topLive(ctx context.Context, f *topFlags) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	before, err := term.MakeRaw(int(v.in.Fd()))
	if err != nil {
		return fmt.Errorf("use the terminal: %w", err)
	}
	defer term.Restore(int(v.in.Fd()), before)
	v.printf("%s", enterScreen)
	defer v.printf("%s", leaveScreen)
	go func() {
		v.awaitQuit()
		cancel()
	}()
	return v.topRounds(ctx, f, func(rows []loadRow) error {
		v.printf("%s", v.screen(f, rows))
		return nil
	})
}

// awaitQuit waits for the key that ends top. In the terminal's raw mode Ctrl-C is a key. Its
// goroutine ends with the process, for nothing interrupts a read from a terminal.
func (v *view) awaitQuit() {
	var key [1]byte
	for {
		n, err := v.in.Read(key[:])
		if err != nil || n == 1 && (key[0] == 'q' || key[0] == 'Q' || key[0] == 3) {
			return
		}
	}
}

// screen is a round as the terminal shows it, cut off at its edges.
func (v *view) screen(f *topFlags, rows []loadRow) string {
	width, height, err := term.GetSize(int(v.out.Fd()))
	if err != nil || width <= 0 || height <= 0 {
		width, height = 80, 24
	}
	heading := fmt.Sprintf("%s  %d containers, every %s, by %s; q ends", time.Now().Format(time.TimeOnly), len(rows), f.interval, f.sort)
	lines := append([]string{heading, ""}, strings.Split(strings.TrimSuffix(loadTable(rows), "\n"), "\n")...)
	var b strings.Builder
	b.WriteString(toTop)
	for i, line := range lines[:min(len(lines), height)] {
		if i > 0 {
			b.WriteString("\r\n")
		}
		if r := []rune(line); len(r) > width {
			line = string(r[:width])
		}
		if i == 2 {
			line = palette(v.out).Bold(line)
		}
		b.WriteString(line + clearLine)
	}
	b.WriteString(clearBelow)
	return b.String()
}
