package main

import (
	"encoding/json"

	"github.com/spf13/cobra"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"

	"github.com/diyform/diyform/config"
)

func newMetadata(v *view) *cobra.Command {
	cmd := &cobra.Command{Use: "metadata", Short: "Print what the language has, for editors", Args: commandsOnly, RunE: showHelp}
	cmd.AddCommand(newMetadataFunctions(v))
	return cmd
}

func newMetadataFunctions(v *view) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "functions -json",
		Short: "Print the functions and what they take",
		Long:  "Prints all functions with their parameters, in the form of terraform metadata functions -json.",
		Args:  noArguments,
		RunE: func(*cobra.Command, []string) error {
			if !asJSON {
				return v.failWith(needsJSON("metadata functions"), "")
			}
			return v.json(functionSignatures())
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print as JSON, which is the only form there is")
	return cmd
}

type jsonFunctions struct {
	FormatVersion string                   `json:"format_version"`
	Signatures    map[string]jsonSignature `json:"function_signatures"`
}

type jsonSignature struct {
	Description string          `json:"description,omitempty"`
	ReturnType  json.RawMessage `json:"return_type"`
	Parameters  []jsonParameter `json:"parameters,omitempty"`
	Variadic    *jsonParameter  `json:"variadic_parameter,omitempty"`
}

type jsonParameter struct {
	Name        string          `json:"name"`
	Description string          `json:"description,omitempty"`
	IsNullable  bool            `json:"is_nullable,omitempty"`
	Type        json.RawMessage `json:"type"`
}

func functionSignatures() jsonFunctions {
	doc := jsonFunctions{FormatVersion: "1.0", Signatures: map[string]jsonSignature{}}
	for name, f := range config.Functions(".") {
		if !config.IsRemovedFunction(name) {
			doc.Signatures[name] = signature(f)
		}
	}
	return doc
}

func signature(f function.Function) jsonSignature {
	s := jsonSignature{Description: f.Description()}
	var types []cty.Type
	for _, p := range f.Params() {
		s.Parameters = append(s.Parameters, parameter(p))
		types = append(types, p.Type)
	}
	if p := f.VarParam(); p != nil {
		v := parameter(*p)
		s.Variadic = &v
	}
	// What a function gives may depend on what it gets.
	returned, err := f.ReturnType(types)
	if err != nil {
		returned = cty.DynamicPseudoType
	}
	s.ReturnType = jsonType(returned)
	return s
}

func parameter(p function.Parameter) jsonParameter {
	t := p.Type
	if t.IsCapsuleType() { // an expression that the function evaluates itself, as try does
		t = cty.DynamicPseudoType
	}
	return jsonParameter{Name: p.Name, Description: p.Description, IsNullable: p.AllowNull, Type: jsonType(t)}
}
