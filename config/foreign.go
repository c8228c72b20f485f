package config

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"github.com/diyform/diyform/internal/diag"
)

// What users of Terraform bring along, and what it is called here.

// foreignConfig names a file of Terraform's among those of a folder without configuration, and
// what it would have to be called.
func foreignConfig(entries []os.DirEntry) string {
	for _, e := range entries {
		for foreign, own := range map[string]string{".tf": nativeSuffix, ".tofu": nativeSuffix, ".tf.json": jsonSuffix} {
			if base, ok := strings.CutSuffix(e.Name(), foreign); ok && !e.IsDir() && !IsIgnored(e.Name()) {
				return fmt.Sprintf(" It has %s, which Terraform would read: here it would be %s.", e.Name(), base+own)
			}
		}
	}
	return ""
}

// foreignValues warns of files of values that Terraform would read and we do not, unless they
// are there for a configuration of Terraform's: a value that is silently not used is worse than
// none.
func foreignValues(entries []os.DirEntry) hcl.Diagnostics {
	if foreignConfig(entries) != "" {
		return nil
	}
	var diags hcl.Diagnostics
	for _, e := range entries {
		own := ownValues(e.Name())
		if own == "" || e.IsDir() || IsIgnored(e.Name()) {
			continue
		}
		diags = append(diags, diag.Warning(nil, "Values that are not read",
			fmt.Sprintf("Terraform would read %s by itself. Here it would be called %s; -var-file=%[1]s reads it as it is.", e.Name(), own)))
	}
	return diags
}

// ownValues gives the name that a file of values of Terraform's would have here; "" where name is
// none that Terraform would read by itself.
func ownValues(name string) string {
	base, json := strings.CutSuffix(name, ".json")
	suffix := ".hcl"
	if json {
		suffix = ".json"
	}
	if base == "terraform.tfvars" {
		return "diyform.vars" + suffix
	}
	if base, ok := strings.CutSuffix(base, ".auto.tfvars"); ok {
		return base + ".auto.vars" + suffix
	}
	return ""
}

// foreignVariable tells of a value for a variable in the environment that Terraform would read.
func foreignVariable(environ []string, name string) string {
	foreign := "TF_VAR_" + name
	if !slices.ContainsFunc(environ, func(line string) bool { return strings.HasPrefix(line, foreign+"=") }) {
		return ""
	}
	return fmt.Sprintf(" %s is set, but that is Terraform's: call it %s%s.", foreign, environPrefix, name)
}

// ForeignTests names a test file of Terraform's in one of the folders, and what it would have to be
// called; "" without one.
func ForeignTests(folders ...string) string {
	for _, folder := range folders {
		for _, foreign := range []string{".tftest.hcl", ".tofutest.hcl"} {
			if found, err := filepath.Glob(filepath.Join(folder, "*"+foreign)); err == nil && len(found) > 0 {
				return fmt.Sprintf(" There is %s: here it would be %s.", found[0], strings.TrimSuffix(filepath.Base(found[0]), foreign)+".diytest.hcl")
			}
		}
	}
	return ""
}
