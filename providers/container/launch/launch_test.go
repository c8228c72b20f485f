package launch

import (
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/net/bpf"

	"github.com/diyform/diyform/internal/linux/fork"
	"github.com/diyform/diyform/internal/linux/process"
	"github.com/diyform/diyform/providers/container/rootfs"
)

func valid() Spec {
	return Spec{
		ID: "a", Root: rootfs.Spec{Host: true}, Command: []string{"true"},
		BootTime: BootTimeZero, IDMap: IDMapAuto, StopSignal: 15,
	}
}

func TestDecode(t *testing.T) {
	const text = `{"id":"a","root":{"host":true},"command":["true"],"boot_time":"zero","id_map":"auto","stop_signal":15%s}`
	s, err := Decode(strings.NewReader(strings.Replace(text, "%s", "", 1)))
	if err != nil || !s.Equal(valid()) {
		t.Errorf("decoded %+v, %v", s, err)
	}
	if _, err := Decode(strings.NewReader(strings.Replace(text, "%s", `,"new":1`, 1))); err == nil || !strings.Contains(err.Error(), `"new"`) {
		t.Errorf("unknown key: %v", err)
	}
}

func TestValidate(t *testing.T) {
	if err := valid().Validate(); err != nil {
		t.Fatal(err)
	}
	for want, change := range map[string]func(*Spec){
		"cannot be a file name":                  func(s *Spec) { s.ID = "a/b" },
		"either the host's or a directory":       func(s *Spec) { s.Root.Directory = "/x" },
		"is not absolute":                        func(s *Spec) { s.WorkingDir = "x" },
		"not in its shortest form":               func(s *Spec) { s.Root.Hide = []string{"/a/../b"} },
		"no command":                             func(s *Spec) { s.Command = nil },
		"longer than 64 bytes":                   func(s *Spec) { s.Hostname = strings.Repeat("x", 65) },
		"joins a network namespace or names its": func(s *Spec) { s.Network = Network{Join: "a", Name: "b"} },
		`neither "zero" nor "host"`:              func(s *Spec) { s.BootTime = "" },
		"id map":                                 func(s *Spec) { s.IDMap = "all" },
		"no signal":                              func(s *Spec) { s.StopSignal = 0 },
		"environment variable":                   func(s *Spec) { s.Env = map[string]string{"A=B": ""} },
	} {
		s := valid()
		change(&s)
		if err := s.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error is %v, want %q", err, want)
		}
	}
}

func TestCandidates(t *testing.T) {
	environ := []string{"PATH=/ignored", "PATH=/a::/b"}
	if got := Candidates("sh", environ); !slices.Equal(got, []string{"/a/sh", "/b/sh"}) {
		t.Errorf("candidates are %v", got)
	}
	if got := Candidates("./sh", environ); !slices.Equal(got, []string{"./sh"}) {
		t.Errorf("candidates are %v", got)
	}
}

func TestRangeWithin(t *testing.T) {
	full := []process.Range{{Count: 1<<32 - 1}}
	if first, ok := rangeWithin(full, full, "a"); !ok || first < firstRange || first > lastRange || first%rangeSize != 0 {
		t.Errorf("as root of the machine: %d, %v", first, ok)
	}
	// As newuidmap gives them: the user, then 65536 subordinate ids.
	nested := []process.Range{{Inside: 0, Outside: 1000, Count: 1}, {Inside: 1, Outside: 100000, Count: 65536}}
	if first, ok := rangeWithin(nested, nested, "a"); !ok || first != 1 {
		t.Errorf("in a user namespace: %d, %v", first, ok)
	}
	single := []process.Range{{Outside: 1000, Count: 1}}
	if first, ok := rangeWithin(single, single, "a"); ok {
		t.Errorf("where one id is mapped: %d", first)
	}
}

func TestHashedRangesAreFree(t *testing.T) {
	first := hashed("a", nil)
	if first == hashed("b", nil) {
		t.Error("two containers have the same range")
	}
	other := hashed("a", []process.Range{{Outside: first + 100, Count: 10}})
	if other < first+rangeSize && first < other+rangeSize {
		t.Errorf("the range %d overlaps one that is taken", other)
	}
}

func TestSubordinate(t *testing.T) {
	file := filepath.Join(t.TempDir(), "subuid")
	if err := os.WriteFile(file, []byte("# comment\nme:100000:65536\n1000:300000:1000\nother:500:x\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := subordinate(file, []string{"1000", "me"})
	want := []process.Range{{Outside: 100000, Count: 65536}, {Outside: 300000, Count: 1000}}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("ranges are %v, %v", got, err)
	}
	if got, err := subordinate(file+".missing", nil); err != nil || got != nil {
		t.Errorf("without a file: %v, %v", got, err)
	}
}

func TestExplain(t *testing.T) {
	s := valid()
	for want, err := range map[string]error{
		`no command "true" in its PATH`: &fork.StepError{Step: "run true", Errno: syscall.ENOENT},
		"not executable":                &fork.StepError{Step: "run true", Errno: syscall.EACCES},
		"max_":                          &fork.StepError{Step: "clone", Errno: syscall.ENOSPC},
		"working directory":             &fork.StepError{Step: "enter folder /x", Errno: syscall.ENOENT},
		"Linux 5.12":                    &fork.StepError{Step: "open /x", Errno: syscall.ENOSYS},
	} {
		if got := Explain(s, err); !strings.Contains(got.Error(), want) {
			t.Errorf("%v is explained as %q", err, got)
		}
	}
}

// TestFilter interprets the seccomp filter for some calls, by their numbers on amd64.
func TestFilter(t *testing.T) {
	if runtime.GOARCH != "amd64" {
		t.Skip("the numbers are amd64's")
	}
	raw, err := filter()
	if err != nil {
		t.Fatal(err)
	}
	code, ok := bpf.Disassemble(raw)
	if !ok {
		t.Fatal("the filter has instructions that do not decode")
	}
	const (
		amd64 = 0xC000003E
		i386  = 0x40000003
	)
	for _, c := range []struct {
		name             string
		arch, number, a0 uint32
		want             uint32
	}{
		{"read", amd64, 0, 0, allow},
		{"execve", amd64, 59, 0, allow},
		{"mount", amd64, 165, 0, eperm},
		{"unshare", amd64, 272, 0, eperm},
		{"clone of a process", amd64, 56, 17, allow},
		{"clone of a user namespace", amd64, 56, 0x10000000, eperm},
		{"clone3", amd64, 435, 0, enosys},
		{"personality of Linux", amd64, 135, 0, allow},
		{"the same for 32 bits", amd64, 135, 8, allow},
		{"another personality", amd64, 135, 4, eperm},
		{"inet socket", amd64, 41, 2, allow},
		{"vsock socket", amd64, 41, vsock, eperm},
		{"a call that does not exist yet", amd64, 2000, 0, enosys},
		{"x32", amd64, 0x40000000, 0, enosys},
		{"i386", i386, 3, 0, eperm},
	} {
		if got := interpret(t, code, c.arch, c.number, c.a0); got != c.want {
			t.Errorf("%s gives %#x, want %#x", c.name, got, c.want)
		}
	}
}

// interpret runs a filter as the kernel does, on struct seccomp_data in the host's byte
// order. The bpf package's own machine reads packets, which have network byte order.
func interpret(t *testing.T, code []bpf.Instruction, arch, number, a0 uint32) uint32 {
	t.Helper()
	data := map[uint32]uint32{0: number, 4: arch, 16: a0, 20: 0}
	var a uint32
	for pc := 0; pc < len(code); pc++ {
		switch in := code[pc].(type) {
		case bpf.LoadAbsolute:
			a = data[in.Off]
		case bpf.Jump:
			pc += int(in.Skip)
		case bpf.JumpIf:
			pc += skip(in, a)
		case bpf.RetConstant:
			return in.Val
		default:
			t.Fatalf("instruction %v", in)
		}
	}
	t.Fatal("the filter does not return")
	return 0
}

func skip(in bpf.JumpIf, a uint32) int {
	holds := map[bpf.JumpTest]bool{
		bpf.JumpEqual: a == in.Val, bpf.JumpNotEqual: a != in.Val, bpf.JumpGreaterThan: a > in.Val,
		bpf.JumpGreaterOrEqual: a >= in.Val, bpf.JumpLessThan: a < in.Val, bpf.JumpLessOrEqual: a <= in.Val,
		bpf.JumpBitsSet: a&in.Val != 0, bpf.JumpBitsNotSet: a&in.Val == 0,
	}[in.Cond]
	if holds {
		return int(in.SkipTrue)
	}
	return int(in.SkipFalse)
}
