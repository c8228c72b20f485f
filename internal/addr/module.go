package addr

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Module is the address of a module: "" of the root module, `module.lab` of what a module block
// names, `module.lab["a"].module.net[0]` of one instance. Without keys it is the static address
// of a module of the configuration.
type Module string

// ModuleStep is one module block on the way from the root module, and which of its instances.
type ModuleStep struct {
	Name string
	Key  Key
}

func (s ModuleStep) String() string { return "module." + s.Name + s.Key.String() }

// IsRoot reports whether it is the root module.
func (m Module) IsRoot() bool { return m == "" }

// Child gives the address of the instance with key k of a module block in m.
func (m Module) Child(name string, k Key) Module {
	step := Module(ModuleStep{name, k}.String())
	if m == "" {
		return step
	}
	return m + "." + step
}

// Resource gives the address of a resource or data block in m from that in its own module.
func (m Module) Resource(r Resource) Resource {
	r.Module = m
	return r
}

// Join gives the address of what has a name in m: `module.lab.check.up`.
func (m Module) Join(name string) string {
	if m == "" {
		return name
	}
	return string(m) + "." + name
}

// Names lists the names of the module blocks from the root module on.
func (m Module) Names() []string {
	var names []string
	for _, s := range m.Steps() {
		names = append(names, s.Name)
	}
	return names
}

// Steps lists the module blocks from the root module on.
func (m Module) Steps() []ModuleStep {
	steps, rest, err := parseModuleSteps(string(m))
	if err != nil || rest != "" {
		panic(fmt.Sprintf("%q is no address of a module, which is a bug", string(m)))
	}
	return steps
}

// ModuleOf is the reverse of Module.Steps.
func ModuleOf(steps []ModuleStep) Module {
	var m Module
	for _, s := range steps {
		m = m.Child(s.Name, s.Key)
	}
	return m
}

// Static gives the address without the keys of instances.
func (m Module) Static() Module {
	if !strings.Contains(string(m), "[") {
		return m
	}
	steps := m.Steps()
	for i := range steps {
		steps[i].Key = Key{}
	}
	return ModuleOf(steps)
}

// Split gives the module around m and the last step to m, which is not the root module.
func (m Module) Split() (parent Module, last ModuleStep) {
	steps := m.Steps()
	n := len(steps) - 1
	return ModuleOf(steps[:n]), steps[n]
}

// Matches reports whether a module is meant by m, in which a step without a key means all
// instances of it.
func (m Module) Matches(o Module) bool {
	if m == o {
		return true
	}
	want, got := m.Steps(), o.Steps()
	return len(want) == len(got) && matchSteps(want, got)
}

// Contains reports whether a module is m, as Matches has it, or is in it.
func (m Module) Contains(o Module) bool {
	if m == "" || m == o {
		return true
	}
	want, got := m.Steps(), o.Steps()
	return len(want) <= len(got) && matchSteps(want, got[:len(want)])
}

func matchSteps(want, got []ModuleStep) bool {
	for i, w := range want {
		if w.Name != got[i].Name || !w.Key.IsZero() && w.Key != got[i].Key {
			return false
		}
	}
	return true
}

// In gives m with the keys of the instances that o names, as far as both are on one way.
func (m Module) In(o Module) Module {
	if o.Static() == o {
		return m
	}
	steps, keyed := m.Steps(), o.Steps()
	for i := range min(len(steps), len(keyed)) {
		if steps[i].Name != keyed[i].Name || !steps[i].Key.IsZero() && steps[i].Key != keyed[i].Key {
			break
		}
		steps[i].Key = keyed[i].Key
	}
	return ModuleOf(steps)
}

// Within gives m without the keys of instances from the step with number n on, where all is the
// address of that step without one.
func (m Module) Within(n int, all Module) Module {
	for _, s := range m.Steps()[n+1:] {
		all = all.Child(s.Name, Key{})
	}
	return all
}

// Open reports, by the numbers of steps as bits, which of the module's steps have no key.
func (m Module) Open() (open uint64) {
	for i, s := range m.Steps() {
		if s.Key.IsZero() {
			open |= 1 << i
		}
	}
	return open
}

// Compare orders modules by their steps, those in a module after it.
func (m Module) Compare(o Module) int {
	if m == o {
		return 0
	}
	return slices.CompareFunc(m.Steps(), o.Steps(), func(a, b ModuleStep) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), a.Key.Compare(b.Key))
	})
}

// ParseModule reads the address of a module.
func ParseModule(s string) (Module, error) {
	steps, rest, err := parseModuleSteps(s)
	if err == nil && (rest != "" || len(steps) == 0 || strings.HasSuffix(s, ".")) {
		err = fmt.Errorf("expected module.NAME at %q", rest)
	}
	if err != nil {
		return "", fmt.Errorf("parse address %q: %w", s, err)
	}
	return ModuleOf(steps), nil
}

// parseModuleSteps reads the module steps that s begins with, and gives what follows them.
func parseModuleSteps(s string) (steps []ModuleStep, rest string, err error) {
	for strings.HasPrefix(s, "module.") {
		name := identifier(s[len("module."):])
		if name == "" {
			return nil, "", fmt.Errorf("expected a name at %q", s[len("module."):])
		}
		step := ModuleStep{Name: name}
		s = s[len("module.")+len(name):]
		if strings.HasPrefix(s, "[") {
			n := keyLength(s)
			if step.Key, err = parseKey(s[:n]); err != nil {
				return nil, "", err
			}
			s = s[n:]
		}
		steps = append(steps, step)
		if s == "" {
			break
		}
		if !strings.HasPrefix(s, ".") {
			return nil, "", fmt.Errorf("expected a dot at %q", s)
		}
		s = s[1:]
	}
	return steps, s, nil
}

// keyLength gives the length of the index that s begins with; all of s where it does not end.
func keyLength(s string) int {
	quoted := false
	for i := 1; i < len(s); i++ {
		switch {
		case quoted && s[i] == '\\':
			i++
		case s[i] == '"':
			quoted = !quoted
		case !quoted && s[i] == ']':
			return i + 1
		}
	}
	return len(s)
}
