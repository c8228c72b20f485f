package process

import (
	"fmt"
	"os"
	"strconv"
)

// ByPIDNamespace gives the processes that can be seen, by what Namespace gives for their pid
// namespace.
func ByPIDNamespace() (map[string][]int, error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, fmt.Errorf("list processes: %w", err)
	}
	members := map[string][]int{}
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		// One that has ended, or is another user's, is none of those that are asked for.
		if ns, err := Namespace(pid, "pid"); err == nil {
			members[ns] = append(members[ns], pid)
		}
	}
	return members, nil
}
