package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/diyform/diyform/internal/diag"
)

// shells are those that there is completion for.
var shells = []string{"bash", "fish", "zsh"}

func newCompletion(v *view) *cobra.Command {
	return &cobra.Command{
		Use:   "completion SHELL",
		Short: "Print what makes a shell complete our commands",
		Long: "Prints a script that makes bash, fish or zsh complete commands, flags, and the names that they take:\n" +
			"resources, containers, outputs, variables, files.\n\n" +
			"bash needs the package bash-completion for it. `make install` puts the scripts where shells look for them.",
		Example: "  source <(diyform completion bash)\n" +
			"  diyform completion bash >~/.local/share/bash-completion/completions/diyform\n" +
			"  diyform completion zsh >\"${fpath[1]}/_diyform\"\n" +
			"  diyform completion fish >~/.config/fish/completions/diyform.fish",
		Args:      cobra.ExactArgs(1),
		ValidArgs: shells,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := writeCompletion(v.out, cmd.Root(), args[0]); err != nil {
				return v.failWith(err, "The script cannot be written")
			}
			return nil
		},
	}
}

func writeCompletion(w io.Writer, root *cobra.Command, shell string) error {
	switch shell {
	case "bash":
		return root.GenBashCompletionV2(w, true)
	case "fish":
		return writeFish(w, root)
	case "zsh":
		return root.GenZshCompletion(w)
	}
	return &diag.Problem{Summary: "Unknown shell",
		Detail: fmt.Sprintf("There is completion for %s, and none for %q.%s", strings.Join(shells, ", "), shell, diag.Suggest(shell, shells))}
}

// writeFish writes cobra's script for fish, which takes a proposal that begins with a dash for an
// option of fish's own `string split`.
func writeFish(w io.Writer, root *cobra.Command) error {
	var script bytes.Buffer
	if err := root.GenFishCompletion(&script, true); err != nil {
		return err
	}
	_, err := strings.NewReplacer(`string split --max 1 \t `, `string split --max 1 -- \t `).WriteString(w, script.String())
	return err
}

// isCompletion reports whether the arguments come from a shell's completion script, which
// cobra answers: the words typed so far follow, the last of them unfinished.
func isCompletion(args []string) bool {
	return len(args) > 1 && (args[0] == cobra.ShellCompRequestCmd || args[0] == cobra.ShellCompNoDescRequestCmd)
}

// completeShell answers a shell. cobra knows long flags with two dashes alone, so the words are
// given the second one, and what it proposes loses it, unless the user began with two.
func completeShell(ctx context.Context, v *view, args []string) int {
	request, words := args[0], args[1:]
	if folder := completeFolder(words); folder != "" {
		v.printf("%s\n", folder)
		return exitDone
	}
	root := newRoot(v)
	words, err := changeFolder(words)
	if err != nil {
		return exitError // of no interest to who is typing
	}
	var out bytes.Buffer
	root.SetOut(&out)
	root.SetErr(io.Discard)
	root.SetArgs(append([]string{request}, doubleDashes(root, words)...))
	if err := root.ExecuteContext(ctx); err != nil {
		return exitError
	}
	two := strings.HasPrefix(words[len(words)-1], "--")
	for line := range strings.Lines(out.String()) {
		if strings.HasPrefix(line, "--") && !two {
			line = line[1:]
		}
		v.printf("%s", line)
	}
	return exitDone
}

// completeFolder answers for -chdir=DIR, which stands before the command and is no flag of
// cobra's. It gives "" for everything else.
func completeFolder(words []string) string {
	if len(words) != 1 {
		return ""
	}
	name := strings.TrimLeft(words[0], "-")
	dashes := words[0][:len(words[0])-len(name)]
	switch {
	case dashes == "" || name == "":
		return ""
	case strings.HasPrefix(name, "chdir="):
		return fmt.Sprintf(":%d", cobra.ShellCompDirectiveFilterDirs)
	case strings.HasPrefix("chdir=", name):
		return fmt.Sprintf("%schdir=\twork in another folder\n:%d", dashes, cobra.ShellCompDirectiveNoSpace)
	}
	return ""
}

// registerCompletions tells what the arguments and flags of all commands are completed with.
// Commands that have a function of their own keep it.
func registerCompletions(root *cobra.Command) {
	for _, cmd := range root.Commands() {
		registerCompletions(cmd)
	}
	if complete := argumentCompletions[cmdPath(root)]; complete != nil {
		root.ValidArgsFunction = complete
	} else if root.ValidArgsFunction == nil && len(root.ValidArgs) == 0 {
		root.ValidArgsFunction = cobra.NoFileCompletions
	}
	root.Flags().VisitAll(func(f *pflag.Flag) {
		complete := flagCompletions[f.Name]
		if f.Value.Type() == "bool" {
			complete = choices("true", "false")
		}
		if complete != nil {
			_ = root.RegisterFlagCompletionFunc(f.Name, complete) // fails only for one that has a function already
		}
	})
}

// cmdPath is the command without the program's name: "state show".
func cmdPath(cmd *cobra.Command) string {
	_, path, _ := strings.Cut(cmd.CommandPath(), " ")
	return path
}

// choices completes one of a fixed list.
func choices(list ...string) cobra.CompletionFunc {
	return func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return list, cobra.ShellCompDirectiveNoFileComp
	}
}

// names completes as many different arguments as most, or any number of them where that is 0.
func names(most int, list func() []string) cobra.CompletionFunc {
	return func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		if most > 0 && len(args) >= most {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		left := slices.DeleteFunc(list(), func(name string) bool { return slices.Contains(args, name) })
		return left, cobra.ShellCompDirectiveNoFileComp
	}
}

func files(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return nil, cobra.ShellCompDirectiveDefault
}
