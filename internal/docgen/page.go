package main

import (
	"fmt"
	"io"
	"io/fs"
	"strings"

	"github.com/diyform/diyform/providers"
	"github.com/diyform/diyform/providers/schema"
)

const introduction = `<!-- Written by make docs from the declarations of the types. Edit those. -->

# Resources and data sources

A resource is something that diyform makes, keeps as declared, and takes away. A data source
is something that it reads. Their blocks look like this:

` + "```hcl" + `
resource "TYPE" "NAME" {
  ARGUMENT = VALUE
}

data "TYPE" "NAME" {
  ARGUMENT = VALUE
}
` + "```" + `

What they have is ` + "`TYPE.NAME.ATTRIBUTE`" + ` and ` + "`data.TYPE.NAME.ATTRIBUTE`" + ` in other blocks; a reference
also says what has to come first. Every resource and data block may have, besides its own
arguments, ` + "`depends_on`" + ` (a list of what has to come first although no reference says so) and
one of ` + "`count`" + ` (how many there are) and ` + "`for_each`" + ` (a map or a set of strings: one for each);
a resource a block ` + "`lifecycle`" + ` too: enabled, prevent_destroy, destroy, create_before_destroy, ignore_changes, replace_triggered_by,
precondition and postcondition.

In the tables, "computed" as a default means that diyform or the kernel finds the value where
none is given, and "replaced" under "on change" that the object is destroyed and made anew when
the argument changes. Everything else changes in place.
`

// declared is a resource type or a data source.
type declared struct {
	heading string
	example string // its file in the folder of examples
	doc     string
	schema  *schema.Schema
	changes bool // it is a resource, whose arguments can change while it is there

	adoption providers.Type // of a resource
}

// resources and dataSources list what the registry has, in the order of their names.
func resources(r *providers.Registry) []declared {
	var out []declared
	for _, name := range r.TypeNames() {
		t := r.Type(name)
		out = append(out, declared{name, "resources/" + name + ".diy.hcl", t.Doc(), t.Schema(), true, t})
	}
	return out
}

func dataSources(r *providers.Registry) []declared {
	var out []declared
	for _, name := range r.DataTypeNames() {
		t := r.DataType(name)
		out = append(out, declared{"data." + name, "data/" + name + ".diy.hcl", t.Doc(), t.Schema(), false, nil})
	}
	return out
}

// reference writes the whole page. examples has resources/TYPE.diy.hcl and data/TYPE.diy.hcl.
func reference(w io.Writer, r *providers.Registry, examples fs.FS) error {
	page := &page{}
	page.text(introduction)
	page.contents("Resources", resources(r))
	page.contents("Data sources", dataSources(r))
	for _, list := range [][]declared{resources(r), dataSources(r)} {
		for _, d := range list {
			if err := page.section(d, examples); err != nil {
				return err
			}
		}
	}
	_, err := io.WriteString(w, page.String())
	return err
}

// page collects Markdown.
type page struct{ strings.Builder }

func (p *page) text(format string, args ...any) { fmt.Fprintf(p, format, args...) }

func (p *page) contents(title string, list []declared) {
	p.text("\n%s:", title)
	for i, d := range list {
		if i > 0 {
			p.text(",")
		}
		p.text("\n[%s](#%s)", d.heading, anchor(d.heading))
	}
	p.text("\n")
}

// anchor is what Markdown viewers make of a heading.
func anchor(heading string) string { return strings.ReplaceAll(heading, ".", "") }

func (p *page) section(d declared, examples fs.FS) error {
	example, err := fs.ReadFile(examples, d.example)
	if err != nil {
		return fmt.Errorf("read example of %s: %w", d.heading, err)
	}
	p.text("\n## %s\n\n%s\n\n```hcl\n%s\n```\n", d.heading, d.doc, strings.TrimSpace(string(example)))
	p.schema("", d.schema, d.changes)
	if d.adoption != nil {
		p.adopt(d.heading, d.adoption)
	}
	return nil
}

// adopt says how what somebody else made becomes such a resource, and the reverse.
func (p *page) adopt(name string, t providers.Type) {
	p.text("\nImport: ")
	if form := t.ImportForm(); form != "" {
		p.text("`diyform import %s.NAME ID`, or an `import` block, where the ID is %s.\n", name, form)
	} else {
		p.text("none. %s\n", t.RefuseImport())
	}
	p.text("\nLetting go: ")
	if t.Releases() {
		p.text("with a `removed` block and `destroy = false` it stays as it is, and is nobody's.\n")
	} else {
		p.text("none. %s\n", t.RefuseRelease())
	}
}

// schema writes the tables of a resource, data source or nested block, its own blocks last.
func (p *page) schema(prefix string, s *schema.Schema, changes bool) {
	p.arguments(s, changes)
	p.attributes(s)
	for _, b := range s.Blocks {
		p.text("\n### Block `%s`, %s\n", prefix+b.Name, nestings[b.Nesting])
		if b.Doc != "" {
			p.text("\n%s\n", b.Doc)
		}
		if b.Replace && changes {
			p.text("\nThe object is replaced when the block comes or goes.\n")
		}
		p.schema(prefix+b.Name+".", b.Schema, changes)
	}
}

var nestings = map[schema.Nesting]string{
	schema.One:      "exactly once",
	schema.Optional: "at most once",
	schema.List:     "any number of times",
}
