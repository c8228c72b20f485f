package process

import (
	"bytes"
	"fmt"
	"os"
)

// Alive reports whether a process of that id runs. One that has ended and that its parent has
// not waited for yet does not.
func Alive(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	_, after, found := bytes.Cut(stat[bytes.LastIndexByte(stat, ')')+1:], []byte(" "))
	return found && len(after) > 0 && after[0] != 'Z' && after[0] != 'X'
}
