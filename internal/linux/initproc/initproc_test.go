package initproc

import (
	"debug/elf"
	"os"
	"os/exec"
	"testing"
)

func TestFile(t *testing.T) {
	f, err := File()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt([]byte("x"), 0); err == nil {
		t.Error("the program can be changed")
	}
	if err := f.Truncate(0); err == nil {
		t.Error("the program can be shortened")
	}
	image, err := elf.NewFile(f)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range image.Progs {
		if p.Flags&elf.PF_W != 0 && p.Flags&elf.PF_X != 0 {
			t.Errorf("segment %v can be written and executed", p.ProgHeader)
		}
	}
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	if info.Size() > 4096 {
		t.Errorf("the program has %d bytes, more than a page", info.Size())
	}
}

// TestRuns runs the program without a child of number 2, for which it waits: it must wait,
// and not fail, until it is killed. What it does in a pid namespace, the launcher's tests say.
func TestRuns(t *testing.T) {
	f, err := File()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("/proc/self/fd/3")
	cmd.ExtraFiles = []*os.File{f}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err == nil || err.Error() != "signal: killed" {
		t.Errorf("it ended with %v", err)
	}
}
