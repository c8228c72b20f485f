package config

import (
	"os"
	"path/filepath"
	"testing"
)

func TestRunDiagnostics(t *testing.T) {
	tests := map[string]struct {
		text string
		want []string
	}{
		"providers": {"run \"a\" {\n  providers = {}\n}", []string{
			`a.diytest.hcl:2,3-12: Argument that diyform's tests do not have; no providers to choose from`}},
		"two modules": {"run \"a\" {\n  module {\n    source = \"./m\"\n  }\n  module {\n    source = \"./m\"\n  }\n}", []string{
			`a.diytest.hcl:5,3-9: Duplicate block in a run; Write both as one`}},
		"contradicting options": {"run \"a\" {\n  plan_options {\n    mode    = refresh-only\n    refresh = false\n  }\n}", []string{
			`a.diytest.hcl:2,3-15: Options that contradict each other; leave out refresh = false`}},
		"version of a folder": {"run \"a\" {\n  module {\n    source  = \"./m\"\n    version = \"1.0\"\n  }\n}", []string{
			`a.diytest.hcl:4,5-12: Version of a local module; Remove the argument`}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "a.diytest.hcl")
			if err := os.WriteFile(path, []byte(tt.text), 0o600); err != nil {
				t.Fatal(err)
			}
			_, diags := LoadTest(path)
			wantDiags(t, diags, tt.want...)
		})
	}
}
