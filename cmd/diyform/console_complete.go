package main

import (
	"context"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"github.com/diyform/diyform/internal/addr"
	"github.com/diyform/diyform/plan"
)

// completer completes the names in expressions.
type completer struct {
	*session
	scope *plan.Scope
}

// lastWord finds the reference that a line ends in, finished or not.
var lastWord = regexp.MustCompile(`[\pL_][\pL\d_-]*(\.[\pL\d_-]*|\[(\d*|"[^"]*"?|\*)\]?)*$`)

// moduleInstance is what outputs of a module follow.
var moduleInstance = regexp.MustCompile(`^module\.([^.\[]+)(\[[^\]]*\])?$`)

// line completes what stands before the cursor as far as there is one way to, and gives the
// choices from there on where there are several.
func (c *completer) line(head string) (completed string, choices []string) {
	word := lastWord.FindString(head)
	fits := slices.DeleteFunc(c.words(word), func(w string) bool { return !strings.HasPrefix(w, word) })
	slices.Sort(fits)
	fits = slices.Compact(fits)
	if len(fits) == 0 {
		return head, nil
	}
	common := fits[0]
	for _, w := range fits {
		common = commonPrefix(common, w)
	}
	if len(fits) > 1 && common == word {
		choices = lastParts(fits, word)
	}
	head = head[:len(head)-len(word)] + common
	if len(fits) == 1 && strings.HasSuffix(common, ".") && common != word {
		return c.line(head) // a name must follow, and there may be only one
	}
	return head, choices
}

func commonPrefix(a, b string) string {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	return a[:n]
}

// lastParts cuts off what words have in common with the last whole part of the word so far.
func lastParts(words []string, word string) []string {
	cut := strings.LastIndexAny(word, ".[") + 1
	out := make([]string, len(words))
	for i, w := range words {
		out[i] = w[cut:]
	}
	return out
}

// words lists what may stand in the place of a word, among others.
func (c *completer) words(word string) []string {
	dot, bracket := strings.LastIndexByte(word, '.'), strings.LastIndexByte(word, '[')
	switch {
	case dot < 0 && bracket < 0:
		return c.first()
	case bracket > dot:
		return c.indexes(word[:bracket])
	}
	base := word[:dot]
	return following(base+".", c.members(base))
}

func following(prefix string, names []string) []string {
	out := make([]string, len(names))
	for i, name := range names {
		out[i] = prefix + name
	}
	return out
}

// first lists what an expression may begin with.
func (c *completer) first() []string {
	list := []string{"true", "false", "null", "path.", "diyform.", "exit"}
	for _, f := range c.scope.Functions() {
		list = append(list, f+"(")
	}
	for root, count := range map[string]int{
		"var.": len(c.config.Variables), "local.": len(c.config.Locals), "module.": len(c.config.Calls),
	} {
		if count > 0 {
			list = append(list, root)
		}
	}
	for a := range c.config.Resources {
		if a.Mode == addr.Data {
			list = append(list, "data.")
		} else {
			list = append(list, a.Type+".")
		}
	}
	return list
}

// members lists what may follow base and a dot.
func (c *completer) members(base string) []string {
	parts := strings.Split(base, ".")
	switch {
	case base == "var":
		return keys(c.config.Variables)
	case base == "local":
		return keys(c.config.Locals)
	case base == "module":
		return keys(c.config.Calls)
	case base == "path":
		return []string{"cwd", "module", "root"}
	case base == "diyform":
		return []string{"workspace"}
	case base == "data":
		return c.blockNames(func(a addr.Resource) (string, bool) { return a.Type + ".", a.Mode == addr.Data })
	case len(parts) == 1:
		return c.blockNames(func(a addr.Resource) (string, bool) { return a.Name, a.Mode == addr.Managed && a.Type == base })
	case len(parts) == 2 && parts[0] == "data":
		return c.blockNames(func(a addr.Resource) (string, bool) { return a.Name, a.Mode == addr.Data && a.Type == parts[1] })
	}
	if names := c.attributes(base); names != nil {
		return names
	}
	if name := moduleInstance.FindStringSubmatch(base); name != nil && c.config.Children[name[1]] != nil {
		return keys(c.config.Children[name[1]].Outputs)
	}
	v := c.value(base)
	if t := v.Type(); t.IsObjectType() {
		return keys(t.AttributeTypes())
	}
	return slices.DeleteFunc(mapKeys(v), func(k string) bool { return !hclsyntax.ValidIdentifier(k) })
}

func (c *completer) blockNames(name func(addr.Resource) (string, bool)) []string {
	var list []string
	for a := range c.config.Resources {
		if n, ok := name(a); ok {
			list = append(list, n)
		}
	}
	return list
}

// attributes lists those of a resource or data block, instance or splat.
func (c *completer) attributes(base string) []string {
	a, err := addr.Parse(strings.ReplaceAll(base, "[*]", ""))
	if err != nil {
		return nil
	}
	return c.scope.Attributes(a.Resource)
}

// indexes lists what may follow base and an opening bracket, which is part of it.
func (c *completer) indexes(base string) []string {
	var list []string
	if a, err := addr.Parse(base); err == nil && c.config.Resources[a.Resource] != nil {
		for _, r := range c.state.Sorted() {
			if r.Address.Resource == a.Resource && !r.Address.Key.IsZero() {
				list = append(list, base+r.Address.Key.String())
			}
		}
		return list
	}
	for _, k := range mapKeys(c.value(base)) {
		list = append(list, base+"["+strconv.Quote(k)+"]")
	}
	return list
}

// value evaluates what stands before the cursor, unless that would read from the kernel.
func (c *completer) value(text string) cty.Value {
	if strings.HasPrefix(text, "data.") {
		return cty.DynamicVal
	}
	expr, diags := hclsyntax.ParseExpression([]byte(text), "", hcl.InitialPos)
	if diags.HasErrors() {
		return cty.DynamicVal
	}
	v, diags := c.scope.Value(context.Background(), expr)
	if diags.HasErrors() {
		return cty.DynamicVal
	}
	v, _ = v.Unmark()
	return v
}

// mapKeys lists the keys of a map or object that is known.
func mapKeys(v cty.Value) []string {
	if !v.IsKnown() || v.IsNull() || !(v.Type().IsMapType() || v.Type().IsObjectType()) {
		return nil
	}
	return keys(v.AsValueMap())
}
