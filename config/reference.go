package config

import (
	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/diyform/diyform/internal/addr"
)

// Reference is one place where an expression uses a value from outside of it.
type Reference struct {
	Subject Subject

	// Key tells which instance of a resource is meant: `each.key` for
	// `network_namespace.h[each.key].name`. It is nil where the whole block is meant, and
	// where only the expression around it could tell, as in a for expression over h[k].
	Key hcl.Expression

	// Output is the output of a module that is meant; "" where all are.
	Output string
	// Everything says that a module is not referred to for its outputs, but for all that is in
	// it: it is an item of depends_on.
	Everything bool

	Range     hcl.Range     // the subject alone, without key and attributes
	Traversal hcl.Traversal // what was written, as far as it is names and literal indexes
}

// Subject is what a reference refers to. Subjects are comparable, so they serve as map keys.
type Subject struct {
	Kind     SubjectKind
	Resource addr.Resource // of a ResourceSubject
	Name     string        // of the others: host for var.host, key for each.key, lab for module.lab
}

// SubjectKind is the kind of thing that a reference refers to.
type SubjectKind uint8

const (
	InvalidSubject    SubjectKind = iota // none: CheckReference says what is wrong
	VariableSubject                      // var.NAME
	LocalSubject                         // local.NAME
	ResourceSubject                      // TYPE.NAME, resource.TYPE.NAME and data.TYPE.NAME
	EachSubject                          // each.key, each.value
	CountSubject                         // count.index
	PathSubject                          // path.module, path.root, path.cwd
	SelfSubject                          // self
	ModuleSubject                        // module.NAME
	WorkspaceSubject                     // diyform.workspace
	OutputSubject                        // an output, which only the module around it refers to
	ValidationSubject                    // the validations of a variable, which nothing refers to
)

// kindsByRoot are the roots that mean something else than a managed resource's type.
var kindsByRoot = map[string]SubjectKind{
	"var":       VariableSubject,
	"local":     LocalSubject,
	"data":      ResourceSubject,
	"each":      EachSubject,
	"count":     CountSubject,
	"path":      PathSubject,
	"module":    ModuleSubject,
	"self":      SelfSubject,
	"diyform":   WorkspaceSubject,
	"resource":  ResourceSubject, // resource.TYPE.NAME is TYPE.NAME
	"terraform": InvalidSubject,  // whoever writes it means diyform
	"tofu":      InvalidSubject,
}

// String gives the form that users write.
func (s Subject) String() string {
	switch s.Kind {
	case VariableSubject:
		return "var." + s.Name
	case LocalSubject:
		return "local." + s.Name
	case ResourceSubject:
		return s.Resource.String()
	case EachSubject:
		return "each." + s.Name
	case CountSubject:
		return "count." + s.Name
	case PathSubject:
		return "path." + s.Name
	case SelfSubject:
		return "self"
	case ModuleSubject:
		return "module." + s.Name
	case WorkspaceSubject:
		return "diyform." + s.Name
	case OutputSubject:
		return "output." + s.Name
	case ValidationSubject:
		return "validation of var." + s.Name
	}
	return "(invalid reference)"
}

// newReference reads what a traversal refers to. key is the expression of an index that
// follows the traversal, or nil; rest is what follows that.
func newReference(traversal hcl.Traversal, key hcl.Expression, rest hcl.Traversal) Reference {
	ref := Reference{Traversal: traversal, Range: traversal.SourceRange()}
	names := leadingNames(traversal)
	kind, special := kindsByRoot[names[0]]
	need := 2
	switch {
	case !special:
		kind = ResourceSubject
	case kind == ResourceSubject:
		need = 3
	case kind == SelfSubject:
		need = 1
	}
	if kind == InvalidSubject || len(names) < need {
		return ref
	}
	ref.Range = traversal[:need].SourceRange()
	if kind == SelfSubject {
		ref.Subject = Subject{Kind: kind}
		return ref
	}
	if kind == ModuleSubject {
		ref.Subject = Subject{Kind: kind, Name: names[1]}
		ref.Key = instanceKey(traversal[need:], key)
		ref.Output = firstAttribute(append(traversal[need:len(traversal):len(traversal)], rest...))
		return ref
	}
	if kind != ResourceSubject {
		ref.Subject = Subject{Kind: kind, Name: names[1]}
		return ref
	}
	res := addr.Resource{Type: names[need-2], Name: names[need-1]}
	if names[0] == "data" {
		res.Mode = addr.Data
	}
	ref.Subject = Subject{Kind: ResourceSubject, Resource: res}
	ref.Key = instanceKey(traversal[need:], key)
	return ref
}

// Rest gives what follows the subject of a reference to a resource or module.
func (r Reference) Rest() hcl.Traversal {
	if kind, special := kindsByRoot[r.Traversal.RootName()]; special && kind == ResourceSubject {
		return r.Traversal[3:]
	}
	return r.Traversal[2:]
}

// firstAttribute gives the name that a traversal begins with, an index before it left aside; ""
// where there is none.
func firstAttribute(steps hcl.Traversal) string {
	for i, step := range steps {
		switch s := step.(type) {
		case hcl.TraverseAttr:
			return s.Name
		case hcl.TraverseIndex:
			if i > 0 {
				return ""
			}
		default:
			return ""
		}
	}
	return ""
}

// leadingNames gives the root's name and those of the attributes right after it, at most
// three.
func leadingNames(traversal hcl.Traversal) []string {
	names := []string{traversal.RootName()}
	for _, step := range traversal[1:min(3, len(traversal))] {
		attr, ok := step.(hcl.TraverseAttr)
		if !ok {
			break
		}
		names = append(names, attr.Name)
	}
	return names
}

// instanceKey gives the index that stands right after a resource's name: a literal one is
// part of the traversal, any other follows it.
func instanceKey(rest hcl.Traversal, following hcl.Expression) hcl.Expression {
	if len(rest) == 0 {
		return following
	}
	index, ok := rest[0].(hcl.TraverseIndex)
	if !ok || !index.Key.Type().IsPrimitiveType() || index.Key.Type() == cty.Bool {
		return nil
	}
	return hcl.StaticExpr(index.Key, index.SrcRange)
}
