package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// dataRoot is where diyform keeps containers' data and images.
const dataRoot = "/var/lib/diyform"

// apply measures the command line, as its user waits for it.
func (b *bench) apply() (err error) {
	program, err := diyform()
	if err != nil {
		return err
	}
	unhide, err := b.hideData()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, unhide()) }()
	for _, count := range []int{1, many} {
		if err := b.applyOnce(program, count); err != nil {
			return err
		}
	}
	return nil
}

// diyform finds the program: the one beside this, which make bench has built, or that of PATH.
func diyform() (string, error) {
	self, err := os.Executable()
	if err != nil {
		return "", err
	}
	beside := filepath.Join(filepath.Dir(self), "diyform")
	if _, err := os.Stat(beside); err == nil {
		return beside, nil
	}
	return exec.LookPath("diyform")
}

// hideData lays a folder of ours over the machine's data, for the time of the measuring.
func (b *bench) hideData() (unhide func() error, err error) {
	made := os.Mkdir(dataRoot, 0o700) == nil
	data := filepath.Join(b.dir, "lib")
	if err := os.Mkdir(data, 0o700); err != nil {
		return nil, err
	}
	if _, err := command("mount", "--bind", data, dataRoot); err != nil {
		return nil, err
	}
	return func() error {
		if _, err := command("umount", dataRoot); err != nil {
			return err
		}
		if made {
			return os.Remove(dataRoot)
		}
		return nil
	}, nil
}

func (b *bench) applyOnce(program string, count int) (err error) {
	dir := filepath.Join(b.dir, fmt.Sprint("stack", count))
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	text := fmt.Sprintf(`resource "root_image" "root" {
  directory = %q
}
resource "container" "c" {
  count      = %d
  root_image = root_image.root.id
  command    = ["/bin/sleep", "100000"]
}
`, b.root(), count)
	if err := os.WriteFile(filepath.Join(dir, "main.diy.hcl"), []byte(text), 0o600); err != nil {
		return err
	}
	defer func() { // also after an error: what an apply has made is not to stay
		if err != nil {
			_, destroyErr := command(program, "-chdir="+dir, "destroy", "-auto-approve")
			err = errors.Join(err, destroyErr)
		}
	}()
	fmt.Printf("the command line, %d container(s) from one configuration\n", count)
	for _, args := range [][]string{
		{"apply", "-auto-approve"}, {"plan"}, {"restart", "container.c[0]"}, {"destroy", "-auto-approve"},
	} {
		begun := time.Now()
		if _, err := command(program, append([]string{"-chdir=" + dir}, args...)...); err != nil {
			return err
		}
		fmt.Printf("  diyform %-24s %8.1f ms\n", args[0], milliseconds(time.Since(begun)))
	}
	return nil
}
