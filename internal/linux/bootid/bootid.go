// Package bootid tells one boot of the kernel from another. Interface indexes, inode numbers
// of namespaces and process ids start again at a reboot, so whoever records one of them
// records the boot id with it.
package bootid

import (
	"fmt"
	"os"
	"strings"
)

// Path is where the kernel shows the boot id: random(4).
const Path = "/proc/sys/kernel/random/boot_id"

// Read gives the running kernel's boot id, a UUID. It is the same in every namespace.
func Read() (string, error) {
	b, err := os.ReadFile(Path)
	if err != nil {
		return "", fmt.Errorf("read boot id: %w", err)
	}
	return strings.TrimSpace(string(b)), nil
}
