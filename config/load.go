package config

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io/fs"
	"os"
	"path/filepath"
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

// Loader reads configuration. The zero Loader knows modules in folders alone.
type Loader struct {
	// Modules finds the files of modules; may be nil.
	Modules Modules
}

// Modules finds the files of modules, wherever they come from.
type Modules interface {
	// Folder gives the folder of the module that a call names by its source, which may be a path
	// from the caller's folder. key tells the calls of a configuration apart: see Config.Key.
	Folder(caller, key, source string) (string, error)
}

// Load reads every *.diy.hcl and *.diy.json file of folder dir, and of the modules that they
// call. The Config is never nil: with errors it holds what could be read, for views that show
// source lines.
func Load(dir string) (*Config, hcl.Diagnostics) { return Loader{}.Load(dir) }

// Load is the function Load with the loader's modules.
func (l Loader) Load(dir string) (*Config, hcl.Diagnostics) {
	t := &tree{Loader: l, parser: hclparse.NewParser(), digest: sha256.New(), files: map[string]*hcl.File{}}
	c, diags := t.load(dir, nil, "", nil)
	c.hash = hex.EncodeToString(t.digest.Sum(nil))
	return c, diag.InOrder(diags)
}

// tree is a configuration being read, with all its modules.
type tree struct {
	Loader
	parser *hclparse.Parser // gives a file that several calls read the same *hcl.File
	digest hash.Hash
	files  map[string]*hcl.File
}

// load reads the module of one folder and those that it calls. call is the range of the source
// argument that names the folder; nil of the root module.
func (t *tree) load(dir string, parent *Config, path addr.Module, call *hcl.Range) (*Config, hcl.Diagnostics) {
	c := newConfig(dir)
	c.Parent, c.Path, c.Files = parent, path, t.files
	paths, diags := configFiles(dir, call)
	for _, path := range paths {
		src, err := readSource(path)
		if err != nil {
			diags = append(diags, unreadable(path, err))
			continue
		}
		addToDigest(t.digest, string(c.Path)+" "+filepath.Base(path), src)
		diags = append(diags, c.addFile(t.parser, path, src)...)
	}
	for _, name := range keysOf(c.Calls) {
		diags = append(diags, t.loadCall(c, c.Calls[name])...)
	}
	return c, diags
}

// loadCall reads the module that a call names.
func (t *tree) loadCall(c *Config, call *Call) hcl.Diagnostics {
	if call.Source == "" {
		return nil // told already
	}
	dir, diags := t.folder(c, call)
	if diags.HasErrors() {
		return diags
	}
	if diags := c.checkCircle(dir, call); diags.HasErrors() {
		return diags
	}
	child, diags := t.load(dir, c, c.Path.Child(call.Name, addr.Key{}), &call.SourceRange)
	c.Children[call.Name] = child
	return append(diags, call.checkArguments(child)...)
}

// folder finds where the files of a called module are.
func (t *tree) folder(c *Config, call *Call) (string, hcl.Diagnostics) {
	if t.Modules == nil {
		return c.localFolder(call)
	}
	dir, err := t.Modules.Folder(c.Dir, moduleKey(c.Path.Child(call.Name, addr.Key{})), call.Source)
	return dir, diag.FromError(err, "Module cannot be had", &call.SourceRange)
}

// localFolder is the folder of a module where nobody can say where others are.
func (c *Config) localFolder(call *Call) (string, hcl.Diagnostics) {
	switch source := call.Source; {
	case filepath.IsAbs(source):
		return filepath.Clean(source), nil
	case source == "." || source == ".." || strings.HasPrefix(source, "./") || strings.HasPrefix(source, "../"):
		return filepath.Join(c.Dir, source), nil
	default:
		return "", hcl.Diagnostics{diag.Error(&call.SourceRange, "Module is not here",
			fmt.Sprintf("%q is no folder beside this file: that would begin with ./ or ../.", source))}
	}
}

// checkCircle refuses a module that is called from within itself.
func (c *Config) checkCircle(dir string, call *Call) hcl.Diagnostics {
	for up := c; up != nil; up = up.Parent {
		if sameFolder(up.Dir, dir) {
			return hcl.Diagnostics{diag.Error(&call.SourceRange, "Module calls itself",
				fmt.Sprintf("The files of module %q are in %s, which is where this call, or a call above it, stands: it would never end.",
					call.Name, dir))}
		}
	}
	return nil
}

func sameFolder(a, b string) bool {
	x, errX := os.Stat(a)
	y, errY := os.Stat(b)
	return errX == nil && errY == nil && os.SameFile(x, y)
}

func newConfig(dir string) *Config {
	return &Config{
		Dir:       dir,
		Variables: map[string]*Variable{},
		Locals:    map[string]*Local{},
		Resources: map[addr.Resource]*Resource{},
		Outputs:   map[string]*Output{},
		Checks:    map[string]*Check{},
		Calls:     map[string]*Call{},
		Children:  map[string]*Config{},
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
	file, diags := parser.ParseHCL(src, path)
	return file, withoutEchoes(diags)
}

// configFiles lists the configuration files of dir by name. None at all is an error at call,
// which named the folder; nil of the root module.
func configFiles(dir string, call *hcl.Range) ([]string, hcl.Diagnostics) {
	entries, err := os.ReadDir(dir)
	switch {
	case call != nil && errors.Is(err, fs.ErrNotExist):
		return nil, hcl.Diagnostics{diag.Error(call, "Module is not here",
			fmt.Sprintf("There is no folder %s. A source that begins with ./ or ../ is relative to the folder of the file that it stands in.", dir))}
	case err != nil:
		d := unreadable(dir, err)
		d.Subject = call
		return nil, hcl.Diagnostics{d}
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
	if call != nil {
		return nil, hcl.Diagnostics{diag.Error(call, "No configuration files",
			fmt.Sprintf("The folder %s of this module has no file whose name ends in %s or %s.%s", dir, nativeSuffix, jsonSuffix, foreignConfig(entries)))}
	}
	advice := foreignConfig(entries)
	if advice == "" {
		advice = " Write one, or name another folder with -chdir=DIR."
	}
	if abs, err := filepath.Abs(dir); err == nil {
		dir = abs
	}
	return nil, hcl.Diagnostics{diag.Error(nil, "No configuration files",
		fmt.Sprintf("The folder %s has no file whose name ends in %s or %s.%s", dir, nativeSuffix, jsonSuffix, advice))}
}

func isConfigFile(name string) bool {
	return !IsIgnored(name) && (strings.HasSuffix(name, nativeSuffix) || strings.HasSuffix(name, jsonSuffix))
}

// IsIgnored reports whether name is that of a hidden file or of an editor's leftover.
func IsIgnored(name string) bool {
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
