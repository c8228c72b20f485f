package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/diyform/diyform/internal/diag"
	"github.com/diyform/diyform/plan"
)

// checkGenerate refuses a file that would not be read as configuration, or is there.
func (f *stackFlags) checkGenerate(mode plan.Mode) error {
	path := f.generate
	problem := func(summary, format string, args ...any) error {
		return &diag.Problem{Summary: summary, Detail: fmt.Sprintf(format, args...)}
	}
	if path == "" {
		return nil
	}
	if mode != plan.Normal {
		return problem("Flags that contradict each other", "-generate-config-out is for import blocks, and -destroy and -refresh-only import nothing.")
	}
	if filepath.Dir(filepath.Clean(path)) != "." || !strings.HasSuffix(path, ".diy.hcl") || strings.HasPrefix(path, ".") {
		base := strings.TrimLeft(strings.TrimSuffix(strings.TrimSuffix(filepath.Base(path), filepath.Ext(path)), ".diy"), ".")
		return problem("The file would not be read", "What -generate-config-out writes becomes a part of the configuration, so %s must be a file of this "+
			"folder whose name ends in .diy.hcl: %s.diy.hcl.", path, base)
	}
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		return problem("The file exists already", "-generate-config-out writes a new file, and %s is there. Name another one, or move what is in it to where it belongs.", path)
	}
	return nil
}

// generate writes the blocks that are missing for imports, and loads the configuration again.
func (s *session) generate(ctx context.Context, f *stackFlags) error {
	if err := s.connect(); err != nil {
		return s.view.failWith(err, "The providers cannot be opened")
	}
	text, diags := plan.Generate(ctx, s.input())
	if diags.HasErrors() {
		return s.view.fail(s.files(), diags)
	}
	if text == nil {
		return nil
	}
	if err := writeNew(f.generate, text); err != nil {
		return s.view.failWith(err, "The blocks cannot be written")
	}
	fmt.Fprintf(s.view.err, "Wrote the blocks of what is imported to %s. Look through them before you apply.\n", f.generate)
	return s.loadConfig(ctx, f, nil)
}

func writeNew(path string, text []byte) error {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	_, err = file.Write(text)
	return errors.Join(err, file.Close())
}
