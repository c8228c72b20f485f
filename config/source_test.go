package config

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestOnlyRegularFilesAreRead(t *testing.T) {
	for name, make := range map[string]func(path string) error{
		"fifo":   func(path string) error { return syscall.Mkfifo(path, 0o600) },
		"device": func(path string) error { return os.Symlink("/dev/zero", path) },
		"too long": func(path string) error {
			return errorsFirst(os.WriteFile(path, nil, 0o600), os.Truncate(path, maxSource+1))
		},
	} {
		for _, file := range []string{"x.diy.hcl", "x.diy.json", "diyform.vars.hcl"} {
			t.Run(name+" "+file, func(t *testing.T) {
				dir := t.TempDir()
				if err := make(filepath.Join(dir, file)); err != nil {
					t.Fatal(err)
				}
				done := time.AfterFunc(20*time.Second, func() { panic("it blocks") })
				defer done.Stop()
				cfg, diags := Load(dir)
				_, more := cfg.Values(ValueSources{Dir: dir})
				var text strings.Builder
				for _, d := range append(diags, more...) {
					text.WriteString(d.Error())
				}
				if !strings.Contains(text.String(), "regular file") && !strings.Contains(text.String(), "64 MiB") {
					t.Error(text.String())
				}
			})
		}
	}
}

func TestLinkedSourceIsRead(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(t.TempDir(), "real")
	if err := os.WriteFile(file, []byte("locals {\n  a = 1\n}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(file, filepath.Join(dir, "x.diy.hcl")); err != nil {
		t.Fatal(err)
	}
	if cfg, diags := Load(dir); diags.HasErrors() || len(cfg.Files) != 1 {
		t.Errorf("%v, %d files", diags, len(cfg.Files))
	}
}

// The shell gives a FIFO for <(command).
func TestNamedValuesMayComeFromAPipe(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	written := make(chan error, 1)
	go func() { written <- os.WriteFile(path, []byte("a = 1\n"), 0) }()
	src, err := readNamed(path)
	if err != nil || string(src) != "a = 1\n" {
		t.Errorf("read %q, %v", src, err)
	}
	if err := <-written; err != nil {
		t.Error(err)
	}
}

func errorsFirst(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
