package seccomp

import (
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/elastic/go-seccomp-bpf/arch"
	"golang.org/x/net/bpf"

	"github.com/diyform/diyform/internal/linux/fork"
	"golang.org/x/sys/unix"
)

func compiled(t *testing.T, text string, caps ...string) Filter {
	t.Helper()
	p, err := Read([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	f, err := p.Compile(Machine{HasCapability: func(name string) bool {
		return strings.Contains(strings.Join(caps, " "), name)
	}, Kernel: "6.1.0-18-amd64"})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// interpret runs a filter. The machine reads packets, which have network byte order; the
// filter loads words only.
func interpret(t *testing.T, f Filter, abi arch.AuditArch, number int, args ...uint64) int {
	t.Helper()
	code, ok := bpf.Disassemble(f.Code)
	if !ok {
		t.Fatal("the filter has instructions that do not decode")
	}
	vm, err := bpf.NewVM(code)
	if err != nil {
		t.Fatal(err)
	}
	data := make([]byte, 64)
	binary.BigEndian.PutUint32(data, uint32(number))
	binary.BigEndian.PutUint32(data[4:], uint32(abi))
	for i, a := range args {
		binary.BigEndian.PutUint32(data[16+8*i:], uint32(a))
		binary.BigEndian.PutUint32(data[20+8*i:], uint32(a>>32))
	}
	got, err := vm.Run(data)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func native() *arch.Info { return abis[runtime.GOARCH][natives[runtime.GOARCH]] }

func number(t *testing.T, name string) int {
	t.Helper()
	n, ok := native().SyscallNames[name]
	if !ok {
		t.Fatalf("there is no call %s", name)
	}
	return n
}

func TestActions(t *testing.T) {
	for action, want := range map[string]int{
		`"SCMP_ACT_KILL"`: 0, `"SCMP_ACT_KILL_THREAD"`: 0, `"SCMP_ACT_KILL_PROCESS"`: 0x80000000,
		`"SCMP_ACT_TRAP"`: 0x30000, `"SCMP_ACT_ERRNO"`: 0x50001, `"SCMP_ACT_ERRNO", "errnoRet": 7`: 0x50007,
		`"SCMP_ACT_ERRNO", "errno": "ENOSYS"`: 0x50026, `"SCMP_ACT_TRACE", "errnoRet": 9`: 0x7FF00009,
		`"SCMP_ACT_LOG"`: 0x7FFC0000, `"SCMP_ACT_ALLOW"`: 0x7FFF0000,
	} {
		f := compiled(t, `{"defaultAction": "SCMP_ACT_LOG", "syscalls": [{"names": ["getpid", "no_such_call"], "action": `+action+`}]}`)
		if got := interpret(t, f, native().ID, number(t, "getpid")); got != want {
			t.Errorf("%s gives %#x, want %#x", action, got, want)
		}
		if got := interpret(t, f, native().ID, number(t, "getppid")); got != logged {
			t.Errorf("another call gives %#x", got)
		}
	}
}

// TestComparisons compares every operator with what Go makes of it, on the edges of both
// halves of an argument.
func TestComparisons(t *testing.T) {
	values := []uint64{0, 1, 2, 1<<31 - 1, 1 << 31, 1<<32 - 1, 1 << 32, 1<<32 + 1, 1<<63 - 1, 1 << 63, 1<<64 - 2, 1<<64 - 1}
	for range 4 {
		values = append(values, rand.Uint64())
	}
	holds := map[string]func(a, v uint64) bool{
		opEqual: func(a, v uint64) bool { return a == v }, opNotEqual: func(a, v uint64) bool { return a != v },
		opLess: func(a, v uint64) bool { return a < v }, opLessEqual: func(a, v uint64) bool { return a <= v },
		opGreater: func(a, v uint64) bool { return a > v }, opGreaterEqual: func(a, v uint64) bool { return a >= v },
		opMaskedEqual: func(a, v uint64) bool { return a&v == v&0xF0000000F },
	}
	for op, want := range holds {
		for _, v := range values {
			for index := range uint(6) {
				p := Profile{DefaultAction: "SCMP_ACT_ERRNO", Syscalls: []Call{{
					Name: "getpid", Action: "SCMP_ACT_ALLOW",
					Args: []Arg{{Index: index, Value: v, ValueTwo: v & 0xF0000000F, Op: op}},
				}}}
				f, err := p.Compile(Machine{})
				if err != nil {
					t.Fatal(err)
				}
				for _, a := range values {
					args := make([]uint64, 6)
					args[index] = a
					if got := interpret(t, f, native().ID, number(t, "getpid"), args...) == allow; got != want(a, v) {
						t.Fatalf("argument %d: %#x %s %#x is %t", index, a, op, v, got)
					}
				}
			}
		}
	}
}

func TestRulesInTurn(t *testing.T) {
	f := compiled(t, `{"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [
		{"name": "socket", "action": "SCMP_ACT_ERRNO", "errnoRet": 22, "args": [
			{"index": 0, "value": 16, "op": "SCMP_CMP_EQ"}, {"index": 2, "value": 9, "op": "SCMP_CMP_EQ"}]},
		{"name": "socket", "action": "SCMP_ACT_ALLOW", "args": [
			{"index": 0, "value": 16, "op": "SCMP_CMP_EQ"}, {"index": 0, "value": 2, "op": "SCMP_CMP_EQ"}]},
		{"name": "mount", "action": "SCMP_ACT_ALLOW", "includes": {"caps": ["CAP_SYS_ADMIN"]}},
		{"name": "mount", "action": "SCMP_ACT_ERRNO", "errnoRet": 13, "excludes": {"caps": ["CAP_SYS_ADMIN"]}},
		{"name": "ptrace", "action": "SCMP_ACT_ALLOW", "includes": {"minKernel": "4.8"}},
		{"name": "kexec_load", "action": "SCMP_ACT_ALLOW", "includes": {"minKernel": "7.0"}},
		{"name": "reboot", "action": "SCMP_ACT_ALLOW", "includes": {"arches": ["sparc"]}}]}`)
	for _, c := range []struct {
		name string
		args []uint64
		want int
	}{
		{"socket", []uint64{16, 0, 9}, errno | 22}, {"socket", []uint64{16, 0, 8}, allow},
		{"socket", []uint64{2, 0, 9}, allow}, {"socket", []uint64{3, 0, 9}, errno | 1},
		{"mount", nil, errno | 13}, {"ptrace", nil, allow}, {"kexec_load", nil, errno | 1}, {"reboot", nil, errno | 1},
	} {
		if got := interpret(t, f, native().ID, number(t, c.name), c.args...); got != c.want {
			t.Errorf("%s%v gives %#x, want %#x", c.name, c.args, got, c.want)
		}
	}
}

func TestOtherABIs(t *testing.T) {
	if runtime.GOARCH != "amd64" {
		t.Skip("these are amd64's")
	}
	const rules = `"syscalls": [{"name": "getpid", "action": "SCMP_ACT_ALLOW"}]}`
	alone := compiled(t, `{"defaultAction": "SCMP_ACT_ERRNO", `+rules)
	all := compiled(t, `{"defaultAction": "SCMP_ACT_ERRNO", "archMap": [{"architecture": "SCMP_ARCH_X86_64", "subArchitectures": ["SCMP_ARCH_X86", "SCMP_ARCH_X32"]}], `+rules)
	pass := compiled(t, `{"defaultAction": "SCMP_ACT_ALLOW", `+rules)
	for _, c := range []struct {
		name   string
		filter Filter
		abi    *arch.Info
		number int
		want   int
	}{
		{"i386, not listed", alone, arch.I386, 20, killThread},
		{"x32, not listed", alone, arch.X86_64, x32 | 39, enosys},
		{"x32, not listed, all allowed", pass, arch.X86_64, x32 | 39, killThread},
		{"arm, not listed", all, arch.ARM, 20, killThread},
		{"i386", all, arch.I386, 20, allow},
		{"i386, by amd64's number", all, arch.I386, 39, enosys},
		{"x32", all, arch.X86_64, x32 | 39, allow},
		{"x32, another", all, arch.X86_64, x32 | 1, errno | 1},
		{"newer", all, arch.X86_64, 40, enosys},
		{"newer, x32", all, arch.X86_64, x32 | 40, enosys},
		{"older", all, arch.X86_64, 38, errno | 1},
		{"newer, all allowed", pass, arch.X86_64, 4000, allow},
	} {
		if got := interpret(t, c.filter, c.abi.ID, c.number); got != c.want {
			t.Errorf("%s: %#x, want %#x", c.name, got, c.want)
		}
	}
}

func TestReadRefuses(t *testing.T) {
	for text, want := range map[string]string{
		`{}`: "no action",
		`{"defaultAction": "SCMP_ACT_ALLOW", "new": 1}`:                                                                                            `"new"`,
		`{"defaultAction": "SCMP_ACT_NOTIFY"}`:                                                                                                     "SCMP_ACT_NOTIFY",
		`{"defaultAction": "SCMP_ACT_ALLOW", "listenerPath": "/x"}`:                                                                                "listenerPath",
		`{"defaultAction": "SCMP_ACT_ALLOW", "flags": ["X"]}`:                                                                                      `flag "X"`,
		`{"defaultAction": "SCMP_ACT_ALLOW"} {}`:                                                                                                   "follows",
		`{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"action": "SCMP_ACT_ALLOW"}]}`:                                                          "names no",
		`{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"name": "a", "action": "SCMP_ACT_ERRNO", "errnoRet": 70000}]}`:                          "70000",
		`{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"name": "a", "action": "SCMP_ACT_ERRNO", "errno": "EX"}]}`:                              `"EX"`,
		`{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"name": "a", "action": "SCMP_ACT_LOG", "args": [{"index": 6, "op": "x"}]}]}`:            "index 6",
		`{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"name": "a", "action": "SCMP_ACT_LOG", "args": [{"index": 5, "op": "x"}]}]}`:            `operator "x"`,
		`{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"name": "a", "action": "SCMP_ACT_LOG", "includes": {"minKernel": "many"}}]}`:            `"many"`,
		`{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"name": "a", "action": "SCMP_ACT_LOG", "args": [{"index": -1, "op": "SCMP_CMP_EQ"}]}]}`: "index",
	} {
		if _, err := Read([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}

// TestKernel installs a filter with conditions in real processes, whose first argument of
// getpgid(2) the filter looks at.
func TestKernel(t *testing.T) {
	const text = `{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
		{"name": "umask", "action": "SCMP_ACT_ERRNO", "errnoRet": 77, "args": [{"index": 0, "value": 5, "op": "SCMP_CMP_GE"}]}]}`
	f := compiled(t, text)
	run := func(mask int) error {
		p, err := fork.New()
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close()
		p.NoNewPrivileges()
		p.Seccomp(f.Code, f.Flags)
		p.Umask(mask)
		p.Exec([]string{"/bin/true"}, []string{"true"}, nil)
		c, err := p.Start(0)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		defer unix.Close(c.PidFD)
		err = c.Executed(t.Context())
		var status unix.WaitStatus
		for {
			if _, waitErr := unix.Wait4(c.PID, &status, 0, nil); waitErr == nil {
				return err
			} else if waitErr != unix.EINTR {
				t.Fatal(waitErr)
			}
		}
	}
	if err := run(4); err != nil {
		t.Errorf("below the value: %v", err)
	}
	if err := run(5); !errors.Is(err, syscall.Errno(77)) {
		t.Errorf("from the value on: %v", err)
	}
}

// FuzzRead checks that whatever is read compiles to a program that the kernel's checker would
// take: one that decodes, and decides.
func FuzzRead(f *testing.F) {
	f.Add([]byte(`{"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [{"names": ["read", "write"], "action": "SCMP_ACT_ALLOW"}]}`))
	f.Add([]byte(`{"defaultAction": "SCMP_ACT_ALLOW", "archMap": [{"architecture": "SCMP_ARCH_X86_64", "subArchitectures": ["SCMP_ARCH_X32"]}], "syscalls": [{"name": "clone", "action": "SCMP_ACT_KILL", "args": [{"index": 0, "value": 2114060288, "valueTwo": 0, "op": "SCMP_CMP_MASKED_EQ"}, {"index": 0, "value": 18446744073709551615, "op": "SCMP_CMP_LT"}]}]}`))
	f.Add([]byte(`{"defaultAction": "SCMP_ACT_KILL", "defaultErrnoRet": 1, "flags": ["SECCOMP_FILTER_FLAG_LOG"], "syscalls": [{"name": "x", "action": "SCMP_ACT_TRACE", "excludes": {"minKernel": "5.4", "caps": ["CAP_X"], "arches": ["amd64"]}, "includes": {"minKernel": "5.4"}}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		p, err := Read(text)
		if err != nil {
			return
		}
		filter, err := p.Compile(Machine{HasCapability: func(string) bool { return false }, Kernel: "6.1"})
		if err != nil {
			if len(text) < 1000 {
				t.Fatal(err)
			}
			return
		}
		for _, n := range []int{0, 1, 56, 435, 100000, x32, x32 | 5} {
			interpret(t, filter, native().ID, n, 1, 2, 3, 4, 5, 6)
		}
	})
}
