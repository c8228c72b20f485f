package arch

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// A source is a parsed Go file of the repository.
type source struct {
	path   string // from the root, with slashes
	folder string // its package's path in the module
	test   bool
	set    *token.FileSet
	syntax *ast.File
}

// sources are all Go files of the repository, parsed once.
func sources(t *testing.T) []source {
	t.Helper()
	files, err := parseAll()
	if err != nil {
		t.Fatal(err)
	}
	if len(files) < 5 {
		t.Fatalf("only %d Go files found: the tests look into the wrong folder", len(files))
	}
	return files
}

var parseAll = sync.OnceValues(func() ([]source, error) {
	const root = "../.."
	set := token.NewFileSet()
	var files []source
	err := fs.WalkDir(os.DirFS(root), ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		base := entry.Name()
		if entry.IsDir() && name != "." && (strings.HasPrefix(base, ".") || base == "testdata" || base == "build") {
			return fs.SkipDir
		}
		if entry.IsDir() || path.Ext(base) != ".go" {
			return nil
		}
		syntax, err := parser.ParseFile(set, filepath.Join(root, name), nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		files = append(files, source{
			path:   name,
			folder: path.Dir(name),
			test:   strings.HasSuffix(base, "_test.go"),
			set:    set,
			syntax: syntax,
		})
		return nil
	})
	return files, err
})

func (f source) imports() []string {
	var paths []string
	for _, spec := range f.syntax.Imports {
		if imported, err := strconv.Unquote(spec.Path.Value); err == nil {
			paths = append(paths, imported)
		}
	}
	return paths
}

// A call is a function of another package that a file calls.
type call struct {
	name string
	line int
}

// calls gives the calls of functions of the package with this path.
func (f source) calls(imported string) []call {
	local := f.localName(imported)
	var calls []call
	ast.Inspect(f.syntax, func(node ast.Node) bool {
		expression, ok := node.(*ast.CallExpr)
		if !ok {
			return true
		}
		if selector, ok := expression.Fun.(*ast.SelectorExpr); ok {
			if pkg, ok := selector.X.(*ast.Ident); ok && local != "" && pkg.Name == local {
				calls = append(calls, call{selector.Sel.Name, f.line(selector.Pos())})
			}
		}
		return true
	})
	return calls
}

// localName is what the file calls the package with this path, or "" if it has no use for it.
func (f source) localName(imported string) string {
	for _, spec := range f.syntax.Imports {
		if spec.Path.Value == strconv.Quote(imported) {
			if spec.Name != nil {
				return spec.Name.Name
			}
			return path.Base(imported)
		}
	}
	return ""
}

// uses gives the lines in which the file mentions name of the package with this path.
func (f source) uses(imported, name string) []int {
	local := f.localName(imported)
	if local == "" {
		return nil
	}
	var lines []int
	ast.Inspect(f.syntax, func(node ast.Node) bool {
		selector, ok := node.(*ast.SelectorExpr)
		if !ok || selector.Sel.Name != name {
			return true
		}
		if pkg, ok := selector.X.(*ast.Ident); ok && pkg.Name == local {
			lines = append(lines, f.line(selector.Pos()))
		}
		return true
	})
	return lines
}

// linesOf gives the lines of the functions, not methods, of this name.
func (f source) linesOf(function string) []int {
	var lines []int
	for _, declaration := range f.syntax.Decls {
		d, ok := declaration.(*ast.FuncDecl)
		if !ok || d.Recv != nil || d.Name.Name != function {
			continue
		}
		for line := f.line(d.Pos()); line <= f.line(d.End()); line++ {
			lines = append(lines, line)
		}
	}
	return lines
}

func (f source) line(at token.Pos) int { return f.set.Position(at).Line }

func (f source) lines() int { return f.set.File(f.syntax.FileStart).LineCount() }
