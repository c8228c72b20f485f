package config

import (
	"compress/gzip"
	"encoding/base64"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/ianaindex"
)

var (
	textEncodeBase64Func = charsetFunc("string", func(c encoding.Encoding, text string) (string, error) {
		out, err := c.NewEncoder().Bytes([]byte(text))
		if err != nil {
			return "", fmt.Errorf("the text has characters that the encoding has not: %w", err)
		}
		return encode64(out), nil
	})
	textDecodeBase64Func = charsetFunc("source", func(c encoding.Encoding, text string) (string, error) {
		raw, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			return "", fmt.Errorf("decode base64: %w", err)
		}
		out, err := c.NewDecoder().Bytes(raw)
		if err != nil || strings.ContainsRune(string(out), utf8.RuneError) {
			return "", fmt.Errorf("the bytes are no text in this encoding")
		}
		return string(out), nil
	})
)

// charsetFunc makes a function from a string and the IANA name of a character encoding to a
// string.
func charsetFunc(param string, convert func(encoding.Encoding, string) (string, error)) function.Function {
	return function.New(&function.Spec{
		Params:       []function.Parameter{{Name: param, Type: cty.String}, {Name: "encoding", Type: cty.String}},
		Type:         function.StaticReturnType(cty.String),
		RefineResult: notNull,
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			name := args[1].AsString()
			charset, err := ianaindex.IANA.Encoding(name)
			if err != nil || charset == nil {
				return cty.NilVal, function.NewArgErrorf(1, "%q is not a supported IANA encoding name", name)
			}
			out, err := convert(charset, args[0].AsString())
			if err != nil {
				return cty.NilVal, function.NewArgError(0, err)
			}
			return cty.StringVal(out), nil
		},
	})
}

func base64Gunzip(s string) (string, error) {
	r, err := gzip.NewReader(base64.NewDecoder(base64.StdEncoding, strings.NewReader(s)))
	if err != nil {
		return "", fmt.Errorf("decompress: %w", err)
	}
	out, err := io.ReadAll(r)
	if err != nil {
		return "", fmt.Errorf("decompress: %w", err)
	}
	if !utf8.Valid(out) {
		return "", fmt.Errorf("the decompressed bytes are not UTF-8 text, and a string can hold nothing else")
	}
	return string(out), nil
}
