package network

import (
	"slices"
	"strings"

	"github.com/diyform/diyform/internal/addr"
)

// marks are what an object of ours may be marked with: by its address, and after it was moved,
// until it is marked anew, by the one before.
type marks []string

func (m marks) has(mark string) bool { return slices.Contains(m, mark) }

// sameState reports whether a mark is of the state that the marks are of.
func (m marks) sameState(mark string) bool {
	prefix := strings.Join(strings.SplitAfterN(m[0], ":", 3)[:2], "")
	return strings.HasPrefix(mark, prefix)
}

// peers gives the marks of the other ends.
func (m marks) peers() marks {
	out := make(marks, len(m))
	for i, mark := range m {
		out[i] = peerMark(mark)
	}
	return out
}

// marksOf gives the marks of the object at a, which the kernel may still know as another one.
func (k *session) marksOf(a, knownAs addr.Instance) marks {
	out := marks{k.env.Mark(a)}
	if knownAs != (addr.Instance{}) {
		out = append(out, k.env.Mark(knownAs))
	}
	return out
}
