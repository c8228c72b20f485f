package config

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/gohcl"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/diyform/diyform/internal/diag"
)

// fileSchema is what a configuration file may hold.
var fileSchema = &hcl.BodySchema{Blocks: []hcl.BlockHeaderSchema{
	{Type: "variable", LabelNames: []string{"name"}},
	{Type: "locals"},
	{Type: "resource", LabelNames: []string{"type", "name"}},
	{Type: "data", LabelNames: []string{"type", "name"}},
	{Type: "output", LabelNames: []string{"name"}},
	{Type: "check", LabelNames: []string{"name"}},
	{Type: "module", LabelNames: []string{"name"}},
	{Type: "moved"},
	{Type: "removed"},
	{Type: "import"},
}}

// addBlocks takes in every block of a file.
func (c *Config) addBlocks(body hcl.Body) hcl.Diagnostics {
	content, rest, diags := body.PartialContent(fileSchema)
	diags = append(diags, unknownTopLevel(body, rest)...)
	for _, block := range content.Blocks {
		diags = append(diags, c.addBlock(block)...)
	}
	return diags
}

func (c *Config) addBlock(block *hcl.Block) hcl.Diagnostics {
	switch block.Type {
	case "variable":
		return c.addVariable(block)
	case "locals":
		return c.addLocals(block)
	case "resource", "data":
		return c.addResource(block)
	case "output":
		return c.addOutput(block)
	case "check":
		return c.addCheck(block)
	case "module":
		return c.addCall(block)
	case "moved":
		return c.addMoved(block)
	case "removed":
		return c.addRemoved(block)
	case "import":
		return c.addImport(block)
	}
	panic("the file schema has a block type without a decoder, which is a bug: " + block.Type)
}

// unknownTopLevel says what a file holds besides fileSchema. The parts of a native body tell
// blocks from arguments; a JSON body knows only properties.
func unknownTopLevel(body, rest hcl.Body) hcl.Diagnostics {
	var diags hcl.Diagnostics
	native, ok := body.(*hclsyntax.Body)
	if !ok {
		attrs, _ := rest.JustAttributes()
		for _, a := range inOrder(attrs) {
			diags = append(diags, unknownBlockType(a.Name, a.NameRange, a.Range))
		}
		return diags
	}
	for _, b := range native.Blocks {
		if !slices.Contains(blockTypes(), b.Type) {
			diags = append(diags, unknownBlockType(b.Type, b.TypeRange, b.DefRange()))
		}
	}
	for _, a := range native.Attributes {
		diags = append(diags, &hcl.Diagnostic{
			Severity: hcl.DiagError,
			Summary:  "Argument outside a block",
			Detail: fmt.Sprintf("%q is set outside any block, where only blocks are allowed. For a "+
				"named value write it inside a locals block.", a.Name),
			Subject: a.NameRange.Ptr(),
			Context: a.SrcRange.Ptr(),
		})
	}
	return diags
}

func unknownBlockType(name string, subject, context hcl.Range) *hcl.Diagnostic {
	known := blockTypes()
	detail := fmt.Sprintf("diyform has no block type %q.%s It knows %s.", name, diag.Suggest(name, known), strings.Join(known, ", "))
	if why := terraformBlocks[name]; why != "" {
		detail = fmt.Sprintf("diyform has no block type %q: %s", name, why)
	}
	return &hcl.Diagnostic{
		Severity: hcl.DiagError,
		Summary:  "Unknown block type",
		Detail:   detail,
		Subject:  subject.Ptr(),
		Context:  context.Ptr(),
	}
}

// terraformBlocks are block types of Terraform that have no counterpart here, and why.
var terraformBlocks = map[string]string{
	"terraform": "there are no providers to require, and the state is kept beside the configuration. Remove the block.",
	"provider":  "its providers are built in, and nothing of them is configured. Remove the block.",
	"ephemeral": "no type of it has resources that are there for one command only. A variable can be ephemeral = true.",
}

// blockTypes lists the block types of fileSchema.
func blockTypes() []string {
	var types []string
	for _, b := range fileSchema.Blocks {
		types = append(types, b.Type)
	}
	return types
}

// decode evaluates the argument name of content into target, without variables. It leaves
// target alone when the argument is not there.
func decode(content *hcl.BodyContent, name string, target any) hcl.Diagnostics {
	attr, ok := content.Attributes[name]
	if !ok {
		return nil
	}
	if diags := checkLiteral(attr); diags.HasErrors() {
		return diags
	}
	return gohcl.DecodeExpression(attr.Expr, nil, target)
}

// checkLiteral refuses references and calls in what is read before anything is evaluated.
func checkLiteral(attr *hcl.Attribute) hcl.Diagnostics {
	_, diags := attr.Expr.Value(nil)
	for _, d := range diags {
		if d.Summary == "Variables not allowed" || d.Summary == "Function calls not allowed" {
			d.Detail = fmt.Sprintf("%s is read before anything is evaluated, so it must be a literal value, without references and function calls.", attr.Name)
		}
	}
	return diags
}

// checkName refuses what references and addresses could not be written with.
func checkName(name string, rng hcl.Range) hcl.Diagnostics {
	if isName(name) {
		return nil
	}
	return hcl.Diagnostics{diag.Error(rng.Ptr(), "Invalid name",
		fmt.Sprintf("%q is not a name. A name begins with a letter or an underscore and goes "+
			"on with letters, digits, underscores and hyphens, all of them ASCII.", name))}
}

func isName(s string) bool {
	for i, r := range s {
		letter := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r == '_'
		if !letter && (i == 0 || (r < '0' || r > '9') && r != '-') {
			return false
		}
	}
	return s != ""
}

// duplicate says that something is declared a second time, and where it was first.
func duplicate(what, name string, again, first hcl.Range) *hcl.Diagnostic {
	return diag.Error(again.Ptr(), "Duplicate "+what,
		fmt.Sprintf("A %s named %s was already declared at %s. Names must differ: rename one "+
			"of the two.", what, name, first))
}
