package schema

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"math/big"
	"net"
	"net/netip"
	"reflect"
	"slices"
	"strings"

	"github.com/zclconf/go-cty/cty"

	"github.com/diyform/diyform/internal/diag"
)

// A format checks a string and gives the one way to write what it means, which is how the
// kernel's value will read.
type format struct {
	doc   string
	canon func(string) (string, error)
}

// formats are the values of the format tag.
var formats = map[string]format{
	"address":     {"an IP address with a prefix length, as 10.0.0.1/24", canonAddress},
	"prefix":      {"a network, as 10.0.0.0/24", canonPrefix},
	"destination": {`a network, as 10.0.0.0/24, or "default"`, canonDestination},
	"ip":          {"an IP address, as 10.0.0.1", canonIP},
	"mac":         {"an Ethernet address, as 02:00:5e:10:00:01", canonMAC},
	"interface":   {"the name of a network interface", canonInterface},
	"namespace":   {"the name of a network namespace", canonNamespace},
	"path":        {"an absolute path", canonPath},
	"duration":    {`a duration, as "500ms", "30s" or "1h30m"; a bare number is seconds`, canonDuration},
	"size":        {`a size in bytes, or with K, M, G or T for 1024 and its powers, as "256M"`, canonSize},
}

// FormatDoc says in words what the format asks for.
func FormatDoc(name string) string { return formats[name].doc }

func canonAddress(s string) (string, error) {
	if !strings.Contains(s, "/") {
		return "", errors.New("the prefix length is missing: write it as in 10.0.0.1/24")
	}
	p, err := netip.ParsePrefix(s)
	if err != nil {
		return "", plainPrefixError(s)
	}
	return p.String(), nil
}

func canonPrefix(s string) (string, error) {
	p, err := netip.ParsePrefix(s)
	if err != nil {
		return "", plainPrefixError(s)
	}
	if p.Masked() != p {
		return "", fmt.Errorf("bits are set beyond the prefix length: the network is %s", p.Masked())
	}
	return p.String(), nil
}

func canonDestination(s string) (string, error) {
	if s == "default" {
		return s, nil
	}
	return canonPrefix(s)
}

func plainPrefixError(s string) error {
	ip, bits, ok := strings.Cut(s, "/")
	if !ok {
		return errors.New("the prefix length is missing: write it as in 10.0.0.0/24")
	}
	if a, err := netip.ParseAddr(ip); err != nil {
		return fmt.Errorf("%q is not an IP address", ip)
	} else if a.Zone() != "" {
		return errors.New("a zone cannot stand in an address with a prefix length")
	}
	return fmt.Errorf("%q is not a prefix length for %s", bits, ip)
}

func canonIP(s string) (string, error) {
	a, err := netip.ParseAddr(s)
	if err != nil {
		return "", fmt.Errorf("%q is not an IP address", s)
	}
	return a.String(), nil
}

func canonMAC(s string) (string, error) {
	m, err := net.ParseMAC(s)
	if err != nil || len(m) != 6 {
		return "", fmt.Errorf("%q is not an Ethernet address: write six bytes, as in 02:00:5e:10:00:01", s)
	}
	if m[0]&1 != 0 {
		return "", fmt.Errorf("%s is a multicast address, which no interface can have", m)
	}
	return m.String(), nil
}

// MaxInterfaceName is the longest interface name in bytes: IFNAMSIZ less the final zero,
// linux/if.h.
const MaxInterfaceName = 15

// canonInterface has the rules of dev_valid_name, net/core/dev.c.
func canonInterface(s string) (string, error) {
	switch {
	case s == "":
		return "", errors.New("an interface name cannot be empty")
	case len(s) > MaxInterfaceName:
		return "", fmt.Errorf("%q has %d bytes; the kernel allows %d in an interface name", s, len(s), MaxInterfaceName)
	case s == "." || s == "..":
		return "", fmt.Errorf("%q cannot be an interface name", s)
	case strings.ContainsAny(s, "/: \t\n\v\f\r"):
		return "", fmt.Errorf("%q has a slash, colon or space, which an interface name cannot have", s)
	}
	return s, nil
}

func canonNamespace(s string) (string, error) {
	switch {
	case s == "" || s == "." || s == "..":
		return "", fmt.Errorf("%q cannot be the name of a network namespace", s)
	case len(s) > 255:
		return "", fmt.Errorf("the name has %d bytes; a file name has at most 255", len(s))
	case strings.ContainsAny(s, "/\x00"):
		return "", fmt.Errorf("%q has a slash or a zero byte; a namespace's name is a file name in /run/netns", s)
	}
	return s, nil
}

func canonPath(s string) (string, error) {
	if !strings.HasPrefix(s, "/") || strings.ContainsRune(s, 0) {
		return "", fmt.Errorf("%q is not an absolute path: it must begin with a slash", s)
	}
	return s, nil
}

// Canonical gives v with every known string in its format's one way of writing, and what is
// wrong with it: a Problem per attribute.
func (s *Schema) Canonical(v cty.Value) (cty.Value, []*diag.Problem) {
	return s.canonical(v, "")
}

func (s *Schema) canonical(v cty.Value, prefix string) (cty.Value, []*diag.Problem) {
	if v.IsNull() || !v.IsKnown() {
		return v, nil
	}
	var problems []*diag.Problem
	var changed map[string]cty.Value // seldom any
	change := func(name string, v cty.Value) {
		if changed == nil {
			changed = map[string]cty.Value{}
		}
		changed[name] = v
	}
	for _, a := range s.Attributes {
		if !has(v, a.Name) || !a.checked() {
			continue
		}
		if a.Required && v.GetAttr(a.Name).IsNull() {
			problems = append(problems, missing(join(prefix, a.Name)))
			continue
		}
		got, differs, err := a.canonical(v.GetAttr(a.Name))
		if err != nil {
			problems = append(problems, a.invalid(join(prefix, a.Name), err))
		} else if differs {
			change(a.Name, got)
		}
	}
	for _, b := range s.Blocks {
		if !has(v, b.Name) {
			continue
		}
		e := v.GetAttr(b.Name)
		got, p := b.canonicalBlock(e, join(prefix, b.Name))
		problems = append(problems, p...)
		if !got.RawEquals(e) {
			change(b.Name, got)
		}
	}
	if changed == nil {
		return v, problems
	}
	m := v.AsValueMap()
	maps.Copy(m, changed)
	return cty.ObjectVal(m), problems
}

// checked reports whether there is anything that a value can be wrong by.
func (a *Attribute) checked() bool {
	return a.Required || a.Format != "" || len(a.Enum) > 0 || a.Type == cty.Number || a.Type.IsListType() || a.Type.IsMapType()
}

func (b *Block) canonicalBlock(v cty.Value, path string) (cty.Value, []*diag.Problem) {
	if b.Nesting != List {
		return b.canonical(v, path)
	}
	if v.IsNull() || !v.IsKnown() || v.LengthInt() == 0 {
		return v, nil
	}
	var problems []*diag.Problem
	var elems []cty.Value
	for i, e := range v.AsValueSlice() {
		got, p := b.canonical(e, fmt.Sprintf("%s.%d", path, i))
		elems, problems = append(elems, got), append(problems, p...)
	}
	return cty.ListVal(elems), problems
}

// missing is the problem of an argument that is null, as a variable without a value is: the decoder
// asks only whether it is written.
func missing(path string) *diag.Problem {
	return &diag.Problem{
		Summary:   "Missing required argument",
		Detail:    fmt.Sprintf("The argument %q is required, and its value here is null, which is as if it were left out.", path),
		Attribute: path,
	}
}

func (a *Attribute) invalid(path string, err error) *diag.Problem {
	return &diag.Problem{
		Summary:   "Invalid value for an argument",
		Detail:    fmt.Sprintf("The argument %q: %s", path, diag.Sentence(err.Error())),
		Attribute: path,
		Err:       err,
	}
}

// canonical gives v in the one way of writing, and whether that differs from v.
func (a *Attribute) canonical(v cty.Value) (got cty.Value, differs bool, err error) {
	if v.IsNull() || !v.IsKnown() {
		return v, false, nil
	}
	if a.Type.IsMapType() {
		return v, false, nullElement(v)
	}
	if !a.Type.IsListType() {
		return a.canonicalOne(v)
	}
	elems := v.AsValueSlice()
	for i, e := range elems {
		if e.IsNull() {
			return v, false, fmt.Errorf("element %d is null", i)
		}
		one, other, err := a.canonicalOne(e)
		if err != nil {
			return v, false, err
		}
		elems[i], differs = one, differs || other
	}
	if !differs {
		return v, false, nil
	}
	return cty.ListVal(elems), true, nil
}

// nullElement refuses a map with an element that is null, which no object can have.
func nullElement(v cty.Value) error {
	for it := v.ElementIterator(); it.Next(); {
		if key, e := it.Element(); e.IsNull() {
			return fmt.Errorf("element %q is null: leave it out, as in { for k, v in ... : k => v if v != null }", key.AsString())
		}
	}
	return nil
}

func (a *Attribute) canonicalOne(v cty.Value) (got cty.Value, differs bool, err error) {
	switch {
	case v.IsNull() || !v.IsKnown():
	case v.Type() == cty.String:
		return a.canonicalString(v)
	case v.Type() == cty.Number:
		return v, false, a.checkNumber(v)
	}
	return v, false, nil
}

func (a *Attribute) canonicalString(v cty.Value) (got cty.Value, differs bool, err error) {
	s := v.AsString()
	if len(a.Enum) > 0 && !slices.Contains(a.Enum, s) {
		return v, false, fmt.Errorf("%q is not one of %s", s, strings.Join(a.Enum, ", "))
	}
	f, ok := formats[a.Format]
	if !ok {
		return v, false, nil
	}
	text, err := f.canon(s)
	if err != nil || text == s {
		return v, false, err
	}
	return cty.StringVal(text), true, nil
}

func (a *Attribute) checkNumber(v cty.Value) error {
	f := v.AsBigFloat()
	text := func() string { return f.Text('f', -1) }
	switch {
	case a.number != reflect.Float64 && !f.IsInt():
		return fmt.Errorf("%s is not a whole number", text())
	case a.Min != nil && f.Cmp(new(big.Float).SetInt64(*a.Min)) < 0:
		return fmt.Errorf("%s is less than %d, the least allowed", text(), *a.Min)
	case a.Max != nil && f.Cmp(new(big.Float).SetInt64(*a.Max)) > 0:
		return fmt.Errorf("%s is more than %d, the most allowed", text(), *a.Max)
	case !a.holds(f):
		return fmt.Errorf("%s is out of range", text())
	}
	return nil
}

// holds reports whether the Go type of the attribute can hold the number.
func (a *Attribute) holds(f *big.Float) bool {
	switch a.number {
	case reflect.Uint32, reflect.Uint64:
		n, accuracy := f.Uint64()
		return accuracy == big.Exact && (a.number == reflect.Uint64 || n <= math.MaxUint32)
	case reflect.Float64:
		n, _ := f.Float64()
		return !math.IsInf(n, 0)
	}
	_, accuracy := f.Int64()
	return accuracy == big.Exact
}

// CheckFormat says what is wrong with a text that is to have a format.
func CheckFormat(name, s string) error {
	_, err := formats[name].canon(s)
	return err
}
