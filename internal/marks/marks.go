// Package marks holds the marks that travel with cty values. Start with Sensitive.
package marks

import "github.com/zclconf/go-cty/cty"

type mark string

// Sensitive marks a value that views must not print. State and plan files hold it all the
// same, which is why they have mode 0600.
const Sensitive = mark("sensitive")

// Redact gives v with every sensitive part replaced by the null value of its type.
func Redact(v cty.Value) cty.Value {
	if !v.ContainsMarked() {
		return v
	}
	out, err := cty.Transform(v, func(_ cty.Path, part cty.Value) (cty.Value, error) {
		if part.HasMark(Sensitive) {
			return cty.NullVal(part.Type()), nil
		}
		return part, nil
	})
	if err != nil {
		panic("a transformation without errors failed, which is a bug: " + err.Error())
	}
	return out
}
