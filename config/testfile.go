package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclparse"

	"github.com/diyform/diyform/internal/diag"
)

const (
	nativeTestSuffix = ".diytest.hcl"
	jsonTestSuffix   = ".diytest.json"
)

// TestFile is a file of tests: runs that come one after the other and share one state.
type TestFile struct {
	Path string // as it is shown, relative to the folder of the configuration

	// Files holds the source, for diagnostics.
	Files map[string]*hcl.File

	Variables []*hcl.Attribute // of all runs, in the order of the source
	Runs      []*TestRun
}

// testFileSchema has also what Terraform's tests have and diyform's have not, so that it can be
// told why.
var testFileSchema = &hcl.BodySchema{Blocks: []hcl.BlockHeaderSchema{
	{Type: "run", LabelNames: []string{"name"}},
	{Type: "variables"},
	{Type: "provider", LabelNames: []string{"name"}},
	{Type: "mock_provider", LabelNames: []string{"name"}},
	{Type: "override_resource"}, {Type: "override_data"}, {Type: "override_module"},
}}

// TestPaths lists the files of tests in the folder dir and in its folder of tests, by name.
func TestPaths(dir, tests string) ([]string, error) {
	var paths []string
	for _, folder := range slices.Compact([]string{dir, joinPath(dir, tests)}) {
		entries, err := os.ReadDir(folder)
		if errors.Is(err, fs.ErrNotExist) && folder != dir {
			continue // who has none has no folder for them
		}
		if err != nil {
			return nil, err
		}
		for _, e := range entries {
			if !e.IsDir() && isTestFile(e.Name()) {
				paths = append(paths, filepath.Join(folder, e.Name()))
			}
		}
	}
	slices.Sort(paths)
	return paths, nil
}

func isTestFile(name string) bool {
	return !IsIgnored(name) && (strings.HasSuffix(name, nativeTestSuffix) || strings.HasSuffix(name, jsonTestSuffix))
}

// LoadTest reads a file of tests. It is never nil: with errors it holds what could be read.
func LoadTest(path string) (*TestFile, hcl.Diagnostics) {
	f := &TestFile{Path: path, Files: map[string]*hcl.File{}}
	src, err := readSource(path)
	if err != nil {
		return f, hcl.Diagnostics{unreadable(path, err)}
	}
	file, diags := parse(hclparse.NewParser(), path, src)
	if file == nil {
		return f, diags
	}
	f.Files[path] = file
	if diags.HasErrors() {
		return f, diags
	}
	diags = append(diags, f.decode(file.Body)...)
	return f, diag.InOrder(diags)
}

func (f *TestFile) decode(body hcl.Body) hcl.Diagnostics {
	content, diags := body.Content(testFileSchema)
	var variables *hcl.Block
	for _, block := range content.Blocks {
		switch block.Type {
		case "run":
			run, more := decodeTestRun(block)
			diags = append(diags, more...)
			diags = append(diags, f.addRun(run)...)
		case "variables":
			if variables != nil {
				diags = append(diags, diag.Error(&block.DefRange, "Duplicate variables block",
					fmt.Sprintf("The file has a variables block already, at %s. Write both as one.", variables.DefRange)))
				continue
			}
			variables = block
			attrs, more := block.Body.JustAttributes()
			f.Variables = inOrder(attrs)
			diags = append(diags, more...)
		default:
			diags = append(diags, noMocks(block))
		}
	}
	if len(f.Runs) == 0 && !diags.HasErrors() {
		diags = append(diags, diag.Error(nil, "A test file without a run",
			fmt.Sprintf("%s has no run block, so it tests nothing. Write one, with assert blocks in it.", f.Path)))
	}
	return diags
}

func (f *TestFile) addRun(run *TestRun) hcl.Diagnostics {
	for _, other := range f.Runs {
		if other.Name == run.Name {
			return hcl.Diagnostics{duplicate("run", run.Name, run.DeclRange, other.DeclRange)}
		}
	}
	f.Runs = append(f.Runs, run)
	return nil
}

// noMocks explains what stands in a test of Terraform's and has no meaning here.
func noMocks(block *hcl.Block) *hcl.Diagnostic {
	if block.Type == "provider" {
		return diag.Error(&block.DefRange, "Block that diyform's tests do not have",
			"diyform has no provider blocks: there is nothing to configure. Remove it.")
	}
	return diag.Error(&block.DefRange, "Block that diyform's tests do not have",
		fmt.Sprintf("Mocks and overrides are not supported, and %s is one. A test makes the real thing, in namespaces "+
			"of its own that are gone afterwards: remove the block.", block.Type))
}
