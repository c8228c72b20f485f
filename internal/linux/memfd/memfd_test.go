package memfd

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

func TestProgram(t *testing.T) {
	echo, err := os.Open("/bin/echo")
	if err != nil {
		t.Fatal(err)
	}
	defer echo.Close()
	f, err := Program("copy", echo)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt([]byte("x"), 0); err == nil {
		t.Error("the program can be changed")
	}
	if err := f.Truncate(0); err == nil {
		t.Error("the program can be shortened")
	}
	cmd := exec.Command("/proc/self/fd/3", "it", "runs")
	cmd.ExtraFiles = []*os.File{f}
	if out, err := cmd.Output(); err != nil || strings.TrimSpace(string(out)) != "it runs" {
		t.Errorf("it says %q, %v", out, err)
	}
}
