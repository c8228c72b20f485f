package config

import (
	"bytes"
	"cmp"
	"slices"
	"strconv"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/hcl/v2/hclwrite"
	"github.com/rogpeppe/go-internal/diff"
)

// Format gives the canonical text of a configuration file in native syntax: canonical
// spacing, quoted block labels, and x for "${x}". filename appears in the diagnostics of a
// file that does not parse.
func Format(src []byte, filename string) ([]byte, hcl.Diagnostics) {
	file, diags := hclsyntax.ParseConfig(src, filename, hcl.InitialPos)
	if diags.HasErrors() {
		return nil, diags
	}
	edits := bodyEdits(src, file.Body.(*hclsyntax.Body))
	return hclwrite.Format(applyEdits(src, edits)), diags
}

// Diff gives the unified diff of a file's two texts, or nil when they are the same.
func Diff(name string, before, after []byte) []byte {
	return diff.Diff("old/"+name, before, "new/"+name, after)
}

// edit replaces the source bytes from start to end.
type edit struct {
	start, end int
	text       []byte
}

func bodyEdits(src []byte, body *hclsyntax.Body) []edit {
	var edits []edit
	for _, attr := range body.Attributes {
		if e, ok := unwrapEdit(src, attr.Expr); ok {
			edits = append(edits, e)
		}
	}
	for _, block := range body.Blocks {
		for i, rng := range block.LabelRanges {
			if src[rng.Start.Byte] != '"' {
				edits = append(edits, edit{rng.Start.Byte, rng.End.Byte, []byte(strconv.Quote(block.Labels[i]))})
			}
		}
		edits = append(edits, bodyEdits(src, block.Body)...)
	}
	return edits
}

// unwrapEdit replaces "${x}" by x. It leaves alone what has strip markers or comments beside
// x, or a heredoc in it. An x of several lines needs parentheses, inside of which newlines mean nothing.
func unwrapEdit(src []byte, expr hclsyntax.Expression) (edit, bool) {
	wrap, ok := expr.(*hclsyntax.TemplateWrapExpr)
	if !ok {
		return edit{}, false
	}
	outer, inner := wrap.SrcRange, wrap.Wrapped.Range()
	if !isUnwrappable(src, outer, inner) {
		return edit{}, false
	}
	if nested, ok := unwrapEdit(src, wrap.Wrapped); ok {
		return edit{outer.Start.Byte, outer.End.Byte, nested.text}, true
	}
	text := src[inner.Start.Byte:inner.End.Byte]
	if bytes.Contains(text, []byte("<<")) {
		return edit{}, false // a heredoc's end mark needs the rest of its line
	}
	if _, done := wrap.Wrapped.(*hclsyntax.ParenthesesExpr); !done && bytes.ContainsRune(text, '\n') {
		text = slices.Concat([]byte("("), text, []byte(")"))
	}
	return edit{outer.Start.Byte, outer.End.Byte, text}, true
}

// isUnwrappable reports whether outer is "${, blanks, inner, blanks, }".
func isUnwrappable(src []byte, outer, inner hcl.Range) bool {
	open, closing := []byte(`"${`), []byte(`}"`)
	from, to := outer.Start.Byte+len(open), outer.End.Byte-len(closing)
	return bytes.HasPrefix(src[outer.Start.Byte:outer.End.Byte], open) &&
		bytes.HasSuffix(src[outer.Start.Byte:outer.End.Byte], closing) &&
		from <= inner.Start.Byte && inner.End.Byte <= to &&
		len(bytes.TrimSpace(src[from:inner.Start.Byte])) == 0 &&
		len(bytes.TrimSpace(src[inner.End.Byte:to])) == 0
}

func applyEdits(src []byte, edits []edit) []byte {
	slices.SortFunc(edits, func(a, b edit) int { return cmp.Compare(a.start, b.start) })
	var out bytes.Buffer
	at := 0
	for _, e := range edits {
		out.Write(src[at:e.start])
		out.Write(e.text)
		at = e.end
	}
	out.Write(src[at:])
	return out.Bytes()
}
