// Package config reads configuration: HCL files become a Config, variables get their
// values, expressions tell what they refer to, and functions are there to evaluate them.
//
// It is not for evaluating resources, which is the plan's work, and it knows no resource
// type. Start with Load, then read Config.
package config

import (
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/ext/typeexpr"
	"github.com/zclconf/go-cty/cty"

	"github.com/diyform/diyform/internal/addr"
)

// Config is a module: everything that the files of one folder declare, and the modules that it
// calls. That of the working folder is the root module.
type Config struct {
	Dir    string
	Path   addr.Module // static; "" of the root module
	Parent *Config     // nil of the root module

	// Files holds every file of the whole tree, by the name that ranges carry. Diagnostics take
	// their source lines from it.
	Files map[string]*hcl.File

	Variables   map[string]*Variable
	Locals      map[string]*Local
	Resources   map[addr.Resource]*Resource // managed and data, without those inside checks
	Outputs     map[string]*Output
	Checks      map[string]*Check
	Calls       map[string]*Call
	Children    map[string]*Config  // by the names of the calls
	Moves       []*Moved            // in the order of the source
	Removed     []*Removed          // the same
	removedFrom map[string]*Removed // the same, by what they are about
	Imports     []*Import           // the same

	hash string
}

// Variable is a variable block.
type Variable struct {
	Name         string
	Type         cty.Type           // cty.DynamicPseudoType when the block names none
	TypeDefaults *typeexpr.Defaults // what optional(type, default) gives; nil when nothing does
	Default      cty.Value          // of type Type; cty.NilVal when a value is required
	Description  string
	Sensitive    bool
	Ephemeral    bool // its value is never recorded, nor what is made of it
	Nullable     bool
	Validations  []Condition
	DeclRange    hcl.Range

	// literal says that a string from the command line or the environment is the value
	// itself, not an expression that gives it.
	literal bool
}

// Required reports whether the variable has no default.
func (v *Variable) Required() bool { return v.Default == cty.NilVal }

// Condition is a validation or assert block: what must be true, and what is said if not.
type Condition struct {
	Condition    hcl.Expression
	ErrorMessage hcl.Expression
	DeclRange    hcl.Range
}

// Local is one argument of a locals block.
type Local struct {
	Name      string
	Expr      hcl.Expression
	DeclRange hcl.Range
}

// Output is an output block.
type Output struct {
	Name        string
	Expr        hcl.Expression
	Description string
	Sensitive   bool
	Ephemeral   bool // of a module that is called: see Variable
	DependsOn   []Reference
	Conditions  []Condition // what must be true before its value is used
	DeclRange   hcl.Range
}

// References lists what the output refers to.
func (o *Output) References() []Reference {
	refs := append(References(o.Expr), o.DependsOn...)
	return append(refs, ConditionReferences(o.Conditions)...)
}

// ConditionReferences lists what conditions and their messages refer to.
func ConditionReferences(conditions []Condition) []Reference {
	var refs []Reference
	for _, c := range conditions {
		refs = append(refs, References(c.Condition)...)
		refs = append(refs, References(c.ErrorMessage)...)
	}
	return refs
}

// Resource is a resource block or a data block.
type Resource struct {
	Addr addr.Resource // static

	// Body holds the arguments of the resource type. It hides count, for_each, depends_on and
	// lifecycle, and still suggests them for an argument that looks like them.
	Body hcl.Body

	Repetition
	DependsOn []Reference // to resource and data blocks, and what their keys refer to
	Lifecycle Lifecycle

	DeclRange hcl.Range // the block's header
	TypeRange hcl.Range
	NameRange hcl.Range
}

// Check is a check block. Its data block is visible in its own asserts only.
type Check struct {
	Name      string
	Data      *Resource // nil when the block has none
	Asserts   []Condition
	DeclRange hcl.Range
}

// Hash gives a digest over the names and contents of the files that Load read, as hex. A
// plan file is bound to it. Variable files do not count: their values are in the plan.
func (c *Config) Hash() string { return c.hash }
