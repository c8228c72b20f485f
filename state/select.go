package state

import (
	"fmt"
	"slices"
	"strings"

	"github.com/diyform/diyform/internal/addr"
)

// Selection is an address that may be about several records: an instance, a block with all of
// its instances, or a module with all that is in it.
type Selection struct {
	module   addr.Module
	resource addr.Instance // in the module, whose name it has not; zero where all of it is meant
}

// ParseSelection reads an address, or that of a module.
func ParseSelection(text string) (Selection, error) {
	if m, err := addr.ParseModule(text); err == nil {
		return Selection{module: m}, nil
	}
	a, err := addr.Parse(text)
	if err != nil {
		return Selection{}, fmt.Errorf("%q is no address: expected TYPE.NAME, as in veth_pair.uplink, an index after it, "+
			`as in [0] or ["a"], or module.NAME`, text)
	}
	s := Selection{module: a.Module, resource: a}
	s.resource.Module = ""
	return s, nil
}

// String gives the address.
func (s Selection) String() string {
	if s.IsModule() {
		return string(s.module)
	}
	return s.module.Resource(s.resource.Resource).Instance(s.resource.Key).String()
}

// IsModule reports whether it is about a module.
func (s Selection) IsModule() bool { return s.resource == addr.Instance{} }

// Resource gives the address of the resource in its module; "" of a module.
func (s Selection) Resource() string {
	if s.IsModule() {
		return ""
	}
	return s.resource.String()
}

// HasKey reports whether it names one instance, of the block or of the module.
func (s Selection) HasKey() bool {
	if s.IsModule() {
		_, last := s.module.Split()
		return !last.Key.IsZero()
	}
	return !s.resource.Key.IsZero()
}

// Matches reports whether the selection is about the instance. Where it leaves out the key of a
// module or a block, it is about all of its instances.
func (s Selection) Matches(a addr.Instance) bool {
	if s.IsModule() {
		return s.module.Contains(a.Module)
	}
	return a.Local() == s.resource.Resource && (s.resource.Key.IsZero() || s.resource.Key == a.Key) && s.module.Matches(a.Module)
}

// Within reports whether it is about something in a module.
func (s Selection) Within(module Selection) bool {
	return module.module.Contains(s.module) && (s.module != module.module || !s.IsModule())
}

// rest gives what stands behind the selection in an address: keys of its instances, and what is
// in the module. An address in which a key stands before the end has none.
func (s Selection) rest(text string) (string, bool) {
	rest, ok := strings.CutPrefix(text, s.String())
	return rest, ok && (rest == "" || rest[0] == '.' || rest[0] == '[')
}

// Precedes reports whether all of an instance that the selection leaves out stands behind it,
// so that it can be moved; splits, that this begins with the key of an instance.
func (s Selection) Precedes(a addr.Instance) (precedes, splits bool) {
	rest, ok := s.rest(a.String())
	return ok, ok && strings.HasPrefix(rest, "[")
}

// Moved gives the renaming that moves what the selection precedes to another address.
func (s Selection) Moved(to Selection) func(text string) (string, bool) {
	return func(text string) (string, bool) {
		rest, ok := s.rest(text)
		return to.String() + rest, ok
	}
}

// Fits reports whether one can be put in the other's place: both have the same parts.
func (s Selection) Fits(o Selection) bool {
	return len(s.module.Steps()) == len(o.module.Steps()) && s.IsModule() == o.IsModule() && !s.keyed() && !o.keyed()
}

func (s Selection) keyed() bool { return s.module.Static() != s.module || !s.resource.Key.IsZero() }

// Replaced gives the renaming that puts another name where the selection's stands in an
// address, in whatever module that is. Keys stay where they are. It is for those that Fit.
func (s Selection) Replaced(by Selection) func(text string) (string, bool) {
	from, to := s.module.Steps(), by.module.Steps()
	return func(text string) (string, bool) {
		a, err := addr.Parse(text)
		if err != nil {
			return "", false
		}
		steps := a.Module.Steps()
		if s.IsModule() {
			found := false
			for at := 0; at+len(from) <= len(steps); at++ {
				found = rename(steps[at:at+len(from)], from, to) || found
			}
			return inModule(steps, a).String(), found
		}
		at := len(steps) - len(from)
		if a.Local() != s.resource.Resource || at < 0 || !rename(steps[at:], from, to) {
			return "", false
		}
		a.Type, a.Name = by.resource.Type, by.resource.Name
		a.Mode = by.resource.Mode
		return inModule(steps, a).String(), true
	}
}

// rename puts other names into the steps, if they have the given ones.
func rename(steps, from, to []addr.ModuleStep) bool {
	same := func(a, b addr.ModuleStep) bool { return a.Name == b.Name }
	if !slices.EqualFunc(steps, from, same) {
		return false
	}
	for i := range steps {
		steps[i].Name = to[i].Name
	}
	return true
}

func inModule(steps []addr.ModuleStep, a addr.Instance) addr.Instance {
	a.Module = addr.ModuleOf(steps)
	return a
}
