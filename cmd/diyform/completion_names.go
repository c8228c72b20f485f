package main

import (
	"context"
	"slices"

	"github.com/spf13/cobra"

	"github.com/diyform/diyform/config"
	"github.com/diyform/diyform/internal/addr"
	"github.com/diyform/diyform/internal/modsource"
	"github.com/diyform/diyform/state"
)

// argumentCompletions are what arguments are completed with, by command. A plan file may have
// any name.
var argumentCompletions = map[string]cobra.CompletionFunc{
	"apply":            oneFile,
	"show":             oneFile,
	"fmt":              files,
	"cp":               containerOrFile,
	"output":           names(1, outputNames),
	"state list":       names(0, recordedAddresses),
	"state show":       names(1, recordedAddresses),
	"state rm":         names(0, recordedAddresses),
	"state mv":         names(1, recordedAddresses),
	"state push":       oneFile,
	"taint":            names(1, recordedAddresses),
	"untaint":          names(1, recordedAddresses),
	"import":           names(1, func() []string { return configuredAddresses(configured()) }),
	"image inspect":    names(1, recordedImages),
	"workspace select": names(1, workspaceNames),
	"workspace delete": names(1, workspaceNames),
}

// flagCompletions are what the values of flags are completed with, by the flag's name, which
// means the same wherever it is.
var flagCompletions = map[string]cobra.CompletionFunc{
	"target":    names(0, knownAddresses),
	"exclude":   names(0, knownAddresses),
	"replace":   names(0, recordedAddresses),
	"var":       variableAssignments,
	"var-file":  files,
	"out":       files,
	"filter":    names(0, testFiles),
	"plan":      files,
	"junit-xml": files,
	"type":      choices(graphTypes()...),
	"sort":      choices(sortingNames()...),
	"on-stop":   choices("stop", "destroy", "leave"),

	"generate-config-out": cobra.NoFileCompletions, // a new file
}

func oneFile(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return nil, cobra.ShellCompDirectiveDefault
}

// containerOrFile completes ADDRESS:PATH up to the colon; a shell completes files by itself.
func containerOrFile(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 1 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var list []string
	for _, a := range ofType("container") {
		list = append(list, a+":")
	}
	return list, cobra.ShellCompDirectiveNoSpace
}

// recorded gives the state, or an empty one where there is none to be had: nobody who is
// typing wants to read why.
func recorded() *state.State {
	st, err := loadState()
	if err != nil {
		return &state.State{}
	}
	return st
}

func recordedAddresses() []string { return ofType("") }

func recordedImages() []string { return ofType("root_image") }

// ofType lists the recorded resources of a type, or all.
func ofType(name string) []string {
	var list []string
	for _, r := range recorded().Sorted() {
		if name == "" || r.Address.Type == name && r.Address.Mode == addr.Managed {
			list = append(list, r.Address.String())
		}
	}
	return list
}

func outputNames() []string { return keys(recorded().Outputs) }

// configured gives the configuration as far as it can be read, with the modules that are here.
func configured() *config.Config {
	finder := modsource.New(".").Finder(context.Background(), modsource.Options{Offline: true})
	cfg, _ := config.Loader{Modules: finder}.Load(".")
	return cfg
}

// configuredAddresses lists the resource blocks of a configuration.
func configuredAddresses(cfg *config.Config) []string {
	var list []string
	for _, c := range cfg.All() {
		for a := range c.Resources {
			if a.Mode == addr.Managed {
				list = append(list, a.String())
			}
		}
	}
	return list
}

// knownAddresses lists what a part of a stack may be named by: instances, blocks, modules.
func knownAddresses() []string {
	cfg := configured()
	list := append(recordedAddresses(), configuredAddresses(cfg)...)
	for _, c := range cfg.All() {
		if c.Parent != nil {
			list = append(list, string(c.Path))
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}

func variableAssignments(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	cfg := configured()
	var list []string
	for _, name := range keys(cfg.Variables) {
		list = append(list, cobra.CompletionWithDesc(name+"=", cfg.Variables[name].Description))
	}
	return list, cobra.ShellCompDirectiveNoSpace | cobra.ShellCompDirectiveNoFileComp
}

// workspaceNames lists the workspaces that there are.
func workspaceNames() []string {
	list, err := state.Workspaces(".")
	if err != nil {
		return nil // as with recorded
	}
	return list
}

func testFiles() []string {
	paths, err := config.TestPaths(".", testFolderName)
	if err != nil {
		return nil // as with recorded
	}
	return paths
}
