package state

import (
	"strconv"
	"strings"
)

// shape is an object whose members are known.
type shape struct {
	name    string // "a resource"
	members []member
}

type member struct {
	key      string
	required bool
}

// find gives the number of the member, or -1.
func (s *shape) find(key []byte) int {
	for i, m := range s.members {
		if m.key == string(key) {
			return i
		}
	}
	return -1
}

// missing gives the first required key that is not among those seen.
func (s *shape) missing(seen uint64) (string, bool) {
	for i, m := range s.members {
		if m.required && seen&(1<<i) == 0 {
			return m.key, true
		}
	}
	return "", false
}

func (s *shape) keys() string {
	var names []string
	for _, m := range s.members {
		names = append(names, strconv.Quote(m.key))
	}
	return strings.Join(names, ", ")
}
