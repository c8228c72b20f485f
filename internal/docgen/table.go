package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/zclconf/go-cty/cty"

	"github.com/diyform/diyform/providers/schema"
)

// arguments writes the table of what may be set, with a column for what a change of it does.
func (p *page) arguments(s *schema.Schema, changes bool) {
	header := []string{"argument", "type", "default", "what it is"}
	if changes {
		header = slices.Insert(header, 3, "on change")
	}
	var rows [][]string
	for _, a := range s.Attributes {
		if !a.Settable() {
			continue
		}
		row := []string{"`" + a.Name + "`", typeOf(a), defaultOf(a), description(a)}
		if changes {
			row = slices.Insert(row, 3, onChange(a))
		}
		rows = append(rows, row)
	}
	p.table(header, rows)
}

// attributes writes the table of what can only be read.
func (p *page) attributes(s *schema.Schema) {
	var rows [][]string
	for _, a := range s.Attributes {
		if !a.Settable() {
			rows = append(rows, []string{"`" + a.Name + "`", typeOf(a), description(a)})
		}
	}
	p.table([]string{"read-only attribute", "type", "what it is"}, rows)
}

// table writes a table, or nothing when it has no rows.
func (p *page) table(header []string, rows [][]string) {
	if len(rows) == 0 {
		return
	}
	line := slices.Repeat([]string{"---"}, len(header))
	p.text("\n")
	for _, row := range slices.Concat([][]string{header, line}, rows) {
		for i, cell := range row {
			row[i] = strings.ReplaceAll(cell, "|", `\|`)
		}
		p.text("| %s |\n", strings.Join(row, " | "))
	}
}

// typeOf gives the type with what is asked of its value, in words.
func typeOf(a *schema.Attribute) string {
	text := a.Type.FriendlyNameForConstraint()
	switch {
	case a.Unit != "":
		text += ", " + a.Unit
	case a.Format != "" && a.Type.IsCollectionType():
		text += ", each " + schema.FormatDoc(a.Format)
	case a.Format != "":
		text += ", " + schema.FormatDoc(a.Format)
	}
	return text
}

func defaultOf(a *schema.Attribute) string {
	switch {
	case a.Required:
		return "**required**"
	case a.Default != cty.NilVal:
		return "`" + literal(a.Default) + "`"
	case a.Computed:
		return "computed"
	}
	return "none"
}

// literal writes a value as one would in configuration.
func literal(v cty.Value) string {
	switch {
	case v.Type() == cty.String:
		return fmt.Sprintf("%q", v.AsString())
	case v.Type() == cty.Number:
		return v.AsBigFloat().Text('f', -1)
	case v.Type() == cty.Bool:
		return fmt.Sprint(v.True())
	}
	return "[]" // a schema has no other default of a collection
}

func onChange(a *schema.Attribute) string {
	if a.Replace {
		return "replaced"
	}
	return "in place"
}

// description gives the documentation of an attribute and, in words, what is checked of it.
func description(a *schema.Attribute) string {
	sentences := []string{a.Doc}
	add := func(format string, args ...any) { sentences = append(sentences, fmt.Sprintf(format, args...)) }
	if a.Settable() {
		if len(a.Enum) > 0 {
			add("One of `%s`.", strings.Join(a.Enum, "`, `"))
		}
		if bounds := boundsOf(a); bounds != "" {
			add("%s.", bounds)
		}
	}
	if a.Unordered {
		add("The order means nothing.")
	}
	if a.Volatile && a.Settable() {
		add("Found anew whenever the object changes, unless given.")
	}
	if a.Sensitive {
		add("Never shown.")
	}
	return strings.Join(sentences, " ")
}

func boundsOf(a *schema.Attribute) string {
	switch {
	case a.Min != nil && a.Max != nil:
		return fmt.Sprintf("From %d to %d", *a.Min, *a.Max)
	case a.Min != nil:
		return fmt.Sprintf("At least %d", *a.Min)
	case a.Max != nil:
		return fmt.Sprintf("At most %d", *a.Max)
	}
	return ""
}
