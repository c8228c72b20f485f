package state

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/diyform/diyform/internal/addr"
)

// Selection is an address that may be about several records: an instance, a block with all of
// its instances, or a module with all that is in it.
type Selection struct {
	text  string
	steps []step
}

// step is a part of an address: `module.lab["a"]`, and last of all `data.ping.x[0]`.
type step struct {
	name string // "module.lab", "data.ping.x"
	key  string // `["a"]`, or ""
}

// ParseSelection reads an address, or the path of a module.
func ParseSelection(text string) (Selection, error) {
	s := Selection{text: text, steps: parseSteps(text)}
	inside := "" // a module's path is that of an address in it
	if s.IsModule() {
		inside = ".a.a"
	}
	if a, err := addr.Parse(text + inside); err == nil {
		s.text = strings.TrimSuffix(a.String(), inside) // with its keys written in the one way
		s.steps = parseSteps(s.text)
	} else {
		return Selection{}, fmt.Errorf("%q is no address: expected TYPE.NAME, as in veth_pair.uplink, an index after it, "+
			`as in [0] or ["a"], or module.NAME`, text)
	}
	return s, nil
}

// String gives the address.
func (s Selection) String() string { return s.text }

// IsModule reports whether it is about a module.
func (s Selection) IsModule() bool {
	return len(s.steps) > 0 && s.steps[len(s.steps)-1].isModule()
}

// HasKey reports whether it is about one instance, of a block or of a module.
func (s Selection) HasKey() bool { return s.steps[len(s.steps)-1].key != "" }

// Matches reports whether the selection is about the instance.
func (s Selection) Matches(a addr.Instance) bool {
	_, ok := s.rest(a.String())
	return ok
}

// Splits reports whether a block or module without a key is meant, and the instance is of one
// of its instances.
func (s Selection) Splits(a addr.Instance) bool {
	rest, ok := s.rest(a.String())
	return ok && strings.HasPrefix(rest, "[")
}

// Within reports whether it is about something in a module.
func (s Selection) Within(module Selection) bool {
	rest, ok := module.rest(s.text)
	return ok && strings.HasPrefix(rest, ".")
}

// rest gives what stands behind the selection in an address that it is about: the keys of
// instances, and what is in the module.
func (s Selection) rest(text string) (string, bool) {
	rest, ok := strings.CutPrefix(text, s.text)
	return rest, ok && (rest == "" || rest[0] == '.' || rest[0] == '[')
}

// Moved gives the renaming that moves what the selection is about to another address.
func (s Selection) Moved(to Selection) func(text string) (string, bool) {
	return func(text string) (string, bool) {
		rest, ok := s.rest(text)
		return to.text + rest, ok
	}
}

// Replaced gives the renaming that puts another name where the selection's stands in an
// address, in whatever module that is. Keys stay where they are. Both are of the same parts.
func (s Selection) Replaced(to Selection) func(text string) (string, bool) {
	return func(text string) (string, bool) {
		steps := parseSteps(text)
		found := false
		for at := 0; at+len(s.steps) <= len(steps); at++ {
			if !sameNames(steps[at:at+len(s.steps)], s.steps) {
				continue
			}
			for i, t := range to.steps {
				steps[at+i].name = t.name
			}
			found = true
			at += len(s.steps) - 1
		}
		if !found {
			return "", false
		}
		parts := make([]string, len(steps))
		for i, p := range steps {
			parts[i] = p.name + p.key
		}
		return strings.Join(parts, "."), true
	}
}

// Fits reports whether one can stand in the other's place: both have the same parts.
func (s Selection) Fits(o Selection) bool {
	if len(s.steps) != len(o.steps) {
		return false
	}
	for i, p := range s.steps {
		if p.isModule() != o.steps[i].isModule() || p.key+o.steps[i].key != "" {
			return false
		}
	}
	return true
}

func (p step) isModule() bool {
	return strings.HasPrefix(p.name, "module.") && strings.Count(p.name, ".") == 1
}

func sameNames(a, b []step) bool {
	for i := range a {
		if a[i].name != b[i].name {
			return false
		}
	}
	return true
}

// parseSteps takes an address apart. What is no address gives steps that give no address.
func parseSteps(text string) []step {
	var out []step
	for text != "" {
		var p step
		end := len(text)
		if strings.HasPrefix(text, "module.") {
			end = len("module.") + strings.IndexAny(text[len("module."):]+".", ".[")
		} else if i := strings.IndexByte(text, '['); i >= 0 {
			end = i
		}
		p.name, text = text[:end], text[end:]
		p.key, text = cutKey(text)
		text = strings.TrimPrefix(text, ".")
		out = append(out, p)
	}
	return out
}

// cutKey parts the index, if there is one, from what follows. A key in quotes may hold brackets.
func cutKey(text string) (key, rest string) {
	if !strings.HasPrefix(text, "[") {
		return "", text
	}
	end := 1
	if strings.HasPrefix(text[1:], `"`) {
		var raw json.RawMessage
		if err := json.NewDecoder(strings.NewReader(text[1:])).Decode(&raw); err != nil {
			return text, ""
		}
		end += len(raw)
	}
	i := strings.IndexByte(text[end:], ']')
	if i < 0 {
		return text, ""
	}
	end += i + 1
	return text[:end], text[end:]
}
