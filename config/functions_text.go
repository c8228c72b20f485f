package config

import (
	"bytes"
	"compress/gzip"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
)

var (
	endsWithFunc     = textTest("suffix", strings.HasSuffix)
	containsTextFunc = textTest("substr", strings.Contains)

	base64EncodeFunc = textFunc(func(s string) (string, error) { return encode64([]byte(s)), nil })
	base64DecodeFunc = textFunc(base64Decode)
	base64GzipFunc   = textFunc(base64Gzip)
	urlEncodeFunc    = textFunc(func(s string) (string, error) { return url.QueryEscape(s), nil })
	urlDecodeFunc    = textFunc(url.QueryUnescape)

	base64SHA256Func = digestFunc(sumSHA256, encode64)
	base64SHA512Func = digestFunc(sumSHA512, encode64)
	md5Func          = digestFunc(sumMD5, hex.EncodeToString)
	sha1Func         = digestFunc(sumSHA1, hex.EncodeToString)
	sha256Func       = digestFunc(sumSHA256, hex.EncodeToString)
	sha512Func       = digestFunc(sumSHA512, hex.EncodeToString)

	timestampFunc = generated(func() (string, error) { return time.Now().UTC().Format(time.RFC3339), nil })
	uuidFunc      = generated(func() (string, error) {
		id, err := uuid.NewRandom()
		return id.String(), err
	})
)

// textFunc makes a function from one string to another.
func textFunc(f func(string) (string, error)) function.Function { return textFuncOf("str", f) }

func textFuncOf(param string, f func(string) (string, error)) function.Function {
	return function.New(&function.Spec{
		Params:       []function.Parameter{{Name: param, Type: cty.String}},
		Type:         function.StaticReturnType(cty.String),
		RefineResult: notNull,
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			out, err := f(args[0].AsString())
			if err != nil {
				return cty.NilVal, function.NewArgError(0, err)
			}
			return cty.StringVal(out), nil
		},
	})
}

// textTest makes a function that compares a string with a part of it.
func textTest(part string, f func(s, part string) bool) function.Function {
	return function.New(&function.Spec{
		Params:       []function.Parameter{{Name: "str", Type: cty.String}, {Name: part, Type: cty.String}},
		Type:         function.StaticReturnType(cty.Bool),
		RefineResult: notNull,
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			return cty.BoolVal(f(args[0].AsString(), args[1].AsString())), nil
		},
	})
}

// startswith(str, prefix): what is known of the start of an unknown string may be enough.
var startsWithFunc = function.New(&function.Spec{
	Params:       []function.Parameter{{Name: "str", Type: cty.String, AllowUnknown: true}, {Name: "prefix", Type: cty.String}},
	Type:         function.StaticReturnType(cty.Bool),
	RefineResult: notNull,
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		prefix := args[1].AsString()
		if args[0].IsKnown() {
			return cty.BoolVal(strings.HasPrefix(args[0].AsString(), prefix)), nil
		}
		start := args[0].Range().StringPrefix()
		if n := min(len(start), len(prefix)); start[:n] != prefix[:n] {
			return cty.False, nil
		}
		if len(start) < len(prefix) {
			return cty.UnknownVal(cty.Bool), nil
		}
		return cty.True, nil
	},
})

// generated makes a function without arguments.
func generated(f func() (string, error)) function.Function {
	return function.New(&function.Spec{
		Type:         function.StaticReturnType(cty.String),
		RefineResult: notNull,
		Impl: func([]cty.Value, cty.Type) (cty.Value, error) {
			s, err := f()
			return cty.StringVal(s), err
		},
	})
}

func digestFunc(sum func([]byte) []byte, encode func([]byte) string) function.Function {
	return textFunc(func(s string) (string, error) { return encode(sum([]byte(s))), nil })
}

func sumMD5(b []byte) []byte    { s := md5.Sum(b); return s[:] }
func sumSHA1(b []byte) []byte   { s := sha1.Sum(b); return s[:] }
func sumSHA256(b []byte) []byte { s := sha256.Sum256(b); return s[:] }
func sumSHA512(b []byte) []byte { s := sha512.Sum512(b); return s[:] }

func encode64(b []byte) string { return base64.StdEncoding.EncodeToString(b) }

func base64Decode(s string) (string, error) {
	out, err := base64.StdEncoding.DecodeString(s)
	if err != nil {
		return "", fmt.Errorf("decode base64: %w", err)
	}
	if !utf8.Valid(out) {
		return "", fmt.Errorf("the decoded bytes are not UTF-8 text, and a string can hold nothing else")
	}
	return string(out), nil
}

func base64Gzip(s string) (string, error) {
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	if _, err := w.Write([]byte(s)); err != nil {
		return "", fmt.Errorf("compress: %w", err)
	}
	// Not needed, but without it the bytes are others than OpenTofu's.
	if err := w.Flush(); err != nil {
		return "", fmt.Errorf("compress: %w", err)
	}
	if err := w.Close(); err != nil {
		return "", fmt.Errorf("compress: %w", err)
	}
	return encode64(out.Bytes()), nil
}

// replace(str, substr, replacement): a substr between slashes is a regular expression.
var replaceFunc = function.New(&function.Spec{
	Params: []function.Parameter{
		{Name: "str", Type: cty.String},
		{Name: "substr", Type: cty.String},
		{Name: "replace", Type: cty.String},
	},
	Type:         function.StaticReturnType(cty.String),
	RefineResult: notNull,
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		str, substr, with := args[0].AsString(), args[1].AsString(), args[2].AsString()
		if len(substr) < 2 || substr[0] != '/' || substr[len(substr)-1] != '/' {
			return cty.StringVal(strings.ReplaceAll(str, substr, with)), nil
		}
		re, err := regexp.Compile(substr[1 : len(substr)-1])
		if err != nil {
			return cty.NilVal, function.NewArgError(1, err)
		}
		return cty.StringVal(re.ReplaceAllString(str, with)), nil
	},
})

// timecmp(a, b): -1, 0 or 1 as a is before, at or after b.
var timeCmpFunc = function.New(&function.Spec{
	Params: []function.Parameter{
		{Name: "timestamp_a", Type: cty.String},
		{Name: "timestamp_b", Type: cty.String},
	},
	Type:         function.StaticReturnType(cty.Number),
	RefineResult: notNull,
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		var times [2]time.Time
		for i, arg := range args {
			t, err := time.Parse(time.RFC3339, arg.AsString())
			if err != nil {
				return cty.NilVal, function.NewArgErrorf(i, "not a timestamp as RFC 3339 defines it: %q", arg.AsString())
			}
			times[i] = t
		}
		return cty.NumberIntVal(int64(times[0].Compare(times[1]))), nil
	},
})
