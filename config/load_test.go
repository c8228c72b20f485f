package config

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/zclconf/go-cty/cty"

	"github.com/diyform/diyform/internal/addr"
)

const nativeLab = `
variable "subnet" {
  type        = string
  default     = "10.0.0.0/24"
  description = "where the hosts live"
  nullable    = false
  validation {
    condition     = can(cidrhost(var.subnet, 1))
    error_message = "Not a prefix: ${var.subnet}."
  }
}
locals {
  hosts = ["a", "b"]
}
resource "network_namespace" "host" {
  for_each = toset(local.hosts)
  name     = each.key
}
resource "route" "default" {
  count       = 2
  namespace   = network_namespace.host["a"].name
  destination = "default"
  depends_on  = [network_namespace.host, data.default_route.wan]
}
data "default_route" "wan" {}
output "name" {
  value       = network_namespace.host["a"].name
  description = "the first"
  sensitive   = true
  depends_on  = [route.default[0]]
}
check "gateway" {
  data "ping" "gateway" {
    target = cidrhost(var.subnet, 1)
  }
  assert {
    condition     = data.ping.gateway.received > 0
    error_message = "no answer"
  }
}
`

const jsonLab = `-- main.diy.json --
{
  "//": "the same in JSON",
  "variable": {"subnet": {
    "type": "string", "default": "10.0.0.0/24", "description": "where the hosts live", "nullable": false,
    "validation": {"condition": "${can(cidrhost(var.subnet, 1))}", "error_message": "Not a prefix: ${var.subnet}."}
  }},
  "locals": {"hosts": ["a", "b"]},
  "resource": {
    "network_namespace": {"host": {"for_each": "${toset(local.hosts)}", "name": "${each.key}"}},
    "route": {"default": {
      "count": 2, "namespace": "${network_namespace.host[\"a\"].name}", "destination": "default",
      "depends_on": ["network_namespace.host", "data.default_route.wan"]
    }}
  },
  "data": {"default_route": {"wan": {}}},
  "output": {"name": {
    "value": "${network_namespace.host[\"a\"].name}", "description": "the first", "sensitive": true,
    "depends_on": ["route.default[0]"]
  }},
  "check": {"gateway": {
    "data": {"ping": {"gateway": {"target": "${cidrhost(var.subnet, 1)}"}}},
    "assert": {"condition": "${data.ping.gateway.received > 0}", "error_message": "no answer"}
  }}
}
`

func TestLoadReadsEveryBlockInBothForms(t *testing.T) {
	for form, text := range map[string]string{"native": nativeLab, "json": jsonLab} {
		t.Run(form, func(t *testing.T) {
			c := mustLoad(t, text)
			v := c.Variables["subnet"]
			if v == nil || v.Type != cty.String || !v.Default.RawEquals(cty.StringVal("10.0.0.0/24")) ||
				v.Description != "where the hosts live" || v.Nullable || v.Required() || len(v.Validations) != 1 {
				t.Errorf("variable: %+v", v)
			}
			if l := c.Locals["hosts"]; l == nil || l.Expr == nil {
				t.Errorf("local: %+v", l)
			}
			host := c.Resources[addr.Resource{Type: "network_namespace", Name: "host"}]
			if host == nil || host.ForEach == nil || host.Count != nil {
				t.Errorf("resource: %+v", host)
			}
			route := c.Resources[addr.Resource{Type: "route", Name: "default"}]
			if route == nil || route.Count == nil || route.ForEach != nil {
				t.Fatalf("resource: %+v", route)
			}
			wantSubjects(t, route.DependsOn, "network_namespace.host", "data.default_route.wan")
			if c.Resources[addr.Resource{Mode: addr.Data, Type: "default_route", Name: "wan"}] == nil {
				t.Error("the data block is not there")
			}
			o := c.Outputs["name"]
			if o == nil || o.Expr == nil || o.Description != "the first" || !o.Sensitive {
				t.Fatalf("output: %+v", o)
			}
			wantSubjects(t, o.DependsOn, "route.default[0]")
			k := c.Checks["gateway"]
			if k == nil || k.Data == nil || k.Data.Addr.String() != "data.ping.gateway" || len(k.Asserts) != 1 {
				t.Errorf("check: %+v", k)
			}
			if len(c.Resources) != 3 {
				t.Errorf("%d resources, want 3: a check's data block is its own", len(c.Resources))
			}
			for _, r := range c.Resources {
				noProblems(t, c.CheckReferences(BodyReferences(r.Body, testSpec), r.Scope()))
			}
		})
	}
}

func TestLoadTakesOnlyConfigurationFiles(t *testing.T) {
	c := mustLoad(t, `-- a.diy.hcl --
variable "a" {}
-- b.diy.json --
{"variable": {"b": {}}}
-- .hidden.diy.hcl --
bad
-- #edited.diy.hcl --
bad
-- kept.diy.hcl~ --
bad
-- main.tf --
bad
-- sub/c.diy.hcl --
bad
-- sub.diy.hcl/d.diy.hcl --
bad
`)
	if len(c.Files) != 2 || len(c.Variables) != 2 {
		t.Errorf("files %v, variables %v", keysOf(c.Files), keysOf(c.Variables))
	}
	if c.Files[filepath.Join(c.Dir, "a.diy.hcl")] == nil {
		t.Errorf("files are not known by path: %v", keysOf(c.Files))
	}
}

func TestLoadWithoutFiles(t *testing.T) {
	_, diags := Load(t.TempDir())
	wantDiags(t, diags, "-: No configuration files; has no file whose name ends in .diy.hcl or .diy.json")
	foreign := t.TempDir()
	for _, name := range []string{".hidden.tf", "main.tf.json", "net.tf"} {
		if err := os.WriteFile(filepath.Join(foreign, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	_, diags = Load(foreign)
	wantDiags(t, diags, "-: No configuration files; It has main.tf.json, which Terraform would read: here it would be main.diy.json.")
	c, diags := Load(filepath.Join(t.TempDir(), "none"))
	wantDiags(t, diags, "-: Cannot read configuration; none: no such file or directory.")
	if c == nil {
		t.Error("no Config")
	}
	dir := t.TempDir()
	if err := os.Symlink("nowhere", filepath.Join(dir, "main.diy.hcl")); err != nil {
		t.Fatal(err)
	}
	_, diags = Load(dir)
	wantDiags(t, diags, "-: Cannot read configuration; main.diy.hcl: no such file or directory.")
}

func TestHashChangesWithNamesAndContents(t *testing.T) {
	texts := []string{
		"-- a.diy.hcl --\nlocals {}\n",
		"-- a.diy.hcl --\nlocals { }\n",
		"-- b.diy.hcl --\nlocals {}\n",
		"-- a.diy.hcl --\nlocals {}\n-- b.diy.hcl --\n",
	}
	seen := map[string]string{}
	for _, text := range texts {
		h := mustLoad(t, text).Hash()
		if other, ok := seen[h]; ok {
			t.Errorf("one hash for %q and %q", other, text)
		}
		seen[h] = text
		if again := mustLoad(t, text).Hash(); again != h {
			t.Errorf("two hashes for %q in two folders", text)
		}
	}
}

func TestLoadDiagnostics(t *testing.T) {
	tests := map[string]struct {
		text string
		want []string
	}{
		"syntax error": {"locals {\n", []string{"main.diy.hcl:1,8-9: Unclosed configuration block; closing brace"}},
		"misspelt block type": {`resorce "a" "b" {}`, []string{
			`main.diy.hcl:1,1-8: Unknown block type; Did you mean "resource"? It knows variable, locals, resource, data, output, check, module, moved, removed, import.`}},
		"foreign block type": {`provider "a" {}`, []string{
			`main.diy.hcl:1,1-9: Unknown block type; diyform has no block type "provider": its providers are built in`}},
		"module without source": {`module "a" {}`, []string{
			`main.diy.hcl:1,12-12: Missing required argument; The argument "source" is required`}},
		"module with a version": {"module \"a\" {\n  source  = \"./a\"\n  version = \"1\"\n}", []string{
			`main.diy.hcl:2,13-18: Module is not here; There is no folder`, `main.diy.hcl:3,3-10: Argument without a meaning here; Name the version in source`}},
		"module from elsewhere": {"module \"a\" {\n  source = \"a/b\"\n}", []string{
			`main.diy.hcl:2,12-17: Module is not here; that would begin with ./ or ../.`}},
		"module calls itself": {"module \"a\" {\n  source = \".\"\n}", []string{
			`main.diy.hcl:2,12-15: Module calls itself; would never end`}},
		"module without its files": {"-- main.diy.hcl --\nmodule \"a\" {\n  source = \"./a\"\n}\n-- a/x.txt --\n", []string{
			`main.diy.hcl:2,12-17: No configuration files; of this module has no file`}},
		"module with wrong arguments": {"-- main.diy.hcl --\nmodule \"a\" {\n  source = \"./a\"\n  subnt  = 1\n}\n-- a/a.diy.hcl --\nvariable \"subnet\" {}\n", []string{
			`main.diy.hcl:1,1-11: Missing required argument; needs a value for its variable "subnet"`,
			`main.diy.hcl:3,3-8: Unsupported argument; has no variable "subnt". Did you mean "subnet"?`}},
		"misspelt block type in JSON": {"-- main.diy.json --\n{\"outputs\": {}}", []string{
			`main.diy.json:1,2-11: Unknown block type; Did you mean "output"?`}},
		"argument at top level": {"a = 1", []string{
			`main.diy.hcl:1,1-2: Argument outside a block; "a" is set outside any block`}},
		"missing label": {`resource "bridge" {}`, []string{
			`main.diy.hcl:1,19-20: Missing name for resource; must have 2 labels`}},
		"invalid name": {`resource "bridge" "1a" {}`, []string{
			`main.diy.hcl:1,19-23: Invalid name; "1a" is not a name.`}},
		"name beyond ASCII": {`variable "größe" {}`, []string{`main.diy.hcl:1,10-17: Invalid name; all of them ASCII`}},
		"empty name":        {`output "" { value = 1 }`, []string{`main.diy.hcl:1,8-10: Invalid name; "" is not a name.`}},
		"local beyond ASCII": {"locals {\n  größe = 1\n}", []string{
			`main.diy.hcl:2,3-8: Invalid name; "größe" is not a name.`}},
		"reserved variable": {`variable "count" {}`, []string{
			`main.diy.hcl:1,10-17: Reserved variable name; A variable cannot be named "count"`}},
		"reserved type": {`resource "local" "a" {}`, []string{
			`main.diy.hcl:1,10-17: Reserved resource type name; "local" cannot be a resource type`}},
		"duplicate resource": {"resource \"bridge\" \"a\" {}\n\nresource \"bridge\" \"a\" {}", []string{
			`main.diy.hcl:3,1-22: Duplicate resource block; A resource block named bridge.a was already declared at `}},
		"duplicate data": {"data \"host\" \"a\" {}\ndata \"host\" \"a\" {}", []string{
			`main.diy.hcl:2,1-16: Duplicate data block; data.host.a was already declared at `}},
		"duplicate across files": {"-- a.diy.hcl --\nvariable \"a\" {}\n-- b.diy.hcl --\nvariable \"a\" {}", []string{
			`b.diy.hcl:1,1-13: Duplicate variable; a.diy.hcl:1,1-13`}},
		"duplicate in JSON": {"-- a.diy.json --\n{\"variable\": {\"a\": {}, \"a\": {}}}", []string{
			`a.diy.json:1,29-30: Duplicate variable; a.diy.json:1,20-21`}},
		"duplicate output": {"output \"a\" {\n  value = 1\n}\noutput \"a\" {\n  value = 1\n}", []string{
			`main.diy.hcl:4,1-11: Duplicate output; :1,1-11`}},
		"duplicate local": {"locals {\n  a = 1\n}\nlocals {\n  a = 2\n}", []string{
			`main.diy.hcl:5,3-4: Duplicate local value; main.diy.hcl:2,3-4`}},
		"duplicate check": {"check \"a\" {\n  assert {\n    condition = true\n    error_message = \"\"\n  }\n}\n" +
			"check \"a\" {\n  assert {\n    condition = true\n    error_message = \"\"\n  }\n}", []string{
			`main.diy.hcl:7,1-10: Duplicate check; :1,1-10`}},
		"count and for_each": {"resource \"bridge\" \"a\" {\n  count    = 1\n  for_each = {}\n}", []string{
			`main.diy.hcl:3,3-11: Both count and for_each; main.diy.hcl:2,3-8, and for_each`}},
		"quoted dependency": {"resource \"bridge\" \"a\" {\n  depends_on = [\"bridge.b\"]\n}", []string{
			`main.diy.hcl:2,17-27: Invalid dependency; without quotes`}},
		"dependency on an attribute": {"resource \"bridge\" \"a\" {\n  depends_on = [bridge.b.name]\n}", []string{
			`main.diy.hcl:2,17-30: Invalid dependency; not an attribute`}},
		"dependency on a variable": {"resource \"bridge\" \"a\" {\n  depends_on = [var.b]\n}", []string{
			`main.diy.hcl:2,17-22: Invalid dependency; address of a resource`}},
		"dependency that is no list": {"resource \"bridge\" \"a\" {\n  depends_on = bridge.b\n}", []string{
			`main.diy.hcl:2,16-24: Invalid expression; list`}},
		"bad dependency in JSON": {"-- a.diy.json --\n{\"resource\": {\"bridge\": {\"a\": {\"depends_on\": [\"${bridge.b}\", 1, \"x y\"]}}}}", []string{
			`a.diy.json:1,47-60: Invalid dependency; address`,
			`a.diy.json:1,62-63: Invalid dependency; address`,
			`a.diy.json:1,65-70: Invalid dependency; address`}},
		"unknown variable argument": {"variable \"a\" {\n  defualt = 1\n}", []string{
			`main.diy.hcl:2,3-10: Unsupported argument; Did you mean "default"?`}},
		"variable type": {"variable \"a\" {\n  type = strng\n}", []string{
			`main.diy.hcl:2,10-15: Invalid type specification; not a valid type`}},
		"default of another type": {"variable \"a\" {\n  type    = number\n  default = \"x\"\n}", []string{
			`main.diy.hcl:3,13-16: Invalid default value for variable; number`}},
		"null default": {"variable \"a\" {\n  nullable = false\n  default  = null\n}", []string{
			`main.diy.hcl:3,14-18: Invalid default value for variable; null is not allowed`}},
		"default that refers": {"variable \"a\" {\n  default = var.b\n}", []string{
			`main.diy.hcl:2,13-16: Variables not allowed; default is read before anything is evaluated`}},
		"description that is no text": {"variable \"a\" {\n  description = []\n}", []string{
			`main.diy.hcl:2,17-18: Unsuitable value type; string required`}},
		"validation without a message": {"variable \"a\" {\n  validation {\n    condition = true\n  }\n}", []string{
			`main.diy.hcl:2,14-14: Missing required argument; "error_message" is required`}},
		"output without a value": {`output "a" {}`, []string{
			`main.diy.hcl:1,12-12: Missing required argument; "value" is required`}},
		"block in locals": {"locals {\n  a {}\n}", []string{
			`main.diy.hcl:2,3-4: Unexpected "a" block; Blocks are not allowed here.`}},
		"check without an assert": {`check "a" {}`, []string{
			`main.diy.hcl:1,1-10: Check without an assert block; Add at least one assert block`}},
		"check with two data blocks": {"check \"a\" {\n  data \"host\" \"a\" {}\n  data \"host\" \"b\" {}\n}", []string{
			`main.diy.hcl:3,3-18: More than one data block in a check; main.diy.hcl:2,3-18`}},
		"check with repeated data": {"check \"a\" {\n  data \"host\" \"a\" {\n    count = 2\n  }\n}", []string{
			`main.diy.hcl:3,13-14: Repeated data block in a check; cannot have count`}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, diags := loadText(t, tt.text)
			wantDiags(t, diags, tt.want...)
		})
	}
}
