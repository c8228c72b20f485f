package config

import (
	"os"
	"path/filepath"
	"testing"
)

// A tree of modules with files of variables is read or refused; every place that is told is in a
// file that was read.
func FuzzTree(f *testing.F) {
	f.Add(`
module "a" {
  source   = "./a"
  for_each = var.m
  in       = each.value
}
variable "m" {
  type = map(object({ n = optional(number, 1) }))
}
output "o" {
  value = module.a["x"].out[*]
}`, `{"locals": {"x": "${module.a}"}}`, `
variable "in" {
  default  = null
  nullable = false
  validation {
    condition     = var.in != module.b.x
    error_message = "${var.in}"
  }
}
module "b" {
  source = "./b"
}
output "out" {
  value = module.b
}`, `{"output": {"x": {"value": "${upper(\"a\")}"}}}`, "m = { x = {}, y = { n = 2 } }", `{"m": null}`)
	f.Add("", `{"module": {"a": {"source": "./a", "count": 1}}, "variable": {"v": {"type": "tuple([string])"}}}`,
		"module \"up\" {\n  source = \"../\"\n}", `[]`, "", `{"v": ["x"]}`)
	f.Fuzz(func(t *testing.T, main, other, a, b, vars, auto string) {
		dir := t.TempDir()
		for name, text := range map[string]string{
			"main.diy.hcl": main, "other.diy.json": other, "a/a.diy.hcl": a, "a/b/b.diy.json": b,
			"diyform.vars.hcl": vars, "x.auto.vars.json": auto,
		} {
			path := filepath.Join(dir, name)
			if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		c, diags := Load(dir)
		if !diags.HasErrors() {
			_, more := c.Values(ValueSources{Dir: dir})
			diags = append(diags, more...)
			checkTree(t, c)
		}
		for _, d := range diags {
			if d.Subject != nil && c.Files[d.Subject.Filename] == nil {
				t.Errorf("no source for %s", d)
			}
		}
	})
}

// checkTree looks for every module in the tree, and at what refers to what.
func checkTree(t *testing.T, c *Config) {
	for _, m := range c.All() {
		if c.Module(m.Path) != m {
			t.Errorf("%q is not found in the tree", m.Path)
		}
		for _, o := range m.Outputs {
			m.CheckReferences(o.References(), Scope{})
		}
		for _, call := range m.Calls {
			m.CheckReferences(call.References(), call.Scope())
		}
	}
}
