package launch

import (
	"encoding/binary"
	"runtime"
	"testing"

	"golang.org/x/net/bpf"
)

const (
	allow  = 0x7FFF0000
	eperm  = 0x00050001
	enosys = 0x00050026
)

// TestDefaultFilter runs the default filter on some calls, by their numbers on amd64.
func TestDefaultFilter(t *testing.T) {
	if runtime.GOARCH != "amd64" {
		t.Skip("the numbers are amd64's")
	}
	c, err := valid().capabilities()
	if err != nil {
		t.Fatal(err)
	}
	f, err := valid().filter(c)
	if err != nil {
		t.Fatal(err)
	}
	code, _ := bpf.Disassemble(f.code)
	vm, err := bpf.NewVM(code)
	if err != nil {
		t.Fatal(err)
	}
	const (
		amd64 = 0xC000003E
		i386  = 0x40000003
	)
	for _, c := range []struct {
		name         string
		arch, number uint32
		argument     uint64
		want         int
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
		{"vsock socket with bits that the kernel ignores", amd64, 41, 1<<32 | vsock, eperm},
		{"a call that does not exist yet", amd64, 2000, 0, enosys},
		{"x32", amd64, 0x40000000, 0, enosys},
		{"i386", i386, 3, 0, eperm},
	} {
		// The machine reads packets, which have network byte order; the filter loads words.
		data := make([]byte, 64)
		binary.BigEndian.PutUint32(data, c.number)
		binary.BigEndian.PutUint32(data[4:], c.arch)
		binary.BigEndian.PutUint32(data[16:], uint32(c.argument))
		binary.BigEndian.PutUint32(data[20:], uint32(c.argument>>32))
		if got, err := vm.Run(data); err != nil || got != c.want {
			t.Errorf("%s gives %#x, %v, want %#x", c.name, got, err, c.want)
		}
	}
}
