package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/spf13/cobra"

	"github.com/diyform/diyform/config"
	"github.com/diyform/diyform/internal/diag"
)

// fmtCommand is one run of `diyform fmt`.
type fmtCommand struct {
	view      *view
	check     bool
	diff      bool
	recursive bool
	changed   bool
}

func newFmt(v *view) *cobra.Command {
	f := &fmtCommand{view: v}
	cmd := &cobra.Command{
		Use:   "fmt [FILE or FOLDER ...]",
		Short: "Write configuration files in the one way",
		Long: "Rewrites *.diy.hcl files and variable files (*.vars.hcl) in the one way to lay them out, and\n" +
			"prints the names of those that changed. A single - formats standard input.",
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				args = []string{"."}
			}
			for _, arg := range args {
				if err := f.path(arg); err != nil {
					return err
				}
			}
			if f.check && f.changed {
				return exitStatus(3)
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&f.check, "check", false, "change nothing; exit with 3 if a file is not formatted")
	cmd.Flags().BoolVar(&f.diff, "diff", false, "print what changes")
	cmd.Flags().BoolVar(&f.recursive, "recursive", false, "go into folders below too")
	return cmd
}

func (f *fmtCommand) path(path string) error {
	if path == "-" {
		src, err := io.ReadAll(f.view.in)
		if err != nil {
			return f.view.failWith(err, "Standard input cannot be read")
		}
		return f.format("<stdin>", src, func(out []byte) error {
			if f.check {
				return nil
			}
			_, err := f.view.out.Write(out)
			return err
		})
	}
	info, err := os.Stat(path)
	if err != nil {
		return f.missing(path, err)
	}
	if !info.IsDir() {
		return f.file(path)
	}
	return f.folder(path)
}

func (f *fmtCommand) missing(path string, err error) error {
	return f.view.failWith(&diag.Problem{
		Summary: "The file cannot be formatted", Err: err,
		Detail: fmt.Sprintf("%s: %s", path, diag.Sentence(errors.Unwrap(err).Error())),
	}, "")
}

func (f *fmtCommand) folder(root string) error {
	return filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return f.missing(path, &fs.PathError{Op: "read", Path: path, Err: err})
		}
		if d.IsDir() {
			if path != root && (!f.recursive || strings.HasPrefix(d.Name(), ".")) {
				return fs.SkipDir
			}
			return nil
		}
		if strings.HasSuffix(path, ".diy.hcl") || strings.HasSuffix(path, ".vars.hcl") {
			return f.file(path)
		}
		return nil
	})
}

func (f *fmtCommand) file(path string) error {
	src, err := os.ReadFile(path)
	if err != nil {
		return f.missing(path, err)
	}
	return f.format(path, src, func(out []byte) error {
		if f.check || bytes.Equal(out, src) {
			return nil
		}
		return os.WriteFile(path, out, 0o666)
	})
}

func (f *fmtCommand) format(name string, src []byte, write func([]byte) error) error {
	out, diags := config.Format(src, name)
	if diags.HasErrors() {
		return f.view.fail(map[string]*hcl.File{name: {Bytes: src}}, diags)
	}
	if !bytes.Equal(src, out) {
		f.changed = true
		if name != "<stdin>" {
			f.view.printf("%s\n", name)
		}
		if f.diff {
			f.view.printf("%s", config.Diff(name, src, out))
		}
	}
	if err := write(out); err != nil {
		return f.view.failWith(err, "The file cannot be written")
	}
	return nil
}
