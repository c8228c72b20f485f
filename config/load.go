package config

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclparse"

	"github.com/diyform/diyform/internal/addr"
	"github.com/diyform/diyform/internal/diag"
)

const (
	nativeSuffix = ".diy.hcl"
	jsonSuffix   = ".diy.json"
)

// Load reads every *.diy.hcl and *.diy.json file of folder dir. The Config is never nil: with
// errors it holds what could be read, for views that show source lines.
func Load(dir string) (*Config, hcl.Diagnostics) {
	c := newConfig(dir)
	paths, diags := configFiles(dir)
	parser := hclparse.NewParser()
	digest := sha256.New()
	for _, path := range paths {
		src, err := readSource(path)
		if err != nil {
			diags = append(diags, unreadable(path, err))
			continue
		}
		addToDigest(digest, filepath.Base(path), src)
		diags = append(diags, c.addFile(parser, path, src)...)
	}
	c.hash = hex.EncodeToString(digest.Sum(nil))
	sortByPlace(diags)
	return c, diags
}

// sortByPlace puts diagnostics in the order of the source. Those without a place come first.
func sortByPlace(diags hcl.Diagnostics) {
	slices.SortStableFunc(diags, func(a, b *hcl.Diagnostic) int {
		x, y := cmp.Or(a.Subject, &hcl.Range{}), cmp.Or(b.Subject, &hcl.Range{})
		return cmp.Or(cmp.Compare(x.Filename, y.Filename), cmp.Compare(x.Start.Byte, y.Start.Byte))
	})
}

func newConfig(dir string) *Config {
	return &Config{
		Dir:       dir,
		Files:     map[string]*hcl.File{},
		Variables: map[string]*Variable{},
		Locals:    map[string]*Local{},
		Resources: map[addr.Resource]*Resource{},
		Outputs:   map[string]*Output{},
		Checks:    map[string]*Check{},
	}
}

// addFile parses one file and takes its blocks in.
func (c *Config) addFile(parser *hclparse.Parser, path string, src []byte) hcl.Diagnostics {
	file, diags := parse(parser, path, src)
	if file == nil {
		return diags
	}
	c.Files[path] = file
	if diags.HasErrors() {
		return diags
	}
	return append(diags, c.addBlocks(file.Body)...)
}

func parse(parser *hclparse.Parser, path string, src []byte) (*hcl.File, hcl.Diagnostics) {
	if strings.HasSuffix(path, ".json") {
		return parser.ParseJSON(src, path)
	}
	return parser.ParseHCL(src, path)
}

// configFiles lists the configuration files of dir by name. None at all is an error.
func configFiles(dir string) ([]string, hcl.Diagnostics) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, hcl.Diagnostics{unreadable(dir, err)}
	}
	var paths []string
	for _, e := range entries {
		if !e.IsDir() && isConfigFile(e.Name()) {
			paths = append(paths, filepath.Join(dir, e.Name()))
		}
	}
	if len(paths) > 0 {
		return paths, nil
	}
	return nil, hcl.Diagnostics{diag.Error(nil, "No configuration files",
		fmt.Sprintf("The folder %s has no file whose name ends in %s or %s. Write one, "+
			"or name another folder with -chdir=DIR.", dir, nativeSuffix, jsonSuffix))}
}

func isConfigFile(name string) bool {
	return !isIgnored(name) && (strings.HasSuffix(name, nativeSuffix) || strings.HasSuffix(name, jsonSuffix))
}

// isIgnored reports whether name is that of a hidden file or of an editor's leftover.
func isIgnored(name string) bool {
	return strings.HasPrefix(name, ".") || strings.HasPrefix(name, "#") || strings.HasSuffix(name, "~")
}

func addToDigest(digest hash.Hash, name string, src []byte) {
	// The lengths keep two files apart from one file with the text of both.
	fmt.Fprintf(digest, "%d %s %d ", len(name), name, len(src))
	digest.Write(src)
}

func unreadable(path string, err error) *hcl.Diagnostic {
	reason := err
	var pathErr *fs.PathError
	if errors.As(err, &pathErr) {
		reason = pathErr.Err // the path is said already
	}
	return diag.Error(nil, "Cannot read configuration",
		fmt.Sprintf("%s: %s.", path, reason))
}
