package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// configurations write one for at least n resources into a folder.
var configurations = map[string]func(dir string, n int) error{
	"resources": writeResources,
	"modules":   writeModules,
	"blocks":    writeBlocks,
}

var descriptions = map[string]string{
	"resources": "resources in chains of three by for_each",
	"modules":   "modules by for_each, each a chain of three",
	"blocks":    "a block for each resource, in chains of three",
}

// keys are n different ones; range(n) alone ends at 1024.
const keys = `
locals {
  size = %d
  keys = toset([for i in flatten([for a in range(ceil(local.size / 1000)) : [
    for b in range(1000) : a * 1000 + b
  ]]) : "k${i}" if i < local.size])
}
`

const chain = `
resource "trigger" "a" {
  for_each = local.keys
  input    = each.key
}

resource "trigger" "b" {
  for_each = local.keys
  input    = trigger.a[each.key].output
}

resource "trigger" "c" {
  for_each = trigger.b
  input    = each.value.output
}
`

func writeResources(dir string, n int) error {
	return write(dir, "main.diy.hcl", fmt.Sprintf(keys, n/3)+chain)
}

const called = `
variable "key" {
  type = string
}

resource "trigger" "a" {
  input = var.key
}

resource "trigger" "b" {
  input = trigger.a.output
}

resource "trigger" "c" {
  input = trigger.b.output
}

output "last" {
  value = trigger.c.output
}
`

const calls = `
module "chain" {
  for_each = local.keys
  source   = "./chain"
  key      = each.key
}
`

func writeModules(dir string, n int) error {
	if err := os.Mkdir(filepath.Join(dir, "chain"), 0o755); err != nil {
		return err
	}
	if err := write(filepath.Join(dir, "chain"), "main.diy.hcl", called); err != nil {
		return err
	}
	return write(dir, "main.diy.hcl", fmt.Sprintf(keys, n/3)+calls)
}

func writeBlocks(dir string, n int) error {
	var b strings.Builder
	for i := range n / 3 {
		fmt.Fprintf(&b, "resource \"trigger\" \"a%d\" {\n  input = \"k%[1]d\"\n}\n", i)
		fmt.Fprintf(&b, "resource \"trigger\" \"b%d\" {\n  input = trigger.a%[1]d.output\n}\n", i)
		fmt.Fprintf(&b, "resource \"trigger\" \"c%d\" {\n  input = trigger.b%[1]d.output\n}\n", i)
	}
	return write(dir, "main.diy.hcl", b.String())
}

func write(dir, name, text string) error {
	return os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644)
}
