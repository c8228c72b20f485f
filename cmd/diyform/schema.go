package main

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"

	"github.com/diyform/diyform/internal/diag"
	"github.com/diyform/diyform/plan"
	"github.com/diyform/diyform/providers"
	"github.com/diyform/diyform/providers/registry"
	"github.com/diyform/diyform/providers/schema"
)

func newSchema(v *view) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "schema -json",
		Short: "Print what resource types there are, for editors",
		Long:  "Prints the arguments and attributes of all resource types and data sources, in the form of\nterraform providers schema -json.",
		Args:  noArguments,
		RunE: func(*cobra.Command, []string) error {
			if !asJSON {
				return v.failWith(needsJSON("schema"), "")
			}
			return v.json(schemas(registry.New()))
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print as JSON, which is the only form there is")
	return cmd
}

func needsJSON(command string) error {
	return &diag.Problem{
		Summary: "The output is for programs",
		Detail:  fmt.Sprintf("Write diyform %s -json. For people there is docs/resources.md.", command),
	}
}

type jsonSchemas struct {
	FormatVersion   string                         `json:"format_version"`
	ProviderSchemas map[string]*jsonProviderSchema `json:"provider_schemas"`
}

type jsonProviderSchema struct {
	ResourceSchemas   map[string]jsonTypeSchema `json:"resource_schemas"`
	DataSourceSchemas map[string]jsonTypeSchema `json:"data_source_schemas"`
}

type jsonTypeSchema struct {
	Version int        `json:"version"`
	Block   *jsonBlock `json:"block"`
}

type jsonBlock struct {
	Attributes      map[string]jsonAttribute `json:"attributes,omitempty"`
	BlockTypes      map[string]jsonNesting   `json:"block_types,omitempty"`
	Description     string                   `json:"description,omitempty"`
	DescriptionKind string                   `json:"description_kind"`
}

type jsonAttribute struct {
	Type            json.RawMessage `json:"type"`
	Description     string          `json:"description,omitempty"`
	DescriptionKind string          `json:"description_kind"`
	Required        bool            `json:"required,omitempty"`
	Optional        bool            `json:"optional,omitempty"`
	Computed        bool            `json:"computed,omitempty"`
	Sensitive       bool            `json:"sensitive,omitempty"`
}

type jsonNesting struct {
	NestingMode string     `json:"nesting_mode"`
	Block       *jsonBlock `json:"block"`
	MinItems    int        `json:"min_items,omitempty"`
	MaxItems    int        `json:"max_items,omitempty"`
}

func schemas(r *providers.Registry) jsonSchemas {
	all := &jsonProviderSchema{ResourceSchemas: map[string]jsonTypeSchema{}, DataSourceSchemas: map[string]jsonTypeSchema{}}
	for _, name := range r.TypeNames() {
		t := r.Type(name)
		all.ResourceSchemas[name] = jsonTypeSchema{Version: schema.Version, Block: newJSONBlock(t.Schema(), t.Doc())}
	}
	for _, name := range r.DataTypeNames() {
		t := r.DataType(name)
		all.DataSourceSchemas[name] = jsonTypeSchema{Version: schema.Version, Block: newJSONBlock(t.Schema(), t.Doc())}
	}
	return jsonSchemas{FormatVersion: "1.0", ProviderSchemas: map[string]*jsonProviderSchema{plan.ProviderName: all}}
}

func newJSONBlock(s *schema.Schema, doc string) *jsonBlock {
	b := &jsonBlock{
		Attributes: map[string]jsonAttribute{}, BlockTypes: map[string]jsonNesting{},
		Description: doc, DescriptionKind: "plain",
	}
	for _, a := range s.Attributes {
		b.Attributes[a.Name] = jsonAttribute{
			Type: jsonType(a.Type), Description: describe(a), DescriptionKind: "plain",
			Required: a.Required, Optional: a.Optional && !a.Required, Computed: a.Computed || a.Default != cty.NilVal,
			Sensitive: a.Sensitive,
		}
	}
	for _, nested := range s.Blocks {
		n := jsonNesting{NestingMode: "list", Block: newJSONBlock(nested.Schema, nested.Doc)}
		switch nested.Nesting {
		case schema.One:
			n.NestingMode, n.MinItems, n.MaxItems = "single", 1, 1
		case schema.Optional:
			n.NestingMode, n.MaxItems = "single", 1
		}
		b.BlockTypes[nested.Name] = n
	}
	return b
}

// describe is an attribute's documentation with what its tags add to it.
func describe(a *schema.Attribute) string {
	parts := []string{a.Doc}
	if a.Unit != "" {
		parts = append(parts, "In "+a.Unit+".")
	}
	if len(a.Enum) > 0 {
		parts = append(parts, "One of: "+strings.Join(a.Enum, ", ")+".")
	}
	return strings.Join(parts, " ")
}

func jsonType(t cty.Type) json.RawMessage {
	text, err := ctyjson.MarshalType(t)
	if err != nil {
		panic("a schema has a type that JSON cannot tell, which is a bug: " + err.Error())
	}
	return text
}
