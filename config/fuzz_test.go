package config

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func FuzzLoad(f *testing.F) {
	f.Add([]byte(nativeLab), false)
	f.Add([]byte(strings.TrimPrefix(jsonLab, "-- main.diy.json --\n")), true)
	f.Add([]byte("resource \"a\" \"b\" {\n  depends_on = [a.b[0], \"x\", a.b.c, (a.b)[var.x]]\n}"), false)
	f.Add([]byte(`{"resource":{"a":{"b":[{"depends_on":["a.b","${"],"c":"${d[e].f}"}]}},"check":{"a":{"assert":[{}]}}}`), true)
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, src []byte, json bool) {
		suffix := nativeSuffix
		if json {
			suffix = jsonSuffix
		}
		path := filepath.Join(dir, fmt.Sprint(os.Getpid(), suffix))
		if err := os.WriteFile(path, src, 0o644); err != nil {
			t.Fatal(err)
		}
		c, diags := Load(dir)
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		for _, d := range diags {
			if d.Subject != nil && c.Files[d.Subject.Filename] == nil {
				t.Errorf("no source for %s", d)
			}
		}
		if diags.HasErrors() {
			return
		}
		for _, r := range c.Resources {
			c.CheckReferences(BodyReferences(r.Body, testSpec), r.Scope())
			c.CheckReferences(r.DependsOn, r.Scope())
		}
	})
}

// manyBlocks is a configuration of n resources, as one would generate it.
func manyBlocks(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "resource \"veth_pair\" \"v%d\" {\n  name      = \"v%d\"\n  namespace = h.h[%d].name\n  peer {\n    name = var.name\n  }\n}\n", i, i, i)
	}
	return b.String()
}

func BenchmarkLoad(b *testing.B) {
	for _, n := range []int{1000, 10000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			dir := writeFiles(b, manyBlocks(n))
			b.ReportAllocs()
			for b.Loop() {
				c, diags := Load(dir)
				if diags.HasErrors() {
					b.Fatal(diags)
				}
				for _, r := range c.Resources {
					BodyReferences(r.Body, testSpec)
				}
			}
		})
	}
}

func FuzzLoadTest(f *testing.F) {
	f.Add([]byte("variables {\n  a = 1\n}\nrun \"a\" {\n  command = plan\n  expect_failures = [var.a, b.c[\"d\"], check.e]\n  assert {\n    condition     = a.b[0].c == run.x.y\n    error_message = \"m\"\n  }\n}\n"), false)
	f.Add([]byte("run \"a\" {\n  plan_options {\n    mode = refresh-only\n    target = [a.b, module.c[1.5].d.e]\n  }\n  module {\n    source = \"./x\"\n  }\n}\nmock_provider \"a\" {}\n"), false)
	f.Add([]byte(`{"run":{"a":{"command":"plan","expect_failures":["var.a","${"],"assert":[{"condition":"${a.b}","error_message":"m"}]}}}`), true)
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, src []byte, json bool) {
		suffix := nativeTestSuffix
		if json {
			suffix = jsonTestSuffix
		}
		path := filepath.Join(dir, fmt.Sprint(os.Getpid(), suffix))
		if err := os.WriteFile(path, src, 0o644); err != nil {
			t.Fatal(err)
		}
		file, diags := LoadTest(path)
		for _, d := range diags {
			if d.Subject != nil && file.Files[d.Subject.Filename] == nil {
				t.Errorf("no source for %s", d)
			}
		}
		if !diags.HasErrors() && len(file.Runs) == 0 {
			t.Error("a file without runs has no errors")
		}
	})
}
