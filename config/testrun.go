package config

import (
	"fmt"
	"math/big"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"github.com/diyform/diyform/internal/addr"
	"github.com/diyform/diyform/internal/diag"
)

// TestRun is a run block: a plan or an apply, and what must be true of it.
type TestRun struct {
	Name      string
	PlanOnly  bool // command = plan
	Options   TestOptions
	Variables []*hcl.Attribute // in the order of the source
	Source    string           // the folder of another module that is run instead; "" for the configuration
	Asserts   []Condition
	Failures  []ExpectedFailure
	DeclRange hcl.Range
}

// TestOptions are a run's plan_options.
type TestOptions struct {
	RefreshOnly bool
	NoRefresh   bool
	Targets     []string
	Replace     []string
}

// ExpectedFailure is an item of expect_failures: what has a condition that must not hold.
type ExpectedFailure struct {
	Object string // as diag.Condition names it
	Range  hcl.Range
}

var (
	testRunSchema = &hcl.BodySchema{
		Attributes: []hcl.AttributeSchema{{Name: "command"}, {Name: "expect_failures"}, {Name: "providers"}},
		Blocks: []hcl.BlockHeaderSchema{
			{Type: "assert"}, {Type: "module"}, {Type: "plan_options"}, {Type: "variables"},
			{Type: "override_resource"}, {Type: "override_data"}, {Type: "override_module"},
		},
	}
	planOptionsSchema = &hcl.BodySchema{Attributes: []hcl.AttributeSchema{
		{Name: "mode"}, {Name: "refresh"}, {Name: "replace"}, {Name: "target"},
	}}
	testModuleSchema = &hcl.BodySchema{Attributes: []hcl.AttributeSchema{{Name: "source", Required: true}, {Name: "version"}}}
)

func decodeTestRun(block *hcl.Block) (*TestRun, hcl.Diagnostics) {
	r := &TestRun{Name: block.Labels[0], DeclRange: block.DefRange}
	diags := checkName(r.Name, block.LabelRanges[0])
	content, more := block.Body.Content(testRunSchema)
	diags = append(diags, more...)
	if attr, ok := content.Attributes["providers"]; ok {
		diags = append(diags, diag.Error(&attr.NameRange, "Argument that diyform's tests do not have",
			"diyform has no providers to choose from. Remove it."))
	}
	diags = append(diags, r.decodeCommand(content.Attributes["command"])...)
	diags = append(diags, r.decodeFailures(content.Attributes["expect_failures"])...)
	seen := map[string]hcl.Range{}
	for _, b := range content.Blocks {
		if first, ok := seen[b.Type]; ok && b.Type != "assert" {
			diags = append(diags, diag.Error(&b.DefRange, "Duplicate block in a run",
				fmt.Sprintf("Run %q has a block %s already, at %s. Write both as one.", r.Name, b.Type, first)))
			continue
		}
		seen[b.Type] = b.DefRange
		diags = append(diags, r.decodeBlock(b)...)
	}
	return r, diags
}

func (r *TestRun) decodeBlock(b *hcl.Block) hcl.Diagnostics {
	switch b.Type {
	case "assert":
		cond, diags := decodeCondition(b)
		if cond != nil {
			r.Asserts = append(r.Asserts, *cond)
		}
		return diags
	case "variables":
		attrs, diags := b.Body.JustAttributes()
		r.Variables = inOrder(attrs)
		return diags
	case "plan_options":
		return r.Options.decode(b)
	case "module":
		return r.decodeModule(b)
	}
	return hcl.Diagnostics{noMocks(b)}
}

func (r *TestRun) decodeCommand(attr *hcl.Attribute) hcl.Diagnostics {
	if attr == nil {
		return nil
	}
	switch word := hcl.ExprAsKeyword(native(attr.Expr)); word {
	case "apply":
		return nil
	case "plan":
		r.PlanOnly = true
		return nil
	default:
		return hcl.Diagnostics{diag.Error(attr.Expr.Range().Ptr(), "Invalid command of a run",
			fmt.Sprintf("The command is plan or apply, without quotes.%s", diag.Suggest(word, []string{"plan", "apply"})))}
	}
}

func (o *TestOptions) decode(b *hcl.Block) hcl.Diagnostics {
	content, diags := b.Body.Content(planOptionsSchema)
	if attr, ok := content.Attributes["mode"]; ok {
		switch word := hcl.ExprAsKeyword(native(attr.Expr)); word {
		case "normal":
		case "refresh-only":
			o.RefreshOnly = true
		default:
			diags = append(diags, diag.Error(attr.Expr.Range().Ptr(), "Invalid mode of a plan",
				fmt.Sprintf("The mode is normal or refresh-only, without quotes.%s", diag.Suggest(word, []string{"normal", "refresh-only"}))))
		}
	}
	refresh := true
	diags = append(diags, decode(content, "refresh", &refresh)...)
	o.NoRefresh = !refresh
	var more hcl.Diagnostics
	o.Targets, more = decodeAddresses(content.Attributes["target"], func(text string) error {
		_, err := addr.ParseModule(text)
		if err != nil {
			_, err = addr.Parse(text)
		}
		return err
	}, "An item is the address of a resource, of one instance or of a module, without quotes: veth_pair.uplink, "+
		"bridge.lan[\"a\"], module.lab.")
	diags = append(diags, more...)
	o.Replace, more = decodeAddresses(content.Attributes["replace"], func(text string) error {
		_, err := addr.Parse(text)
		return err
	}, "An item is the address of a resource or of one instance, without quotes: veth_pair.uplink, bridge.lan[\"a\"].")
	diags = append(diags, more...)
	if o.RefreshOnly && (o.NoRefresh || len(o.Replace) > 0) {
		diags = append(diags, diag.Error(&b.DefRange, "Options that contradict each other",
			"A refresh-only plan reads what is there and replaces nothing: leave out refresh = false and replace."))
	}
	return diags
}

// decodeModule reads which module is run instead of the configuration.
func (r *TestRun) decodeModule(b *hcl.Block) hcl.Diagnostics {
	content, diags := b.Body.Content(testModuleSchema)
	attr, ok := content.Attributes["source"]
	if !ok {
		return diags
	}
	diags = append(diags, decode(content, "source", &r.Source)...)
	if !diags.HasErrors() && !strings.HasPrefix(r.Source, "./") && !strings.HasPrefix(r.Source, "../") {
		diags = append(diags, diag.Error(attr.Expr.Range().Ptr(), "Invalid module of a run",
			fmt.Sprintf("A run takes its module from a folder beside the configuration, as in \"./tests/setup\", and %q does "+
				"not begin with ./ or ../.", r.Source)))
	}
	if version, ok := content.Attributes["version"]; ok {
		diags = append(diags, diag.Error(&version.NameRange, "Version of a local module",
			"A module in a folder has no versions. Remove the argument."))
	}
	return diags
}

// decodeAddresses reads a list of addresses that parse takes. what says of which kind they are.
func decodeAddresses(attr *hcl.Attribute, parse func(string) error, what string) ([]string, hcl.Diagnostics) {
	if attr == nil {
		return nil, nil
	}
	items, diags := hcl.ExprList(attr.Expr)
	var out []string
	for _, item := range items {
		text, ok := addressText(item)
		if !ok || parse(text) != nil {
			diags = append(diags, diag.Error(item.Range().Ptr(), "Not an address", what))
			continue
		}
		out = append(out, text)
	}
	return out, diags
}

func (r *TestRun) decodeFailures(attr *hcl.Attribute) hcl.Diagnostics {
	if attr == nil {
		return nil
	}
	items, diags := hcl.ExprList(attr.Expr)
	for _, item := range items {
		text, ok := addressText(item)
		if !ok || !canFail(text) {
			diags = append(diags, diag.Error(item.Range().Ptr(), "Invalid item of expect_failures",
				"An item is what has conditions, without quotes: var.subnet for its validations, check.gateway_answers, "+
					"output.address, or a resource or data block such as veth_pair.uplink for its preconditions and postconditions."))
			continue
		}
		r.Failures = append(r.Failures, ExpectedFailure{text, item.Range()})
	}
	return diags
}

// canFail reports whether something of that address can have conditions.
func canFail(text string) bool {
	kind, name, _ := strings.Cut(text, ".")
	switch kind {
	case "var", "check", "output":
		return isName(name)
	}
	_, special := kindsByRoot[kind]
	_, err := addr.Parse(text)
	return err == nil && (!special || kind == "data" || kind == "module")
}

// addressText writes the address that an expression is, in the form that addresses have.
func addressText(item hcl.Expression) (string, bool) {
	expr, ok := native(item).(hclsyntax.Expression)
	if !ok {
		return "", false
	}
	traversal, diags := hcl.AbsTraversalForExpr(expr)
	if diags.HasErrors() {
		return "", false
	}
	text := traversal.RootName()
	for _, step := range traversal[1:] {
		switch s := step.(type) {
		case hcl.TraverseAttr:
			text += "." + s.Name
		case hcl.TraverseIndex:
			key, ok := indexText(s)
			if !ok {
				return "", false
			}
			text += key
		default:
			return "", false
		}
	}
	return text, true
}

// indexText writes an index as addresses have it: [0], ["a"].
func indexText(step hcl.TraverseIndex) (string, bool) {
	switch step.Key.Type() {
	case cty.String:
		return addr.StringKey(step.Key.AsString()).String(), true
	case cty.Number:
		i, exact := step.Key.AsBigFloat().Int64()
		return addr.IntKey(int(i)).String(), exact == big.Exact
	}
	return "", false
}
