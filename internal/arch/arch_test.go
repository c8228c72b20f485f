package arch

import (
	"go/ast"
	"path"
	"slices"
	"strings"
	"testing"
)

func TestImportsPointOneWay(t *testing.T) {
	for _, file := range sources(t) {
		if file.test || file.tool() {
			continue
		}
		owner, ok := layerOf(file.folder)
		if !ok {
			t.Errorf("%s: no layer covers package %s: add it to layers", file.path, file.folder)
			continue
		}
		for _, imported := range file.imports() {
			inner, ok := strings.CutPrefix(imported, module+"/")
			if !ok || inner == file.folder || covers(owner.imports, inner) || slices.Contains(leaves, inner) {
				continue
			}
			t.Errorf("%s imports %s: %s may not, because %s", file.path, inner, owner.packages, owner.reason)
		}
	}
}

func TestProductContainsNoTestBench(t *testing.T) {
	for _, file := range sources(t) {
		if file.test || file.tool() || covers(benches, file.folder) {
			continue
		}
		for _, imported := range file.imports() {
			if covers(benches, strings.TrimPrefix(imported, module+"/")) {
				t.Errorf("%s imports %s, which is for tests", file.path, imported)
			}
		}
	}
}

// Raw system calls bypass what Go does about signals and threads. In one place, the rules
// for EINTR, locked threads and descriptor lifetimes are kept by those who know them.
func TestRawSystemCallsAreInOnePlace(t *testing.T) {
	for _, file := range sources(t) {
		if file.test || covers([]string{"internal/linux/..."}, file.folder) {
			continue
		}
		// Its constants are the kernel's words, which everybody may use.
		for _, call := range file.calls("golang.org/x/sys/unix") {
			t.Errorf("%s:%d: unix.%s: put the call into internal/linux", file.path, call.line, call.name)
		}
		for _, name := range []string{"Syscall", "Syscall6", "RawSyscall", "RawSyscall6", "RawSyscallNoError"} {
			for _, line := range file.uses("syscall", name) {
				t.Errorf("%s:%d: syscall.%s: put the call into internal/linux", file.path, line, name)
			}
		}
	}
}

// An exit from elsewhere skips deferred calls: locks stay, temporary files too.
func TestOnlyMainExits(t *testing.T) {
	for _, file := range sources(t) {
		allowed := file.linesOf("main")
		if file.test {
			allowed = file.linesOf("TestMain")
		} else if file.syntax.Name.Name != "main" {
			allowed = nil
		}
		for _, use := range []struct{ pkg, name string }{
			{"os", "Exit"}, {"syscall", "Exit"}, {"log", "Fatal"}, {"log", "Fatalf"}, {"log", "Fatalln"},
		} {
			for _, line := range file.uses(use.pkg, use.name) {
				if !slices.Contains(allowed, line) {
					t.Errorf("%s:%d: %s.%s: only main exits", file.path, line, use.pkg, use.name)
				}
			}
		}
	}
}

func TestNoInitFunctions(t *testing.T) {
	seen := exceptions{}
	for _, file := range sources(t) {
		if len(file.linesOf("init")) > 0 && !initFunctions.allow(file.path, seen) {
			t.Errorf("%s has an init function: list explicitly what is there", file.path)
		}
	}
	initFunctions.checkAllNeeded(t, seen)
}

func TestNobodySleeps(t *testing.T) {
	seen := exceptions{}
	for _, file := range sources(t) {
		if file.test || file.tool() {
			continue
		}
		for _, line := range file.uses("time", "Sleep") {
			if !sleepers.allow(file.path, seen) {
				t.Errorf("%s:%d sleeps: wait for the event, with a deadline", file.path, line)
			}
		}
	}
	sleepers.checkAllNeeded(t, seen)
}

func TestFilesAndFunctionsAreShort(t *testing.T) {
	files, functions := exceptions{}, exceptions{}
	for _, file := range sources(t) {
		if n := file.lines(); n > maxFileLines && !longFiles.allow(file.path, files) {
			t.Errorf("%s has %d lines, more than %d", file.path, n, maxFileLines)
		}
		for _, declaration := range file.syntax.Decls {
			function, ok := declaration.(*ast.FuncDecl)
			if !ok {
				continue
			}
			name := file.path + " " + function.Name.Name
			n := file.line(function.End()) - file.line(function.Pos()) + 1
			if n > maxFunctionLines && !longFunctions.allow(name, functions) {
				t.Errorf("%s has %d lines, more than %d", name, n, maxFunctionLines)
			}
		}
	}
	longFiles.checkAllNeeded(t, files)
	longFunctions.checkAllNeeded(t, functions)
}

func layerOf(folder string) (layer, bool) {
	i := slices.IndexFunc(layers, func(l layer) bool { return covers([]string{l.packages}, folder) })
	if i < 0 {
		return layer{}, false
	}
	return layers[i], true
}

// covers reports whether one of the patterns, "x" or "x/...", is about the folder.
func covers(patterns []string, folder string) bool {
	for _, pattern := range patterns {
		tree, all := strings.CutSuffix(pattern, "/...")
		if folder == tree || all && strings.HasPrefix(folder, tree+"/") {
			return true
		}
	}
	return false
}

// tool reports whether the file is of a program that is not the product.
func (f source) tool() bool {
	return f.syntax.Name.Name == "main" && path.Dir(f.path) != "cmd/diyform"
}

func (e exceptions) allow(what string, seen exceptions) bool {
	reason, ok := e[what]
	seen[what] = reason
	return ok
}

func (e exceptions) checkAllNeeded(t *testing.T, seen exceptions) {
	t.Helper()
	for what := range e {
		if _, ok := seen[what]; !ok {
			t.Errorf("the exception for %s is not needed any more: remove it", what)
		}
	}
}
