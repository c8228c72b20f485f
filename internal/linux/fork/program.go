// Package fork runs a list of system calls in a child of this process, between fork and
// exec, in pure Go.
//
// A launcher has to make system calls in the child: in its namespaces, before its program
// runs. Go cannot run there: the child of a multi-threaded process has one thread, without
// scheduler, allocator and garbage collector. Other programs therefore start themselves
// once more as an init inside the namespaces, and hand it its task through a pipe. That
// costs a whole start of the Go runtime a container. Here the parent writes down beforehand
// every system call, its arguments and what to do when it fails, as a table: a Program. The
// child is one loop over the table (child.go) that allocates nothing and calls nothing. It
// takes half the time, and whoever reads the code that writes the table reads the launch
// from top to bottom.
//
// What the package is not for: deciding which calls a container needs (providers/container/
// launch does), and starting ordinary commands (os/exec does).
//
// Start with Program; child.go has the loop, calls.go, privileges.go and mounts.go the system
// calls, late.go what the parent tells the child only when it runs, start.go the parent's side.
//
// # Descriptors
//
// The kernel gives the lowest free descriptor. As the child first closes all but what was
// kept, the table's author knows each descriptor's number in advance, and a path such as
// /proc/self/fd/7 can be written into it. The child verifies each number that it gets.
package fork

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// FD is the number of a descriptor in the child.
type FD int

// Program is what a child does. Its methods that are named as system calls append one. Not
// safe for concurrent use. A Program is started once.
type Program struct {
	steps  []step
	keep   []any // what steps point to: kept alive, and on the heap, where nothing moves
	kept   []FD  // sorted; the descriptors that the child does not close
	open   []FD  // sorted; the descriptors that are open in the child at this point
	groups []*group
	err    error
	late   *late    // what the parent may tell the child when it runs already
	group  *os.File // the control group that the child is made in, or nil
	pidfd  int32    // where the kernel writes the child's

	status        *os.File // the child writes reports here; closed by exec
	control       *os.File // the child waits here for the parent
	statusReader  *os.File
	controlWriter *os.File
}

// step is one row of the table. The child reads it: it holds no Go pointer.
type step struct {
	kind     kind
	number   uintptr // of the system call
	args     [6]uintptr
	late     uint8 // which of the arguments, by bit, are the indices of late words
	want     int   // the result that must come, or anyResult
	tolerate [4]syscall.Errno
	orElse   int // where to go on after a tolerated error
	target   int // of a jump, or where the first of two processes goes on
	name     string
}

type kind uint8

const (
	call   kind = iota
	jump        // go on at target
	unless      // go on at target where the late word of that number is 0
	spawn       // go on in a second child, whose parent is ours; the first child ends
	branch      // go on in a child of the child; its parent goes on at target
	inside      // as call; then the path that was written must not lie outside of the root
)

const anyResult = -1

// group is a part of the table whose failure is tolerated.
type group struct {
	errnos [4]syscall.Errno
	begin  int
	open   []FD
	failed []landing
}

type landing struct {
	step int
	open []FD
}

// New makes an empty program. Close it when it has been started, or will not be.
func New() (*Program, error) {
	p := &Program{late: &late{}}
	var status, control [2]int
	if err := unix.Pipe2(status[:], unix.O_CLOEXEC); err != nil {
		return nil, fmt.Errorf("make status pipe: %w", err)
	}
	p.statusReader, p.status = parentEnd(status[0], "status"), os.NewFile(uintptr(status[1]), "status")
	control, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		p.Close()
		return nil, fmt.Errorf("make control socket: %w", err)
	}
	p.controlWriter, p.control = parentEnd(control[0], "control"), os.NewFile(uintptr(control[1]), "control")
	for _, fd := range []FD{0, 1, 2, FD(status[1]), FD(control[1])} {
		p.inherit(fd)
	}
	return p, nil
}

// parentEnd hands a descriptor to the runtime's poller, so that waiting costs no thread.
func parentEnd(fd int, name string) *os.File {
	_ = unix.SetNonblock(fd, true) // fails for no descriptor that is open
	return os.NewFile(uintptr(fd), name)
}

// Close closes the parent's copies of the program's descriptors.
func (p *Program) Close() {
	for _, f := range []*os.File{p.status, p.control, p.statusReader, p.controlWriter} {
		if f != nil {
			f.Close()
		}
	}
	p.status, p.control, p.statusReader, p.controlWriter = nil, nil, nil, nil
}

// Keep leaves a file of the parent open in the child, under the same number. Files are kept
// before the first system call is appended. The file must stay open until Start returns.
func (p *Program) Keep(f *os.File) FD {
	if len(p.steps) > 0 {
		p.fail(errors.New("a file was kept after the first step, which is a bug"))
	}
	conn, err := f.SyscallConn()
	if err != nil {
		p.fail(fmt.Errorf("keep %s: %w", f.Name(), err))
		return -1
	}
	var fd FD
	if err := conn.Control(func(n uintptr) { fd = FD(n) }); err != nil {
		p.fail(fmt.Errorf("keep %s: %w", f.Name(), err))
		return -1
	}
	p.keep = append(p.keep, f)
	p.inherit(fd)
	return fd
}

// IntoGroup lets the child be made in a control group of version 2, whose folder this is.
// Where that cannot be, the child is made all the same: see Child.InGroup. The file must stay
// open until Start returns.
func (p *Program) IntoGroup(folder *os.File) { p.group = folder }

func (p *Program) inherit(fd FD) {
	p.hold(fd)
	p.kept = slices.Clone(p.open)
}

// Optional appends what body appends. When one of its calls fails with one of the errors,
// at most four, the rest of it is left out.
func (p *Program) Optional(errnos []syscall.Errno, body func()) {
	p.FirstOf(errnos, body, func() {})
}

// FirstOf appends what body appends. When one of its calls fails with one of the errors, at
// most four, the child closes what the body had opened and goes on with the alternative.
// Both must leave the same descriptors open.
func (p *Program) FirstOf(errnos []syscall.Errno, body, alternative func()) {
	g := &group{begin: len(p.steps), open: slices.Clone(p.open)}
	copy(g.errnos[:], errnos)
	p.groups = append(p.groups, g)
	body()
	p.groups = p.groups[:len(p.groups)-1]
	after := slices.Clone(p.open)
	over := p.append(step{kind: jump, name: "jump"})
	p.land(g)
	p.open = slices.Clone(g.open)
	alternative()
	if !slices.Equal(p.open, after) {
		p.fail(fmt.Errorf("two ways leave different descriptors open (%v, %v), which is a bug", after, p.open))
	}
	p.steps[over].target = len(p.steps)
}

// land appends, for each step that may fail, the closing of what was open by then, and ends
// where the alternative begins.
func (p *Program) land(g *group) {
	var jumps []int
	for _, l := range g.failed {
		p.steps[l.step].orElse = len(p.steps)
		for _, fd := range l.open {
			if !slices.Contains(g.open, fd) {
				p.append(step{number: unix.SYS_CLOSE, args: [6]uintptr{uintptr(fd)}, want: anyResult, name: "close"})
			}
		}
		jumps = append(jumps, p.append(step{kind: jump, name: "jump"}))
	}
	for _, j := range jumps {
		p.steps[j].target = len(p.steps)
	}
}

// call appends a system call whose result does not matter.
func (p *Program) call(name string, number uintptr, args ...uintptr) int {
	return p.result(name, anyResult, number, args...)
}

// opens appends a system call that gives a descriptor.
func (p *Program) opens(name string, number uintptr, args ...uintptr) FD {
	fd := p.lowestFree()
	p.result(name, int(fd), number, args...)
	p.hold(fd)
	return fd
}

func (p *Program) result(name string, want int, number uintptr, args ...uintptr) int {
	s := step{number: number, want: want, name: name}
	copy(s.args[:], args)
	if len(p.groups) > 0 {
		g := p.groups[len(p.groups)-1]
		s.tolerate = g.errnos
		g.failed = append(g.failed, landing{len(p.steps), slices.Clone(p.open)})
	}
	return p.append(s)
}

func (p *Program) append(s step) int {
	p.steps = append(p.steps, s)
	return len(p.steps) - 1
}

func (p *Program) hold(fd FD) {
	if i, found := slices.BinarySearch(p.open, fd); !found {
		p.open = slices.Insert(p.open, i, fd)
	}
}

func (p *Program) release(fd FD) {
	p.open = slices.DeleteFunc(p.open, func(o FD) bool { return o == fd })
}

func (p *Program) lowestFree() FD {
	free := FD(0)
	for _, fd := range p.open {
		if fd == free {
			free++
		}
	}
	return free
}

func (p *Program) fail(err error) {
	if p.err == nil {
		p.err = err
	}
}

// str gives the address of a C string that lives as long as the program.
func (p *Program) str(s string) uintptr {
	b, err := syscall.ByteSliceFromString(s)
	if err != nil {
		p.fail(fmt.Errorf("string %q holds a NUL byte", s))
		b = []byte{0}
	}
	return p.bytes(b)
}

func (p *Program) bytes(b []byte) uintptr {
	p.keep = append(p.keep, b)
	return uintptr(unsafe.Pointer(unsafe.SliceData(b)))
}

// strs gives the address of a vector of C strings that ends with a nil, as execve wants it.
func (p *Program) strs(list []string) uintptr {
	vector := make([]uintptr, 0, len(list)+1)
	for _, s := range list {
		vector = append(vector, p.str(s))
	}
	vector = append(vector, 0)
	p.keep = append(p.keep, vector)
	return uintptr(unsafe.Pointer(unsafe.SliceData(vector)))
}

// address keeps a value that a step points to.
func address[T any](p *Program, v *T) uintptr {
	p.keep = append(p.keep, v)
	return uintptr(unsafe.Pointer(v))
}
