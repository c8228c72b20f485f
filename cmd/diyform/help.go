package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// The groups of commands, in the order of the help. Commands that are in none of them are the
// others.
const (
	mainCommands      = "main"
	otherCommands     = "other"
	containerCommands = "containers"
)

var groups = []*cobra.Group{
	{ID: mainCommands, Title: "Main commands:"},
	{ID: containerCommands, Title: "Containers:"},
	{ID: otherCommands, Title: "All other commands:"},
}

// mainOrder is the order in which the main commands are mostly used.
var mainOrder = []string{"validate", "plan", "apply", "destroy"}

// groupOf says which group a command is in, unless it is the last.
var groupOf = map[string]string{
	"validate": mainCommands, "plan": mainCommands, "apply": mainCommands, "destroy": mainCommands,
	"ps": containerCommands, "top": containerCommands, "logs": containerCommands, "exec": containerCommands,
	"attach": containerCommands, "cp": containerCommands, "wait": containerCommands, "start": containerCommands,
	"stop": containerCommands, "restart": containerCommands, "kill": containerCommands, "image": containerCommands,
}

// setUpHelp gives all commands the help that help.go writes.
func setUpHelp(root *cobra.Command) {
	root.AddGroup(groups...)
	for _, cmd := range root.Commands() {
		if cmd.GroupID = groupOf[cmd.Name()]; cmd.GroupID == "" {
			cmd.GroupID = otherCommands
		}
	}
	root.SetHelpCommandGroupID(otherCommands)
	root.SetCompletionCommandGroupID(otherCommands)
	root.SetHelpCommand(newHelp())
	root.SetHelpFunc(func(cmd *cobra.Command, _ []string) { writeHelp(cmd.OutOrStdout(), cmd) })
}

func newHelp() *cobra.Command {
	return &cobra.Command{
		Use:     "help [COMMAND ...]",
		Short:   "Tell what a command is for",
		Long:    "Tells what a command is for and what it takes, as COMMAND -help does.",
		Example: "  diyform help plan\n  diyform help state list",
		RunE: func(cmd *cobra.Command, args []string) error {
			about, err := commandNamed(cmd.Root(), args)
			if err == nil {
				writeHelp(cmd.OutOrStdout(), about)
			}
			return err
		},
		ValidArgsFunction: func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			var list []string
			if about, err := commandNamed(cmd.Root(), args); err == nil {
				for _, sub := range about.Commands() {
					if sub.IsAvailableCommand() {
						list = append(list, cobra.CompletionWithDesc(sub.Name(), sub.Short))
					}
				}
			}
			return list, cobra.ShellCompDirectiveNoFileComp
		},
	}
}

// commandNamed finds a command by its names from the root on.
func commandNamed(root *cobra.Command, names []string) (*cobra.Command, error) {
	at := root
	for _, name := range names {
		i := slices.IndexFunc(at.Commands(), func(sub *cobra.Command) bool { return sub.Name() == name })
		if i < 0 {
			return nil, commandsOnly(at, []string{name})
		}
		at = at.Commands()[i]
	}
	return at, nil
}

// writeHelp writes what a command is for and what it takes. Flags are written with one dash, as
// in Terraform.
func writeHelp(w io.Writer, cmd *cobra.Command) {
	cmd.InitDefaultHelpFlag()
	cmd.InitDefaultVersionFlag()
	fmt.Fprintf(w, "Usage: %s\n\n%s\n", useLine(cmd), description(cmd))
	if cmd.HasParent() {
		writeCommands(w, "Commands:", cmd.Commands())
	} else {
		for _, g := range groups {
			writeCommands(w, g.Title, inGroup(cmd.Commands(), g.ID))
		}
	}
	writeFlags(w, "Flags:", cmd.LocalFlags())
	writeFlags(w, "Flags of all commands:", cmd.InheritedFlags())
	if cmd.Example != "" {
		fmt.Fprintf(w, "\nExamples:\n%s\n", cmd.Example)
	}
	if cmd.HasAvailableSubCommands() {
		fmt.Fprintf(w, "\n`%s COMMAND -help` tells more about a command.\n", cmd.CommandPath())
	}
}

func description(cmd *cobra.Command) string {
	if cmd.Long == "" {
		return cmd.Short + "."
	}
	return cmd.Long
}

// useLine is how the command is used, with where its flags stand.
func useLine(cmd *cobra.Command) string {
	switch {
	case !cmd.HasParent():
		return cmd.Name() + " [-chdir=DIR] COMMAND [flags]"
	case cmd.HasAvailableSubCommands():
		return cmd.CommandPath() + " COMMAND [flags]"
	}
	return cmd.UseLine()
}

func inGroup(list []*cobra.Command, id string) []*cobra.Command {
	var out []*cobra.Command
	for _, cmd := range list {
		if cmd.GroupID == id {
			out = append(out, cmd)
		}
	}
	if id == mainCommands {
		slices.SortFunc(out, func(a, b *cobra.Command) int {
			return cmp.Compare(slices.Index(mainOrder, a.Name()), slices.Index(mainOrder, b.Name()))
		})
	}
	return out
}

func writeCommands(w io.Writer, title string, list []*cobra.Command) {
	var rows [][2]string
	for _, cmd := range list {
		if cmd.IsAvailableCommand() || cmd.Name() == "help" {
			rows = append(rows, [2]string{cmd.Name(), cmd.Short})
		}
	}
	writeRows(w, title, rows)
}

func writeFlags(w io.Writer, title string, flags *pflag.FlagSet) {
	var rows [][2]string
	flags.VisitAll(func(f *pflag.Flag) {
		if !f.Hidden {
			name, usage := flagHelp(f)
			rows = append(rows, [2]string{name, usage})
		}
	})
	writeRows(w, title, rows)
}

func writeRows(w io.Writer, title string, rows [][2]string) {
	if len(rows) == 0 {
		return
	}
	width := 0
	for _, r := range rows {
		width = max(width, len(r[0]))
	}
	fmt.Fprintf(w, "\n%s\n", title)
	for _, r := range rows {
		fmt.Fprintf(w, "  %-*s  %s\n", width, r[0], r[1])
	}
}

// valueNames are what stands for the value of a flag whose usage names none in backquotes.
var valueNames = map[string]string{
	"target": "ADDRESS", "exclude": "ADDRESS", "replace": "ADDRESS", "var": "'NAME=VALUE'", "env": "NAME=VALUE",
	"var-file": "FILE", "out": "FILE", "plan": "FILE", "workdir": "FOLDER", "type": "KIND", "sort": "COLUMN",
	"duration": "TIME", "int": "NUMBER", "uint": "NUMBER", "string": "TEXT", "stringArray": "TEXT", "file": "FILE",
}

// flagHelp writes a flag as it is typed, and what it is for.
func flagHelp(f *pflag.Flag) (name, usage string) {
	name = "-" + f.Name
	if f.Shorthand != "" && f.Shorthand != f.Name {
		name = "-" + f.Shorthand + ", " + name
	}
	value, usage := pflag.UnquoteUsage(f)
	if f.Value.Type() == "bool" {
		value = ""
	} else if !strings.Contains(f.Usage, "`") {
		value = valueNames[f.Value.Type()]
		if named := valueNames[f.Name]; named != "" {
			value = named
		}
	}
	switch f.Name {
	case "help":
		usage = "tell what this is for"
	case "version":
		usage = "show the version"
	}
	if value != "" {
		name += "=" + value
	}
	if f.DefValue != "" && f.DefValue != "false" && f.DefValue != "0" && f.DefValue != "0s" && f.DefValue != "[]" && !strings.Contains(usage, "default") {
		usage += fmt.Sprintf(" (default: %s)", f.DefValue)
	}
	return name, usage
}
