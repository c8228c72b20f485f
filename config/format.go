package config

import (
	"bytes"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/hcl/v2/hclwrite"
	"github.com/rogpeppe/go-internal/diff"
)

// Format gives the canonical text of a configuration file in native syntax, which is what
// tofu fmt makes of it: canonical spacing, quoted block labels, x for "${x}", and types
// without quotes. filename appears in the diagnostics of a file that does not parse.
func Format(src []byte, filename string) ([]byte, hcl.Diagnostics) {
	_, diags := hclsyntax.ParseConfig(src, filename, hcl.InitialPos)
	if diags.HasErrors() {
		return nil, diags
	}
	out, more := canonical(src, filename, unwrapTemplate)
	if !parses(out) {
		// An expression cannot stand outside of its template, for a comment in it for one.
		// tofu fmt writes the broken file.
		out, more = canonical(src, filename, unwrapCarefully)
	}
	return out, append(diags, more...)
}

func canonical(src []byte, filename string, unwrap func(hclwrite.Tokens) hclwrite.Tokens) ([]byte, hcl.Diagnostics) {
	file, diags := hclwrite.ParseConfig(src, filename, hcl.InitialPos)
	if diags.HasErrors() {
		return nil, diags
	}
	canonicalBody(file.Body(), nil, unwrap)
	return file.Bytes(), diags
}

func parses(src []byte) bool {
	_, diags := hclsyntax.ParseConfig(src, "", hcl.InitialPos)
	return !diags.HasErrors()
}

// Diff gives the unified diff of a file's two texts, or nil when they are the same.
func Diff(name string, before, after []byte) []byte {
	out := diff.Diff("old/"+name, before, "new/"+name, after)
	if _, hunks, ok := bytes.Cut(out, []byte("\n")); ok {
		return hunks // without the line that repeats the command
	}
	return nil
}

// canonicalBody rewrites a body that stands in blocks of these types.
func canonicalBody(body *hclwrite.Body, within []string, unwrap func(hclwrite.Tokens) hclwrite.Tokens) {
	for name, attr := range body.Attributes() {
		tokens := attr.Expr().BuildTokens(nil)
		if len(within) == 1 && within[0] == "variable" && name == "type" {
			tokens = canonicalType(tokens)
		} else {
			tokens = unwrap(tokens)
		}
		body.SetAttributeRaw(name, tokens)
	}
	for _, block := range body.Blocks() {
		block.SetLabels(block.Labels()) // quotes them
		canonicalBody(block.Body(), append(within[:len(within):len(within)], block.Type()), unwrap)
	}
}

// unwrapCarefully is unwrapTemplate where what comes out is an expression by itself. A heredoc
// is not: after its end mark no comment may stand.
func unwrapCarefully(tokens hclwrite.Tokens) hclwrite.Tokens {
	out := unwrapTemplate(tokens)
	if hasToken(out, hclsyntax.TokenOHeredoc) || !parses(append([]byte("a = "), append(out.Bytes(), '\n')...)) {
		return tokens
	}
	return out
}

// unwrapTemplate makes x of "${x}". An x of several lines gets parentheses, inside of which
// newlines mean nothing.
func unwrapTemplate(tokens hclwrite.Tokens) hclwrite.Tokens {
	n := len(tokens)
	if n < 5 || !hasTypes(tokens[:2], hclsyntax.TokenOQuote, hclsyntax.TokenTemplateInterp) ||
		!hasTypes(tokens[n-2:], hclsyntax.TokenTemplateSeqEnd, hclsyntax.TokenCQuote) {
		return tokens
	}
	inside := tokens[2 : n-2]
	if !isOneExpression(inside) {
		return tokens
	}
	for len(inside) > 0 && inside[0].Type == hclsyntax.TokenNewline {
		inside = inside[1:]
	}
	for len(inside) > 0 && inside[len(inside)-1].Type == hclsyntax.TokenNewline {
		inside = inside[:len(inside)-1]
	}
	if hasToken(inside, hclsyntax.TokenNewline) && !isParenthesized(inside) {
		inside = append(append(punctuation(hclsyntax.TokenOParen, "("), inside...), punctuation(hclsyntax.TokenCParen, ")")...)
	}
	return inside
}

// isOneExpression reports whether these tokens of a template have no other text or expression
// beside the first one. What is in quotes of that expression does not count.
func isOneExpression(tokens hclwrite.Tokens) bool {
	quotes := 0
	for _, token := range tokens {
		switch token.Type {
		case hclsyntax.TokenOQuote:
			quotes++
		case hclsyntax.TokenCQuote:
			quotes--
		case hclsyntax.TokenTemplateInterp, hclsyntax.TokenTemplateSeqEnd, hclsyntax.TokenQuotedLit:
			if quotes <= 0 {
				return false
			}
		}
	}
	return true
}

func hasToken(tokens hclwrite.Tokens, ty hclsyntax.TokenType) bool {
	for _, token := range tokens {
		if token.Type == ty {
			return true
		}
	}
	return false
}

// isParenthesized reports whether a parenthesis is the first token and one is the last. They
// need not belong together: (a) + (b) is taken for it too, as by tofu fmt.
func isParenthesized(tokens hclwrite.Tokens) bool {
	return len(tokens) > 1 && tokens[0].Type == hclsyntax.TokenOParen && tokens[len(tokens)-1].Type == hclsyntax.TokenCParen
}

// canonicalType writes out what the type of a variable means: any elements where it names a
// collection alone, and strings where it is in quotes, as it was until Terraform 0.11.
func canonicalType(tokens hclwrite.Tokens) hclwrite.Tokens {
	switch {
	case hasTypes(tokens, hclsyntax.TokenIdent):
		switch name := string(tokens[0].Bytes); name {
		case "list", "map", "set":
			return collectionOf(name, "any", tokens[0].SpacesBefore)
		}
	case hasTypes(tokens, hclsyntax.TokenOQuote, hclsyntax.TokenQuotedLit, hclsyntax.TokenCQuote):
		switch name := string(tokens[1].Bytes); name {
		case "string":
			return hclwrite.TokensForIdentifier(name)
		case "list", "map":
			return collectionOf(name, "string", 0)
		}
	}
	return tokens
}

func collectionOf(kind, element string, spaces int) hclwrite.Tokens {
	name := hclwrite.TokensForIdentifier(kind)
	name[0].SpacesBefore = spaces
	return append(append(append(name, punctuation(hclsyntax.TokenOParen, "(")...),
		hclwrite.TokensForIdentifier(element)...), punctuation(hclsyntax.TokenCParen, ")")...)
}

func punctuation(ty hclsyntax.TokenType, text string) hclwrite.Tokens {
	return hclwrite.Tokens{{Type: ty, Bytes: []byte(text)}}
}

// hasTypes reports whether these are tokens of exactly these types.
func hasTypes(tokens hclwrite.Tokens, types ...hclsyntax.TokenType) bool {
	if len(tokens) != len(types) {
		return false
	}
	for i, token := range tokens {
		if token.Type != types[i] {
			return false
		}
	}
	return true
}
