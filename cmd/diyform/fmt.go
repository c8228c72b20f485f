package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/spf13/cobra"

	"github.com/diyform/diyform/config"
	"github.com/diyform/diyform/internal/diag"
)

// formattedEndings are those of the files that fmt lays out: configuration, values, tests.
var formattedEndings = []string{".diy.hcl", ".vars.hcl", ".diytest.hcl"}

// fmtCommand is one run of `diyform fmt`.
type fmtCommand struct {
	view      *view
	check     bool
	diff      bool
	list      bool
	write     bool
	recursive bool

	changed bool
	diags   hcl.Diagnostics // of files that do not parse
	files   map[string]*hcl.File
}

func newFmt(v *view) *cobra.Command {
	f := &fmtCommand{view: v, files: map[string]*hcl.File{}}
	cmd := &cobra.Command{
		Use:   "fmt [FILE or FOLDER ...]",
		Short: "Write configuration files in the one way",
		Long: "Rewrites *.diy.hcl files, variable files (*.vars.hcl) and tests (*.diytest.hcl) in the one way to\n" +
			"lay them out, and prints the names of those that changed. A single - formats standard input.",
		RunE: func(_ *cobra.Command, args []string) error { return f.run(args) },
	}
	cmd.Flags().BoolVar(&f.check, "check", false, "change nothing; exit with 3 if a file is not formatted")
	cmd.Flags().BoolVar(&f.diff, "diff", false, "print what changes")
	cmd.Flags().BoolVar(&f.list, "list", true, "print the names of the files that change")
	cmd.Flags().BoolVar(&f.write, "write", true, "write the files; with -write=false -list=false they are printed")
	cmd.Flags().BoolVar(&f.recursive, "recursive", false, "go into folders below too")
	return cmd
}

// run formats what is named. What is wrong with one file does not stop the others.
func (f *fmtCommand) run(args []string) error {
	if len(args) == 0 {
		args = []string{"."}
	}
	if f.check {
		f.list, f.write = true, false
	}
	var failed error
	for _, arg := range args {
		if err := f.path(arg); err != nil && failed == nil {
			failed = err
		}
	}
	if f.diags.HasErrors() {
		return f.view.fail(f.files, f.diags)
	}
	if failed == nil && f.check && f.changed {
		return exitStatus(3)
	}
	return failed
}

func (f *fmtCommand) path(path string) error {
	if path == "-" {
		return f.standardInput()
	}
	info, err := os.Stat(path)
	if err != nil {
		return f.missing(path, err)
	}
	if info.IsDir() {
		return f.folder(path)
	}
	if !isFormatted(path) {
		return f.view.failWith(&diag.Problem{
			Summary: "A file of another kind cannot be formatted",
			Detail: fmt.Sprintf("The name of %s does not end in %s. Only files in HCL's native syntax are laid out; "+
				"diyform fmt - formats any text from standard input.", path, strings.Join(formattedEndings, ", ")),
		}, "")
	}
	return f.file(path)
}

func isFormatted(path string) bool {
	return slices.ContainsFunc(formattedEndings, func(ending string) bool { return strings.HasSuffix(path, ending) })
}

func (f *fmtCommand) standardInput() error {
	const name = "<stdin>"
	src, err := io.ReadAll(f.view.in)
	if err != nil {
		return f.view.failWith(err, "Standard input cannot be read")
	}
	out, ok := f.format(name, src)
	if ok && f.diff {
		f.view.printf("%s", config.Diff(name, src, out))
	} else if ok && !f.check {
		f.view.printf("%s", out)
	}
	return nil
}

func (f *fmtCommand) missing(path string, err error) error {
	return f.view.failWith(&diag.Problem{
		Summary: "The file cannot be formatted", Err: err,
		Detail: fmt.Sprintf("%s: %s", path, diag.Sentence(errors.Unwrap(err).Error())),
	}, "")
}

// folder formats the files in a folder. Those of editors, and hidden ones, are left alone.
func (f *fmtCommand) folder(root string) error {
	return filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return f.missing(path, &fs.PathError{Op: "read", Path: path, Err: err})
		}
		switch ignored := path != root && config.IsIgnored(d.Name()); {
		case d.IsDir() && path != root && (!f.recursive || ignored):
			return fs.SkipDir
		case d.IsDir() || ignored || !isFormatted(path):
			return nil
		}
		return f.file(path)
	})
}

func (f *fmtCommand) file(path string) error {
	src, err := os.ReadFile(path)
	if err != nil {
		return f.missing(path, err)
	}
	out, ok := f.format(path, src)
	if !ok {
		return nil
	}
	if !bytes.Equal(src, out) {
		if f.list {
			f.view.printf("%s\n", path)
		}
		if f.write {
			if err := os.WriteFile(path, out, 0o666); err != nil {
				return f.view.failWith(err, "The file cannot be written")
			}
		}
		if f.diff {
			f.view.printf("%s", config.Diff(path, src, out))
		}
	}
	if !f.list && !f.write && !f.diff {
		f.view.printf("%s", out)
	}
	return nil
}

// format gives the formatted text, unless the file does not parse.
func (f *fmtCommand) format(name string, src []byte) ([]byte, bool) {
	out, diags := config.Format(src, name)
	if diags.HasErrors() {
		f.diags = append(f.diags, diags...)
		f.files[name] = &hcl.File{Bytes: src}
		return nil, false
	}
	f.changed = f.changed || !bytes.Equal(src, out)
	return out, true
}
