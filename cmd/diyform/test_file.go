package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"syscall"

	"github.com/hashicorp/hcl/v2"

	"github.com/diyform/diyform/apply/trial"
	"github.com/diyform/diyform/config"
	"github.com/diyform/diyform/internal/diag"
	"github.com/diyform/diyform/internal/linux/bootid"
	"github.com/diyform/diyform/internal/linux/netns"
	"github.com/diyform/diyform/internal/modsource"
	"github.com/diyform/diyform/plan"
	"github.com/diyform/diyform/providers"
	"github.com/diyform/diyform/providers/registry"
)

// testProcess is the first argument of the process that runs a test file in its world; the
// second is a testTask.
const testProcess = "diyform-test-file"

// testTask is what that process is told.
type testTask struct {
	Dir     string
	File    string
	Args    []config.VarArg
	Verbose bool
	Color   bool
	Width   int
}

// testEvent is what it tells, one JSON object after the other on the descriptor testEvents.
type testEvent struct {
	Kind    testEventKind   `json:"kind"`
	Run     string          `json:"run,omitempty"`
	Status  trial.Status    `json:"status,omitempty"`
	Elapsed float64         `json:"elapsed,omitempty"` // seconds
	Asserts int             `json:"asserts,omitempty"`
	Failed  int             `json:"failed,omitempty"` // of the asserts
	Text    string          `json:"text,omitempty"`   // the diagnostics for people
	Shown   string          `json:"shown,omitempty"`  // what -verbose shows, for people
	Plan    json.RawMessage `json:"plan,omitempty"`   // and for scripts
	State   json.RawMessage `json:"state,omitempty"`

	Diags []diag.Document `json:"diags,omitempty"` // the same for scripts
}

type testEventKind string

const (
	runBegun   testEventKind = "begun"
	runEnded   testEventKind = "ended"
	tearDown   testEventKind = "teardown"
	fileEnded  testEventKind = "done"
	testEvents               = 3
)

// testInvoked reports whether this process is to run a test file. Its parent is then the first
// process of the world: nobody does this to the real machine by mistake.
func testInvoked() bool { return len(os.Args) == 3 && os.Args[1] == testProcess && os.Getppid() == 1 }

// testMain is that process's main function.
func testMain() int {
	syscall.CloseOnExec(testEvents)
	w := &testWorker{events: json.NewEncoder(os.NewFile(testEvents, "events"))}
	if err := w.work(context.Background(), os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, "Error: the tests could not be run:", err)
		return exitError
	}
	return exitDone
}

type testWorker struct {
	testTask
	events *json.Encoder
	lost   error // why events could not be told
}

func (w *testWorker) tell(e testEvent) { w.lost = errors.Join(w.lost, w.events.Encode(e)) }

func (w *testWorker) work(ctx context.Context, task string) error {
	if err := json.Unmarshal([]byte(task), &w.testTask); err != nil {
		return fmt.Errorf("decode task: %w", err)
	}
	// The folder that it began in may have been covered meanwhile.
	if err := os.Chdir(w.Dir); err != nil {
		return err
	}
	if err := os.MkdirAll(testStates, 0o700); err != nil {
		return err
	}
	boot, err := bootid.Read()
	if err != nil {
		return err
	}
	f, diags := config.LoadTest(w.File)
	if diags.HasErrors() {
		return diags
	}
	before, err := inventory(ctx)
	if err != nil {
		return err
	}
	diags = trial.File(ctx, f, trial.Options{
		Dir: ".", StateDir: testStates, Registry: registry.New(),
		// What is missing was fetched before: this world has no way to where it comes from.
		Loader: func(dir string) config.Loader {
			return config.Loader{Modules: modsource.New(dir).Finder(ctx, modsource.Options{Offline: true})}
		},
		Env: func(lineage string) providers.Env {
			return providers.Env{
				Lineage: lineage, BootID: boot, Dir: w.Dir, Workspace: providers.DefaultWorkspace,
				RuntimeDir: filepath.Join(runtimeRoot(), lineage), DataDir: testDataFolder,
			}
		},
		Sources:  config.ValueSources{Environ: os.Environ(), Dir: ".", Args: w.Args},
		Begun:    func(r *config.TestRun) { w.tell(testEvent{Kind: runBegun, Run: r.Name}) },
		Ended:    w.ended,
		TearDown: func() { w.tell(testEvent{Kind: tearDown}) },
	})
	if !diags.HasErrors() {
		diags = append(diags, leftBehind(ctx, before)...)
	}
	w.tell(testEvent{Kind: fileEnded, Diags: documents(f.Files, diags), Text: w.render(f.Files, diags)})
	return w.lost
}

func (w *testWorker) ended(r *trial.Result) {
	e := testEvent{
		Kind: runEnded, Run: r.Run.Name, Status: r.Status, Elapsed: r.Elapsed.Seconds(),
		Asserts: len(r.Run.Asserts), Failed: r.Failed,
		Diags: documents(r.Files, r.Diags), Text: w.render(r.Files, r.Diags),
	}
	if w.Verbose {
		w.show(&e, r)
	}
	w.tell(e)
}

// show adds the plan or, after an apply, what was made.
func (w *testWorker) show(e *testEvent, r *trial.Result) {
	var out bytes.Buffer
	palette := plan.Palette{On: w.Color}
	var err error
	switch {
	case r.State != nil:
		var doc *plan.JSONState
		if doc, err = plan.StateJSON(registry.New(), r.State); err == nil {
			e.State, err = json.Marshal(doc)
		}
		for _, rec := range r.State.Sorted() {
			object, t, decodeErr := plan.DecodeRecord(registry.New(), rec)
			if decodeErr != nil {
				err = errors.Join(err, decodeErr)
				continue
			}
			plan.RenderObject(&out, palette, rec.Address, t.Schema(), object.Attributes, rec.Sensitive)
		}
	case r.Plan != nil:
		var doc *plan.JSONPlan
		if doc, err = r.Plan.JSON(); err == nil {
			e.Plan, err = json.Marshal(doc)
		}
		r.Plan.Render(&out, palette)
	}
	w.lost = errors.Join(w.lost, err)
	e.Shown = out.String()
}

// render writes diagnostics for the terminal, or the file, that the caller writes to.
func (w *testWorker) render(files map[string]*hcl.File, diags hcl.Diagnostics) string {
	if len(diags) == 0 {
		return ""
	}
	var out bytes.Buffer
	if err := diag.WriteText(&out, files, diags, diag.Style{Color: w.Color, Width: w.Width}); err != nil {
		return diags.Error() + "\n"
	}
	return out.String()
}

// inventory lists what there is of networks in this world.
func inventory(ctx context.Context) ([]string, error) {
	host, err := netns.Host()
	if err != nil {
		return nil, err
	}
	defer host.Close()
	conn, err := host.Route()
	if err != nil {
		return nil, err
	}
	links, err := conn.Links(ctx)
	if err != nil {
		return nil, err
	}
	names, list := map[int]string{}, []string{}
	for _, l := range links {
		names[l.Index] = l.Name
		list = append(list, "interface "+l.Name)
	}
	addresses, err := conn.Addresses(ctx)
	if err != nil {
		return nil, err
	}
	for _, a := range addresses {
		list = append(list, fmt.Sprintf("address %s on %s", a.Prefix, names[a.Index]))
	}
	routes, err := conn.Routes(ctx)
	if err != nil {
		return nil, err
	}
	for _, r := range routes {
		list = append(list, fmt.Sprintf("route to %s by %s", r.Destination, names[r.Index]))
	}
	named, err := os.ReadDir(netns.Dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	for _, e := range named {
		list = append(list, "network namespace "+e.Name())
	}
	return list, nil
}

// leftBehind tells what is there after the destroy that was not there before the first run, and
// the other way round.
func leftBehind(ctx context.Context, before []string) hcl.Diagnostics {
	after, err := inventory(ctx)
	if err != nil {
		return diag.FromError(err, "What the tests left cannot be read", nil)
	}
	var diags hcl.Diagnostics
	for _, what := range after {
		if !slices.Contains(before, what) {
			diags = append(diags, diag.Error(nil, "Something is left after the destroy",
				fmt.Sprintf("There is the %s, which was not there before the tests.", what)))
		}
	}
	for _, what := range before {
		if !slices.Contains(after, what) {
			diags = append(diags, diag.Error(nil, "Something is gone after the destroy",
				fmt.Sprintf("There was the %s before the tests, and it is not there any more.", what)))
		}
	}
	return diags
}

// readEvents calls each for every event until the process that tells them has ended.
func readEvents(r io.Reader, each func(testEvent)) error {
	events := json.NewDecoder(r)
	for {
		var e testEvent
		if err := events.Decode(&e); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		each(e)
	}
}
