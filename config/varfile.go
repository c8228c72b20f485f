package config

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclparse"
	"github.com/zclconf/go-cty/cty"

	"github.com/diyform/diyform/internal/diag"
)

// folderInputs reads diyform.vars.hcl and then *.auto.vars.hcl by name, each in its native
// and its JSON form.
func (c *Config) folderInputs(dir string, inputs map[string]input) hcl.Diagnostics {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return hcl.Diagnostics{unreadable(dir, err)}
	}
	var first, auto []string
	for _, e := range entries {
		switch name := e.Name(); {
		case e.IsDir() || IsIgnored(name):
		case name == "diyform.vars.hcl" || name == "diyform.vars.json":
			first = append(first, name)
		case strings.HasSuffix(name, ".auto.vars.hcl") || strings.HasSuffix(name, ".auto.vars.json"):
			auto = append(auto, name)
		}
	}
	diags := foreignValues(entries)
	for _, name := range append(first, auto...) {
		diags = append(diags, c.fileInputs(filepath.Join(dir, name), readSource, inputs)...)
	}
	return diags
}

// fileInputs takes the values of one variable file.
func (c *Config) fileInputs(path string, read func(path string) ([]byte, error), inputs map[string]input) hcl.Diagnostics {
	src, err := read(path)
	if err != nil {
		return hcl.Diagnostics{unreadable(path, err)}
	}
	file, diags := parse(hclparse.NewParser(), path, src)
	if file == nil {
		return diags
	}
	c.Files[path] = file
	if diags.HasErrors() {
		return diags
	}
	attrs, more := file.Body.JustAttributes()
	diags = append(diags, more...)
	for _, attr := range inOrder(attrs) {
		diags = append(diags, c.fileInput(path, attr, inputs)...)
	}
	return diags
}

func (c *Config) fileInput(path string, attr *hcl.Attribute, inputs map[string]input) hcl.Diagnostics {
	if _, ok := c.Variables[attr.Name]; !ok {
		return hcl.Diagnostics{{
			Severity: hcl.DiagWarning,
			Summary:  "Value for undeclared variable",
			Detail: fmt.Sprintf("The configuration declares no variable %q, so this value is not used.%s",
				attr.Name, diag.Suggest(attr.Name, keysOf(c.Variables))),
			Subject: attr.NameRange.Ptr(),
			Context: attr.Range.Ptr(),
		}}
	}
	val, diags := attr.Expr.Value(nil)
	if diags.HasErrors() {
		val = cty.DynamicVal
	}
	inputs[attr.Name] = input{value: val, from: "the value in " + path, rng: attr.Expr.Range().Ptr()}
	return diags
}

func joinPath(dir, path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(dir, path)
}
