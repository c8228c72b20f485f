package addr

import "strings"

// Endpoint is what a moved, removed or import block names: a module or a resource, whole or
// one instance. It is relative to the module that the block stands in.
type Endpoint struct {
	Modules  []Step   // the way down
	Resource Resource // without module; the zero Resource where the last of Modules is meant
	Key      Key
}

// Step is one module on the way down.
type Step struct {
	Name string
	Key  Key
}

// IsModule reports whether a module is meant.
func (e Endpoint) IsModule() bool { return e.Resource.Type == "" }

// LastKey gives the key of what is meant.
func (e Endpoint) LastKey() Key {
	if e.IsModule() {
		return e.Modules[len(e.Modules)-1].Key
	}
	return e.Key
}

// Instance gives the resource instance that is meant, in the root module.
func (e Endpoint) Instance() Instance {
	r := e.Resource
	r.Module = JoinSteps(e.Modules)
	return r.Instance(e.Key)
}

func (e Endpoint) String() string {
	if e.IsModule() {
		return string(JoinSteps(e.Modules))
	}
	return e.Instance().String()
}

// JoinSteps writes the path of a module.
func JoinSteps(steps []Step) string {
	parts := make([]string, len(steps))
	for i, s := range steps {
		parts[i] = "module." + s.Name + s.Key.String()
	}
	return strings.Join(parts, ".")
}

// SplitSteps reads what JoinSteps wrote.
func SplitSteps(path string) []Step {
	var steps []Step
	for path != "" {
		path = strings.TrimPrefix(strings.TrimPrefix(path, "."), "module.")
		s := Step{Name: identifier(path)}
		path = path[len(s.Name):]
		if strings.HasPrefix(path, "[") {
			end := endOfIndex(path)
			s.Key, _ = parseKey(path[:end]) // Parse has checked it
			path = path[end:]
		}
		steps = append(steps, s)
	}
	return steps
}

// endOfIndex gives where the index that s begins with ends: a bracket in quotes is none.
func endOfIndex(s string) int {
	quoted := false
	for i := 1; i < len(s); i++ {
		switch {
		case quoted && s[i] == '\\':
			i++
		case s[i] == '"':
			quoted = !quoted
		case s[i] == ']' && !quoted:
			return i + 1
		}
	}
	return len(s)
}
