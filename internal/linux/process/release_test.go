package process

import (
	"bytes"
	"os"
	"strconv"
	"strings"
	"testing"
)

func TestReadOnlyMapping(t *testing.T) {
	for line, want := range map[string][2]uintptr{
		"00400000-00b1c000 r-xp 00000000 fe:00 131 /bin/x\n": {0x400000, 0xb1c000},
		"00b1c000-01c00000 r--p 0071c000 fe:00 131 /bin/x\n": {0xb1c000, 0x1c00000},
		"01c00000-01d00000 rw-p 01800000 fe:00 131 /bin/x\n": {},
		"00400000-00b1c000 r-xp 00000000 fe:00 131 /bin/y\n": {},
		"c000000000-c000400000 rw-p 00000000 00:00 0\n":      {},
		"?-? r--p 0071c000 fe:00 131 /bin/x\n":               {},
	} {
		begin, end, ok := readOnlyMapping([]byte(line), "/bin/x")
		if ok != (want != [2]uintptr{}) || ok && (begin != want[0] || end != want[1]) {
			t.Errorf("%q gives %x to %x, %t", line, begin, end, ok)
		}
	}
}

// TestReleaseProgram checks that there is less of the program in memory, and that it runs on.
func TestReleaseProgram(t *testing.T) {
	touchProgram(t)
	before := programSize(t)
	if err := ReleaseProgram(); err != nil {
		t.Fatal(err)
	}
	if after := programSize(t); after >= before*3/4 {
		t.Errorf("%d kB of %d are still there", after, before)
	}
}

// touchProgram brings all of the program into memory.
func touchProgram(t *testing.T) {
	t.Helper()
	exe, err := os.Readlink("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		t.Fatal(err)
	}
	memory, err := os.Open("/proc/self/mem")
	if err != nil {
		t.Fatal(err)
	}
	defer memory.Close()
	for line := range bytes.Lines(maps) {
		if begin, end, ok := readOnlyMapping(line, exe); ok {
			if _, err := memory.ReadAt(make([]byte, end-begin), int64(begin)); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// programSize is how many kB of files this process has in memory: RssFile, proc_pid_status(5).
func programSize(t *testing.T) int64 {
	t.Helper()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(status)) {
		if value, ok := strings.CutPrefix(line, "RssFile:"); ok {
			n, err := strconv.ParseInt(strings.Fields(value)[0], 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
	}
	t.Fatal("there is no RssFile")
	return 0
}
