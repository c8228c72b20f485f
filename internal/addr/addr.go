// Package addr holds the addresses by which configuration, plan, state and users name
// resources: `veth_pair.uplink`, `network_namespace.host["a"]`, `data.ping.gateway`.
//
// All types are comparable values, so they serve as map keys. Start with Instance.
package addr

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Mode tells a resource that diyform makes from one that it only reads.
type Mode uint8

const (
	Managed Mode = iota // a resource block
	Data                // a data block
)

// Resource is the address of a resource or data block, without an instance key.
//
// That of a block of the configuration has a static Module, without keys; that of what an
// instance of the module has in the kernel, the module instance's.
type Resource struct {
	Module Module
	Mode   Mode
	Type   string
	Name   string
}

// String gives the form that users write: `data.ping.gateway`, `module.lab.bridge.lan`.
func (r Resource) String() string {
	var b strings.Builder
	if r.Module != "" {
		b.WriteString(string(r.Module))
		b.WriteByte('.')
	}
	if r.Mode == Data {
		b.WriteString("data.")
	}
	b.WriteString(r.Type)
	b.WriteByte('.')
	b.WriteString(r.Name)
	return b.String()
}

// Instance gives the address of the block's instance with key k.
func (r Resource) Instance(k Key) Instance { return Instance{Resource: r, Key: k} }

// Static gives the address of the block of the configuration.
func (r Resource) Static() Resource { return r.Module.Static().Resource(r) }

// Local gives the address of the block in its own module.
func (r Resource) Local() Resource { return Module("").Resource(r) }

// Compare orders addresses by module, mode, type and name.
func (r Resource) Compare(o Resource) int {
	return cmp.Or(
		r.Module.Compare(o.Module),
		cmp.Compare(r.Mode, o.Mode),
		cmp.Compare(r.Type, o.Type),
		cmp.Compare(r.Name, o.Name),
	)
}

// Key tells the instances of one block apart. The zero Key is that of a block without
// count and for_each.
type Key struct {
	kind keyKind
	num  int
	str  string
}

type keyKind uint8

const (
	noKey keyKind = iota
	intKey
	stringKey
)

// IntKey is the key that count gives.
func IntKey(i int) Key { return Key{kind: intKey, num: i} }

// StringKey is the key that for_each gives.
func StringKey(s string) Key { return Key{kind: stringKey, str: s} }

// IsZero reports whether the block has neither count nor for_each.
func (k Key) IsZero() bool { return k.kind == noKey }

// Int gives the number of a count key.
func (k Key) Int() (int, bool) { return k.num, k.kind == intKey }

// Str gives the string of a for_each key.
func (k Key) Str() (string, bool) { return k.str, k.kind == stringKey }

// String gives the index as it is written after the address: `[0]`, `["a"]` or "".
func (k Key) String() string {
	switch k.kind {
	case intKey:
		return "[" + strconv.Itoa(k.num) + "]"
	case stringKey:
		return "[" + quote(k.str) + "]"
	}
	return ""
}

// Compare orders the zero key before numbers and numbers before strings.
func (k Key) Compare(o Key) int {
	return cmp.Or(cmp.Compare(k.kind, o.kind), cmp.Compare(k.num, o.num), cmp.Compare(k.str, o.str))
}

// Instance is the address of one resource instance: one object in the kernel.
type Instance struct {
	Resource
	Key Key
}

// String gives the form that users write: `veth_pair.uplink["a"]`.
func (i Instance) String() string { return i.Resource.String() + i.Key.String() }

// Compare orders instances by block, then by key.
func (i Instance) Compare(o Instance) int {
	return cmp.Or(i.Resource.Compare(o.Resource), i.Key.Compare(o.Key))
}

// MarshalText makes Instance a JSON string and a JSON object key.
func (i Instance) MarshalText() ([]byte, error) { return []byte(i.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (i *Instance) UnmarshalText(b []byte) error {
	got, err := Parse(string(b))
	if err != nil {
		return err
	}
	*i = got
	return nil
}

// Parse reads an instance address. An address of a block is that of its instance with the
// zero key.
func Parse(s string) (Instance, error) {
	in, err := parse(s)
	if err != nil {
		return Instance{}, fmt.Errorf("parse address %q: %w", s, err)
	}
	return in, nil
}

func parse(s string) (in Instance, err error) {
	steps, rest, err := parseModuleSteps(s)
	if err != nil {
		return in, err
	}
	in.Module = ModuleOf(steps)
	if rest == "" && len(steps) > 0 {
		return in, errors.New("expected TYPE.NAME after the module, as in module.lab.veth_pair.uplink")
	}
	var names []string
	for {
		name := identifier(rest)
		if name == "" {
			return in, fmt.Errorf("expected a name at %q", rest)
		}
		names = append(names, name)
		rest = rest[len(name):]
		if !strings.HasPrefix(rest, ".") {
			break
		}
		rest = rest[1:]
	}
	if len(names) == 3 && names[0] == "data" {
		in.Mode = Data
		names = names[1:]
	}
	if len(names) != 2 || names[0] == "data" || names[0] == "module" {
		return in, errors.New("expected TYPE.NAME, as in veth_pair.uplink")
	}
	in.Type, in.Name = names[0], names[1]
	in.Key, err = parseKey(rest)
	return in, err
}

func parseKey(s string) (Key, error) {
	if s == "" {
		return Key{}, nil
	}
	if len(s) < 3 || s[0] != '[' || s[len(s)-1] != ']' {
		return Key{}, fmt.Errorf(`expected an index such as [0] or ["a"], got %q`, s)
	}
	body := s[1 : len(s)-1]
	if body[0] != '"' {
		n, err := strconv.Atoi(body)
		if err != nil || n < 0 || strconv.Itoa(n) != body {
			return Key{}, fmt.Errorf("index %q is neither a whole number nor a quoted string", body)
		}
		return IntKey(n), nil
	}
	str, err := unquote(body)
	if err != nil {
		return Key{}, fmt.Errorf("index %s: %w", body, err)
	}
	return StringKey(str), nil
}

// escaped and unescaped are for what begins a template in HCL: see quote.
var (
	escaped   = strings.NewReplacer("${", "$${", "%{", "%%{")
	unescaped = strings.NewReplacer("$${", "${", "%%{", "%{")
)

// quote writes a key as a JSON string in which no template begins, so that HCL reads it alike.
func quote(s string) string {
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(escaped.Replace(s)); err != nil {
		panic("a string does not encode as JSON, which is a bug: " + err.Error())
	}
	return strings.TrimSuffix(b.String(), "\n")
}

func unquote(s string) (string, error) {
	var out string
	if err := json.Unmarshal([]byte(s), &out); err != nil {
		return "", err
	}
	return unescaped.Replace(out), nil
}

// identifier gives the longest HCL identifier that s begins with, ASCII only.
func identifier(s string) string {
	for i := 0; i < len(s); i++ {
		c := s[i]
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_'
		if letter || i > 0 && (c >= '0' && c <= '9' || c == '-') {
			continue
		}
		return s[:i]
	}
	return s
}
