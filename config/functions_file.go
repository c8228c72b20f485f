package config

import (
	"encoding/hex"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
)

var (
	basenameFunc   = textFunc(func(s string) (string, error) { return filepath.Base(s), nil })
	dirnameFunc    = textFunc(func(s string) (string, error) { return filepath.Dir(s), nil })
	pathExpandFunc = textFunc(expandHome)
)

// fileFunctions gives the functions that read files, relative to dir.
func fileFunctions(dir string) map[string]function.Function {
	digest := func(sum func([]byte) []byte, encode func([]byte) string) function.Function {
		return textFunc(func(path string) (string, error) {
			content, err := readFile(dir, path)
			return encode(sum(content)), err
		})
	}
	return map[string]function.Function{
		"abspath": textFunc(func(path string) (string, error) { return filepath.Abs(joinPath(dir, path)) }),
		"file":    textFunc(func(path string) (string, error) { return readText(dir, path) }),
		"filebase64": textFunc(func(path string) (string, error) {
			content, err := readFile(dir, path)
			return encode64(content), err
		}),
		"filebase64sha256": digest(sumSHA256, encode64),
		"filebase64sha512": digest(sumSHA512, encode64),
		"fileexists":       makeFileExists(dir),
		"filemd5":          digest(sumMD5, hex.EncodeToString),
		"filesha1":         digest(sumSHA1, hex.EncodeToString),
		"filesha256":       digest(sumSHA256, hex.EncodeToString),
		"filesha512":       digest(sumSHA512, hex.EncodeToString),
	}
}

func expandHome(path string) (string, error) {
	if path != "~" && !strings.HasPrefix(path, "~/") {
		return path, nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", fmt.Errorf("expand ~: %w", err)
	}
	return home + path[1:], nil
}

func readFile(dir, path string) ([]byte, error) {
	path, err := expandHome(path)
	if err != nil {
		return nil, err
	}
	return readSource(joinPath(dir, path))
}

func readText(dir, path string) (string, error) {
	content, err := readFile(dir, path)
	if err != nil {
		return "", err
	}
	if !utf8.Valid(content) {
		return "", fmt.Errorf("%s is not UTF-8 text; filebase64 reads any file", path)
	}
	return string(content), nil
}

// makeFileExists gives fileexists(path): whether there is a regular file. A folder is an
// error, as in Terraform.
func makeFileExists(dir string) function.Function {
	return function.New(&function.Spec{
		Params:       []function.Parameter{{Name: "path", Type: cty.String}},
		Type:         function.StaticReturnType(cty.Bool),
		RefineResult: notNull,
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			path, err := expandHome(args[0].AsString())
			if err != nil {
				return cty.NilVal, function.NewArgError(0, err)
			}
			info, err := os.Stat(joinPath(dir, path))
			if os.IsNotExist(err) {
				return cty.False, nil
			}
			if err != nil {
				return cty.NilVal, function.NewArgError(0, err)
			}
			if !info.Mode().IsRegular() {
				return cty.NilVal, function.NewArgErrorf(0, "%s is not a regular file", path)
			}
			return cty.True, nil
		},
	})
}

// makeTemplateFile gives templatefile(path, vars): the file as a template in which the
// members of vars are the names, and all functions but templatefile itself can be called.
func makeTemplateFile(dir string, functions map[string]function.Function) function.Function {
	inside := maps.Clone(functions)
	delete(inside, "templatefile")
	render := func(args []cty.Value) (cty.Value, error) {
		path := args[0].AsString()
		src, err := readText(dir, path)
		if err != nil {
			return cty.NilVal, function.NewArgError(0, err)
		}
		if !args[1].CanIterateElements() || !args[1].Type().IsObjectType() && !args[1].Type().IsMapType() {
			return cty.NilVal, function.NewArgErrorf(1, "must be a map or an object")
		}
		expr, diags := hclsyntax.ParseTemplate([]byte(src), path, hcl.InitialPos)
		if diags.HasErrors() {
			return cty.NilVal, function.NewArgError(0, diags)
		}
		val, diags := expr.Value(&hcl.EvalContext{Variables: args[1].AsValueMap(), Functions: inside})
		if diags.HasErrors() {
			return cty.NilVal, function.NewArgError(0, diags)
		}
		return val, nil
	}
	return function.New(&function.Spec{
		Params: []function.Parameter{
			{Name: "path", Type: cty.String},
			{Name: "vars", Type: cty.DynamicPseudoType},
		},
		Type: func(args []cty.Value) (cty.Type, error) {
			if !args[0].IsKnown() || !args[1].IsKnown() {
				return cty.DynamicPseudoType, nil
			}
			val, err := render(args)
			return val.Type(), err
		},
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) { return render(args) },
	})
}
