package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/google/renameio/v2"
	"github.com/hashicorp/hcl/v2"
	"github.com/spf13/cobra"

	"github.com/diyform/diyform/apply/trial"
	"github.com/diyform/diyform/config"
	"github.com/diyform/diyform/internal/diag"
	"github.com/diyform/diyform/internal/modsource"
	"github.com/diyform/diyform/internal/world"
	"github.com/diyform/diyform/plan"
	"github.com/diyform/diyform/providers/registry"
)

// testFolderName is where tests are beside the folder of the configuration.
const testFolderName = "tests"

// testFlags are those of the command test.
type testFlags struct {
	variables variableFlags
	folder    string
	filters   []string
	junit     string
	verbose   bool
	asJSON    bool
}

func newTest(v *view) *cobra.Command {
	var f testFlags
	cmd := &cobra.Command{
		Use:   "test",
		Short: "Run the tests of the configuration",
		Long: "Runs the files *.diytest.hcl of the folder and of its folder of tests. The runs of a file plan and\n" +
			"apply in a world of their own, made of namespaces: a host with one uplink, with real interfaces,\n" +
			"rules and containers, which is gone with all that is in it when the file ends, however it ends. The\n" +
			"machine's own network, its files and the recorded state are not touched. It takes no root.",
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return v.test(cmd.Context(), &f) },
	}
	cmd.Flags().Var(variableFlag{&f.variables, false}, "var", "set a variable: -var 'NAME=VALUE', any number of times")
	cmd.Flags().Var(variableFlag{&f.variables, true}, "var-file", "read variables from a file, any number of times")
	cmd.Flags().StringVar(&f.folder, "test-directory", testFolderName, "where there may be tests beside the folder itself")
	cmd.Flags().StringArrayVar(&f.filters, "filter", nil, "run this file alone, any number of times")
	cmd.Flags().StringVar(&f.junit, "junit-xml", "", "write the results to a file, in the form of JUnit")
	cmd.Flags().BoolVar(&f.verbose, "verbose", false, "show the plan of each run, or what it has made")
	cmd.Flags().BoolVar(&f.asJSON, "json", false, "print one JSON object a line, in the form of terraform test -json")
	return cmd
}

// test runs the files, each in a world of its own, and sums up.
func (v *view) test(ctx context.Context, f *testFlags) error {
	v.startStream(f.asJSON)
	report := &testReport{view: v}
	files, diags := loadTests(f)
	sources := map[string]*hcl.File{}
	for _, file := range files {
		maps.Copy(sources, file.Files)
	}
	var modules []string
	if !diags.HasErrors() {
		var more hcl.Diagnostics
		modules, more = v.checkTested(ctx, files, sources)
		diags = append(diags, more...)
	}
	v.diagnostics(sources, diags)
	if diags.HasErrors() {
		return exitStatus(exitError)
	}
	report.found(files)
	for _, file := range files {
		if err := v.testFile(ctx, file, modules, f, report); err != nil {
			return err
		}
	}
	report.summary()
	if f.junit != "" {
		text, err := report.junit()
		if err == nil {
			err = renameio.WriteFile(f.junit, text, 0o644)
		}
		if err != nil {
			return v.failWith(err, "The results cannot be written")
		}
	}
	if report.status().Merge(trial.Skip) != trial.Skip {
		return exitStatus(exitError)
	}
	return nil
}

// loadTests reads the test files that are to be run.
func loadTests(f *testFlags) ([]*config.TestFile, hcl.Diagnostics) {
	paths, err := config.TestPaths(".", f.folder)
	if err != nil {
		return nil, diag.FromError(err, "The tests cannot be found", nil)
	}
	if len(f.filters) > 0 {
		chosen, diags := filterTests(paths, f.filters)
		if diags.HasErrors() {
			return nil, diags
		}
		paths = chosen
	}
	var diags hcl.Diagnostics
	var files []*config.TestFile
	for _, path := range paths {
		file, more := config.LoadTest(path)
		files, diags = append(files, file), append(diags, more...)
	}
	if len(files) == 0 {
		diags = append(diags, diag.Warning(nil, "No tests",
			fmt.Sprintf("Neither this folder nor %s has a file whose name ends in .diytest.hcl or .diytest.json.%s", f.folder, config.ForeignTests(".", f.folder))))
	}
	return files, diags
}

// validateTests checks how the tests of the configuration are written, and adds their sources.
func validateTests(sources map[string]*hcl.File) hcl.Diagnostics {
	paths, err := config.TestPaths(".", testFolderName)
	diags := diag.FromError(err, "The tests cannot be found", nil)
	for _, path := range paths {
		file, more := config.LoadTest(path)
		maps.Copy(sources, file.Files)
		diags = append(diags, more...)
	}
	return diags
}

func filterTests(paths, filters []string) ([]string, hcl.Diagnostics) {
	var chosen []string
	for _, filter := range filters {
		path := filepath.Clean(filter)
		if !slices.Contains(paths, path) {
			return nil, hcl.Diagnostics{diag.Error(nil, "Unknown test file",
				fmt.Sprintf("-filter=%s names no test file.%s There are: %s.", filter, diag.Suggest(path, paths), cmp.Or(strings.Join(paths, ", "), "none")))}
		}
		chosen = append(chosen, path)
	}
	slices.Sort(chosen)
	return slices.Compact(chosen), nil
}

// checkTested checks the configuration and the modules that are tested, so that what is wrong
// with them is told once, before anything is run. It gives their folders, and those of the
// modules that they call.
func (v *view) checkTested(ctx context.Context, tests []*config.TestFile, files map[string]*hcl.File) (modules []string, diags hcl.Diagnostics) {
	for _, dir := range testedFolders(tests) {
		cfg, more := v.loader(ctx, modsource.New(dir), modsource.Options{Ask: v.interactive()}).Load(dir)
		if !more.HasErrors() {
			more = append(more, plan.Validate(cfg, registry.New())...)
		}
		for _, c := range cfg.All() {
			modules = append(modules, c.Dir)
		}
		maps.Copy(files, cfg.Files)
		diags = append(diags, more...)
	}
	return modules, diags
}

// testedFolders lists the folders of the modules that are run.
func testedFolders(tests []*config.TestFile) []string {
	var dirs []string
	for _, file := range tests {
		for _, run := range file.Runs {
			if dir := filepath.Join(".", run.Source); !slices.Contains(dirs, dir) {
				dirs = append(dirs, dir)
			}
		}
	}
	return dirs
}

// testFile runs one file in a world of its own.
func (v *view) testFile(ctx context.Context, file *config.TestFile, modules []string, f *testFlags, report *testReport) error {
	cmd, keep, err := v.testCommand(ctx, file, modules, f)
	if err != nil {
		return v.failWith(err, "The tests cannot be run")
	}
	read, write, err := os.Pipe()
	if err != nil {
		return v.failWith(err, "The tests cannot be run")
	}
	defer read.Close()
	cmd.ExtraFiles = []*os.File{write}
	report.begin(file)
	told := make(chan error, 1)
	go func() { told <- readEvents(read, report.take) }()
	ran := testWorld.Run(cmd, keep...)
	write.Close()
	ran = errors.Join(<-told, ran)
	switch {
	case ctx.Err() != nil:
		return v.failWith(&diag.Problem{Summary: "Interrupted",
			Detail: "The tests were ended, and all that they had made is gone.", Err: ctx.Err()}, "")
	case errors.Is(ran, world.ErrPrivilege):
		return v.failWith(ran, "The tests cannot have namespaces of their own")
	case ran != nil && !report.ended():
		report.broken(fmt.Errorf("the process that ran the file ended before it was done: %w", ran))
	}
	report.end()
	return nil
}

// testCommand is the process that runs a file, and what it must see of the real machine.
func (v *view) testCommand(ctx context.Context, file *config.TestFile, modules []string, f *testFlags) (cmd *exec.Cmd, keep []string, err error) {
	dir, err := os.Getwd()
	if err != nil {
		return nil, nil, err
	}
	task := testTask{Dir: dir, File: file.Path, Args: f.variables, Verbose: f.verbose, Color: palette(v.err).On, Width: width(v.err)}
	told, err := json.Marshal(task)
	if err != nil {
		return nil, nil, err
	}
	keep = append(slices.Clone(modules), ".", file.Path)
	for _, arg := range f.variables {
		if arg.File {
			keep = append(keep, arg.Text)
		}
	}
	for i := range keep {
		if !filepath.IsAbs(keep[i]) {
			keep[i] = filepath.Join(dir, keep[i])
		}
	}
	cmd = exec.CommandContext(ctx, "/proc/self/exe", testProcess, string(told))
	cmd.Stderr = v.err
	return cmd, keep, nil
}
