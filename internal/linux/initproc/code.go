// Package initproc has the program that is a container's first process where its command is
// not: a shell neither reaps the orphans of its pid namespace nor gets the signals that it has
// no handler for.
//
// It is a few dozen instructions (code_amd64.s, code_arm64.s), because a container would pay
// for a Go runtime with a megabyte. It begins with all signals blocked and with one child, the
// command, which is process 2. It reaps whoever ends, passes signals on to the command, and
// exits with its exit code, or 128 and the number of the signal that ended it. It is not for
// pid namespaces that have a first process already.
//
// With arguments, the same program only executes another one (Exec). As long as a process of
// ours had our own program behind /proc/self/exe, an image could have it run by a script that
// begins with "#!/proc/self/exe", and write to its file through /proc/PID/exe later, where
// that is the user's own (CVE-2019-5736). This one cannot be written to.
//
// Start with File.
package initproc

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync"
	"unsafe"

	"github.com/diyform/diyform/internal/linux/memfd"
)

// Name is what the process is called.
const Name = "init"

// Exec gives the arguments by which the program executes the first of the paths that exists and
// can be executed. When none can, it writes two 32 bit numbers to the status descriptor, -3
// and the error number of execve(2), which a success closes.
func Exec(status int, paths, argv []string) ([]string, error) {
	const digit = 128
	if status < 0 || status >= (digit-1)*digit {
		return nil, fmt.Errorf("execute %s: descriptor %d cannot be written down", Name, status)
	}
	list := []string{"exec", string([]byte{byte(status%digit) + 1, byte(status/digit) + 1})}
	list = append(append(list, paths...), "")
	return append(list, argv...), nil
}

// code is the program. It is copied, and never called.
//
//lint:ignore U1000 address, which is assembly too, uses it
func code()

// address gives where the program begins.
func address() uintptr

// mark is behind the program's last instruction.
var mark = []byte("\x0F\x0Bdiyend")

// maxSize is more than the program has.
const maxSize = 1024

// instructions gives the program's text.
func instructions() ([]byte, error) {
	at := address()
	text := unsafe.Slice(*(**byte)(unsafe.Pointer(&at)), maxSize)
	size := bytes.Index(text, mark)
	if size < 0 {
		return nil, errors.New("make init process: its end is not found, which is a bug")
	}
	return bytes.Clone(text[:size]), nil
}

const (
	base       = 0x400000
	headerSize = 64
	entrySize  = 56
	loads      = 1 // PT_LOAD
	stack      = 0x6474E551
	readable   = 4 // PF_R
	writable   = 2
	executable = 1
)

// machines are ELF's numbers: elf(5).
var machines = map[string]uint16{"amd64": 62, "arm64": 183}

// image gives an executable file that has the instructions and nothing else.
func image(text []byte) ([]byte, error) {
	machine, ok := machines[runtime.GOARCH]
	if !ok {
		return nil, fmt.Errorf("make init process: there is none for %s", runtime.GOARCH)
	}
	const start = headerSize + 2*entrySize
	size := uint64(start + len(text))
	var b bytes.Buffer
	b.WriteString("\x7FELF\x02\x01\x01") // 64 bits, little-endian, version 1
	b.Write(make([]byte, 9))
	for _, field := range []any{
		uint16(2), machine, uint32(1), uint64(base + start), uint64(headerSize), uint64(0), uint32(0),
		uint16(headerSize), uint16(entrySize), uint16(2), uint16(0), uint16(0), uint16(0),
		uint32(loads), uint32(readable | executable), uint64(0), uint64(base), uint64(base), size, size, uint64(0x10000),
		uint32(stack), uint32(readable | writable), uint64(0), uint64(0), uint64(0), uint64(0), uint64(0), uint64(16),
	} {
		if err := binary.Write(&b, binary.LittleEndian, field); err != nil {
			return nil, fmt.Errorf("make init process: %w", err)
		}
	}
	b.Write(text)
	return b.Bytes(), nil
}

// File gives the program as a file that nobody can change. It is made once and stays open.
var File = sync.OnceValues(func() (*os.File, error) {
	text, err := instructions()
	if err != nil {
		return nil, err
	}
	program, err := image(text)
	if err != nil {
		return nil, err
	}
	f, err := memfd.Program(Name, bytes.NewReader(program))
	if err != nil {
		return nil, fmt.Errorf("make init process: %w", err)
	}
	return f, nil
})
