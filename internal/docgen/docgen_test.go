package main

import (
	"bytes"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/diyform/diyform/config"
	"github.com/diyform/diyform/plan"
	"github.com/diyform/diyform/providers/registry"
	"github.com/diyform/diyform/providers/schema"
)

const root = "../.."

func all() []declared { return slices.Concat(resources(registry.New()), dataSources(registry.New())) }

func examples() fs.FS { return os.DirFS(filepath.Join(root, examplesFolder)) }

func TestReferenceIsCurrent(t *testing.T) {
	pages := map[string]func(io.Writer) error{
		"docs/resources.md": func(w io.Writer) error { return reference(w, registry.New(), examples()) },
		"docs/functions.md": functionReference,
	}
	for name, write := range pages {
		var got bytes.Buffer
		if err := write(&got); err != nil {
			t.Fatal(err)
		}
		want, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), got.String()); diff != "" {
			t.Errorf("%s is not current, run make docs (-there +should be):\n%s", name, diff)
		}
	}
}

func TestEverythingIsDocumented(t *testing.T) {
	for _, d := range all() {
		if d.doc == "" {
			t.Errorf("%s has no documentation", d.heading)
		}
		checkDocumented(t, d.heading, d.schema)
	}
}

func checkDocumented(t *testing.T, path string, s *schema.Schema) {
	for _, a := range s.Attributes {
		if !strings.HasSuffix(a.Doc, ".") {
			t.Errorf("%s.%s: the documentation %q is no sentence: see the doc tag", path, a.Name, a.Doc)
		}
	}
	for _, b := range s.Blocks {
		if !strings.HasSuffix(b.Doc, ".") {
			t.Errorf("%s.%s: the documentation %q is no sentence: see the doc tag", path, b.Name, b.Doc)
		}
		checkDocumented(t, path+"."+b.Name, b.Schema)
	}
}

// Each example is a configuration by itself.
func TestExamplesAreValid(t *testing.T) {
	for _, d := range all() {
		t.Run(d.heading, func(t *testing.T) {
			src, err := fs.ReadFile(examples(), d.example)
			if err != nil {
				t.Fatal(err)
			}
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, "main.diy.hcl"), src, 0o600); err != nil {
				t.Fatal(err)
			}
			cfg, diags := config.Load(dir)
			if !diags.HasErrors() {
				diags = append(diags, plan.Validate(cfg, registry.New())...)
			}
			for _, problem := range diags {
				t.Error(problem)
			}
			formatted, diags := config.Format(src, d.example)
			if diags.HasErrors() {
				t.Fatal(diags)
			}
			if diff := cmp.Diff(string(formatted), string(src)); diff != "" {
				t.Errorf("not formatted (-formatted +is):\n%s", diff)
			}
		})
	}
}

func TestEveryExampleHasAType(t *testing.T) {
	err := fs.WalkDir(examples(), ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		if !slices.ContainsFunc(all(), func(d declared) bool { return d.example == path }) {
			t.Errorf("%s is of no resource type or data source", path)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// What the tables say of an attribute, in every combination that its tags can have.
func TestDescription(t *testing.T) {
	type attributes struct {
		Addresses []string `diy:"addresses,unordered" format:"address" doc:"Addresses."`
		Metric    int      `diy:"metric,replace" min:"0" max:"9" doc:"Preference."`
		MTU       int      `diy:"mtu,optional,computed,volatile" min:"68" unit:"bytes" doc:"Largest packet."`
		Kind      string   `diy:"kind,required" enum:"a,b" doc:"Kind."`
		Type      string   `diy:"type" default:"x|y" doc:"Type."`
		Up        bool     `diy:"up" default:"true" doc:"Up."`
		Count     int      `diy:"count" default:"1" max:"5" doc:"Count."`
		Key       string   `diy:"key,sensitive" doc:"Key."`
		Index     int      `diy:"index,computed" doc:"Index."`
	}
	var p page
	p.schema("", schema.Of[attributes](), true)
	const want = `
| argument | type | default | on change | what it is |
| --- | --- | --- | --- | --- |
| ¬addresses¬ | list of string, each an IP address with a prefix length, as 10.0.0.1/24 | none | in place | Addresses. The order means nothing. |
| ¬metric¬ | number | none | replaced | Preference. From 0 to 9. |
| ¬mtu¬ | number, bytes | computed | in place | Largest packet. At least 68. Found anew whenever the object changes, unless given. |
| ¬kind¬ | string | **required** | in place | Kind. One of ¬a¬, ¬b¬. |
| ¬type¬ | string | ¬"x\|y"¬ | in place | Type. |
| ¬up¬ | bool | ¬true¬ | in place | Up. |
| ¬count¬ | number | ¬1¬ | in place | Count. At most 5. |
| ¬key¬ | string | none | in place | Key. Never shown. |

| read-only attribute | type | what it is |
| --- | --- | --- |
| ¬index¬ | number | Index. |
`
	if diff := cmp.Diff(strings.ReplaceAll(want, "¬", "`"), p.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// docs/architecture.md says of each direct dependency why it is there.
func TestEveryDependencyHasAReason(t *testing.T) {
	mod, err := os.ReadFile(filepath.Join(root, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile(filepath.Join(root, "docs/architecture.md"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(mod)) {
		fields := strings.Fields(line)
		if !strings.HasPrefix(line, "\t") || len(fields) != 2 {
			continue // not a direct one
		}
		name := strings.TrimPrefix(fields[0], "github.com/")
		if !strings.Contains(string(page), "`"+name+"`") {
			t.Errorf("docs/architecture.md does not say why %s is there", fields[0])
		}
	}
}

// README.md has a table of all types.
func TestEveryTypeIsInTheReadme(t *testing.T) {
	page, err := os.ReadFile(filepath.Join(root, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range all() {
		if !strings.Contains(string(page), "(docs/resources.md#"+anchor(d.heading)+")") {
			t.Errorf("README.md does not name %s", d.heading)
		}
	}
}

// Every type says how its objects are imported and let go of, or why they are not.
func TestEveryTypeSaysHowItIsAdopted(t *testing.T) {
	for _, d := range resources(registry.New()) {
		if d.adoption.ImportForm() == "" && d.adoption.RefuseImport() == "" {
			t.Errorf("%s has neither providers.Importer nor a reason in providers.Refuser", d.heading)
		}
		if !d.adoption.Releases() && d.adoption.RefuseRelease() == "" {
			t.Errorf("%s has neither providers.Releaser nor a reason in providers.Refuser", d.heading)
		}
	}
}
