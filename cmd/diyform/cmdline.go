package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/diyform/diyform/internal/diag"
)

// doubleDashes gives long flags written with one dash, as Terraform's are, the second that
// pflag wants. What follows "--" is not ours, nor is what follows the address of an exec.
func doubleDashes(root *cobra.Command, args []string) []string {
	cmd, below, err := root.Find(args)
	if err != nil {
		cmd, below = root, args // the error is told when the command is run
	}
	cmd.InitDefaultHelpFlag()
	cmd.InitDefaultVersionFlag()
	cmd.InheritedFlags() // from here on those of all commands are among its own
	out := slices.Clone(args)
	begin := len(args) - len(below)
	for i := 0; i < len(out) && out[i] != "--"; i++ {
		name, dashed := strings.CutPrefix(out[i], "-")
		switch {
		case dashed && name != "":
			var separate bool
			out[i], separate = longFlag(cmd.Flags(), out[i])
			if separate {
				i++
			}
		case cmd.Name() == "exec" && i >= begin:
			return out
		}
	}
	return out
}

// longFlag gives the flag with its dashes, and whether its value is the next argument. One
// dash and an unknown word is a long flag too, if it cannot be short ones.
func longFlag(flags *pflag.FlagSet, arg string) (string, bool) {
	name, _, valued := strings.Cut(strings.TrimLeft(arg, "-"), "=")
	single := !strings.HasPrefix(arg, "--")
	f := flags.Lookup(name)
	if f == nil && single && name != "" {
		f = flags.ShorthandLookup(name[len(name)-1:])
		if len(name) > 1 && !shorthands(flags, name) {
			return "-" + arg, false
		}
	} else if single {
		arg = "-" + arg
	}
	return arg, f != nil && f.NoOptDefVal == "" && !valued
}

// shorthands reports whether a word after one dash can be short flags, up to one with a value.
func shorthands(flags *pflag.FlagSet, word string) bool {
	for i := range len(word) {
		f := flags.ShorthandLookup(word[i : i+1])
		if f == nil {
			return false
		}
		if f.NoOptDefVal == "" {
			return true // the rest is its value
		}
	}
	return true
}

// flagProblem says what is wrong with a flag, and which one may have been meant.
func flagProblem(cmd *cobra.Command, err error) error {
	var invalid *pflag.InvalidValueError
	if errors.As(err, &invalid) {
		return valueProblem(invalid)
	}
	var missing *pflag.ValueRequiredError
	if errors.As(err, &missing) {
		name, usage := flagHelp(missing.GetFlag())
		return &diag.Problem{Summary: "A flag without its value", Detail: fmt.Sprintf("%s: %s.", name, usage), Err: err}
	}
	var unknown *pflag.NotExistError
	if !errors.As(err, &unknown) || unknown.GetSpecifiedShortnames() != "" {
		return err
	}
	name := unknown.GetSpecifiedName()
	if name == "chdir" {
		return &diag.Problem{
			Summary: "A flag is in the wrong place",
			Detail:  fmt.Sprintf("-chdir=DIR stands before the command: diyform -chdir=DIR %s.", cmd.Name()), Err: err,
		}
	}
	var known []string
	cmd.Flags().VisitAll(func(f *pflag.Flag) { known = append(known, "-"+f.Name) })
	return &diag.Problem{
		Summary: "Unknown flag",
		Detail: fmt.Sprintf("%q has no flag -%s.%s `%[1]s -help` lists those that it has.",
			cmd.CommandPath(), name, diag.Suggest("-"+name, known)),
		Err: err,
	}
}

// valueProblem says what a flag's value has to look like.
func valueProblem(err *pflag.InvalidValueError) error {
	f, wants := err.GetFlag(), ""
	switch f.Value.Type() {
	case "bool":
		wants = "It is true or false." + diag.Suggest(err.GetValue(), []string{"true", "false"})
	case "duration":
		wants = "A time has a unit, as in 30s, 5m or 1h30m."
	case "int":
		wants = "It is a whole number."
	case "uint":
		wants = "It is a whole number, 0 or more."
	default:
		wants = diag.Sentence(capital(err.Unwrap().Error()))
	}
	return &diag.Problem{Summary: "Wrong value for a flag", Detail: fmt.Sprintf("-%s=%s: %s", f.Name, err.GetValue(), wants), Err: err}
}

// commandsOnly refuses arguments of a command that is there for its subcommands.
func commandsOnly(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	if !cmd.HasParent() {
		if err := foreignCommand(args); err != nil {
			return err
		}
	}
	var known []string
	for _, sub := range cmd.Commands() {
		known = append(known, sub.Name())
	}
	return &diag.Problem{
		Summary: "Unknown command",
		Detail: fmt.Sprintf("%q has no command %q.%s `%[1]s -help` lists those that it has.",
			cmd.CommandPath(), args[0], diag.Suggest(args[0], known)),
	}
}

// foreignCommand explains a command that diyform does not have, whatever flags follow it: they
// would be called unknown before the command is.
func foreignCommand(args []string) error {
	if len(args) == 0 || foreignCommands[args[0]] == "" {
		return nil
	}
	return &diag.Problem{
		Summary: "Unknown command",
		Detail:  fmt.Sprintf("diyform has no command %q. %s", args[0], foreignCommands[args[0]]),
	}
}

// foreignCommands are what users of Terraform and of container engines look for.
var foreignCommands = map[string]string{
	"init":      "None is needed: providers are built in, and modules are downloaded when they are missing.",
	"providers": "They are built in; `diyform schema -json` prints what they have.",
	"env":       "`diyform workspace` keeps several labs of one configuration.",
	"modules":   "`diyform get -json` lists the modules that are called.",
	"login":     "There is nothing to log in to: the state is in the folder of the configuration.",
	"logout":    "There is nothing to log in to: the state is in the folder of the configuration.",
	"up":        "`diyform apply` makes what the configuration wants.",
	"down":      "`diyform destroy` takes away what was made.",
	"run":       "A container is a resource of the configuration: `diyform apply` makes and starts it.",
	"images":    "`diyform image list` lists the images.",
	"pull":      "`diyform image pull` brings an image in.",
}

// noArguments refuses arguments.
func noArguments(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	return fmt.Errorf("%q takes no arguments, and %q is one", cmd.CommandPath(), args[0])
}

// misused adds how the command is used to an error that does not say what to do.
func misused(cmd *cobra.Command, err error) error {
	var p *diag.Problem
	if errors.As(err, &p) || cmd == nil {
		return err
	}
	return &diag.Problem{
		Summary: "The command line is wrong",
		Detail:  fmt.Sprintf("%s It is used as: %s", diag.Sentence(capital(err.Error())), useLine(cmd)), Err: err,
	}
}

func capital(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}
