package config

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"github.com/bmatcuk/doublestar/v4"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
)

var (
	basenameFunc   = pathFunc(func(s string) (string, error) { return filepath.Base(s), nil })
	dirnameFunc    = pathFunc(func(s string) (string, error) { return filepath.Dir(s), nil })
	pathExpandFunc = pathFunc(expandHome)
)

// pathFunc makes a function of a path.
func pathFunc(f func(string) (string, error)) function.Function { return textFuncOf("path", f) }

// fileFunctions gives the functions that read files, relative to dir.
func fileFunctions(dir string) map[string]function.Function {
	digest := func(sum func([]byte) []byte, encode func([]byte) string) function.Function {
		return pathFunc(func(path string) (string, error) {
			content, err := readFile(dir, path)
			return encode(sum(content)), err
		})
	}
	return map[string]function.Function{
		"abspath": pathFunc(filepath.Abs),
		"file":    pathFunc(func(path string) (string, error) { return readText(dir, path) }),
		"filebase64": pathFunc(func(path string) (string, error) {
			content, err := readFile(dir, path)
			return encode64(content), err
		}),
		"filebase64sha256": digest(sumSHA256, encode64),
		"filebase64sha512": digest(sumSHA512, encode64),
		"fileexists":       makeFileExists(dir),
		"fileset":          makeFileSet(dir),
		"filemd5":          digest(sumMD5, hex.EncodeToString),
		"filesha1":         digest(sumSHA1, hex.EncodeToString),
		"filesha256":       digest(sumSHA256, hex.EncodeToString),
		"filesha512":       digest(sumSHA512, hex.EncodeToString),
	}
}

func expandHome(path string) (string, error) {
	if !strings.HasPrefix(path, "~") {
		return path, nil
	}
	if path != "~" && path[1] != '/' {
		return "", fmt.Errorf("%s: only ~ alone or ~/ stand for a home folder, not another user's name", path)
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
	path = joinPath(dir, path)
	content, err := readSource(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("there is no file %s; it is read before anything is made, so a file that a resource makes cannot be read here", path)
	}
	return content, err
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
			path = joinPath(dir, path)
			info, err := os.Stat(path)
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

// makeFileSet gives fileset(path, pattern): the regular files below a folder whose paths match,
// relative to the folder. A pattern may have *, **, ?, [...] and {a,b}.
func makeFileSet(dir string) function.Function {
	return function.New(&function.Spec{
		Params:       []function.Parameter{{Name: "path", Type: cty.String}, {Name: "pattern", Type: cty.String}},
		Type:         function.StaticReturnType(cty.Set(cty.String)),
		RefineResult: notNull,
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			root := joinPath(dir, args[0].AsString())
			matches, err := doublestar.FilepathGlob(filepath.Join(root, args[1].AsString()))
			if err != nil {
				return cty.NilVal, function.NewArgError(1, err)
			}
			files := []cty.Value{}
			for _, match := range matches {
				info, err := os.Stat(match)
				if err != nil { // a link to nothing
					return cty.NilVal, function.NewArgError(1, err)
				}
				if !info.Mode().IsRegular() {
					continue
				}
				inside, err := filepath.Rel(root, match)
				if err != nil {
					return cty.NilVal, err
				}
				files = append(files, cty.StringVal(filepath.ToSlash(inside)))
			}
			if len(files) == 0 {
				return cty.SetValEmpty(cty.String), nil
			}
			return cty.SetVal(files), nil
		},
	})
}
