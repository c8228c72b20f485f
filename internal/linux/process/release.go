package process

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"unsafe"

	"golang.org/x/sys/unix"
)

// ReleaseProgram takes the pages of this process's program out of its memory, as far as they
// are read-only: MADV_DONTNEED, madvise(2). They stay in the page cache as long as there is
// room, and come back by themselves when they are needed, so it is for who will do nothing for
// a long time.
func ReleaseProgram() error {
	exe, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return fmt.Errorf("release program: %w", err)
	}
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		return fmt.Errorf("release program: %w", err)
	}
	for line := range bytes.Lines(maps) {
		begin, end, ok := readOnlyMapping(line, exe)
		if !ok {
			continue
		}
		// What was never changed is the file's content, whoever maps it anew.
		_, _, errno := unix.Syscall(unix.SYS_MADVISE, begin, end-begin, unix.MADV_DONTNEED)
		if errno != 0 {
			return fmt.Errorf("release program: %w", errno)
		}
	}
	return nil
}

// readOnlyMapping reads a line of proc_pid_maps(5) of a file that cannot be changed through it.
func readOnlyMapping(line []byte, file string) (begin, end uintptr, ok bool) {
	fields := bytes.Fields(line)
	if len(fields) != 6 || string(fields[5]) != file || fields[1][1] == 'w' {
		return 0, 0, false
	}
	from, to, _ := bytes.Cut(fields[0], []byte("-"))
	first, err1 := strconv.ParseUint(string(from), 16, int(8*unsafe.Sizeof(begin)))
	last, err2 := strconv.ParseUint(string(to), 16, int(8*unsafe.Sizeof(end)))
	return uintptr(first), uintptr(last), err1 == nil && err2 == nil
}
