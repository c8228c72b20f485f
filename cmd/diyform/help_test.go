package main

import (
	"os"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// every calls f for all commands that users see.
func every(cmd *cobra.Command, f func(*cobra.Command)) {
	f(cmd)
	for _, sub := range cmd.Commands() {
		if !sub.Hidden && sub.Name() != "help" {
			every(sub, f)
		}
	}
}

// TestHelp holds what every command has to tell.
func TestHelp(t *testing.T) {
	root := newRoot(&view{in: os.Stdin, out: &sink{File: os.Stdout}, err: os.Stderr})
	every(root, func(cmd *cobra.Command) {
		path := cmd.CommandPath()
		if cmd.Long == "" || cmd.Example == "" {
			t.Errorf("%s has no long help or no example: see examples.go", path)
		}
		var b strings.Builder
		writeHelp(&b, cmd)
		cmd.LocalFlags().VisitAll(func(f *pflag.Flag) {
			if !strings.Contains(b.String(), "-"+f.Name) {
				t.Errorf("the help of %s does not tell of -%s:\n%s", path, f.Name, b.String())
			}
			if f.Usage == "" || strings.HasSuffix(f.Usage, ".") {
				t.Errorf("%s -%s: usage %q", path, f.Name, f.Usage)
			}
		})
		if strings.Contains(b.String(), " --") && cmd.Name() != "exec" && cmd.Name() != "systemd" {
			t.Errorf("the help of %s has two dashes:\n%s", path, b.String())
		}
		for line := range strings.Lines(cmd.Example) {
			checkExample(t, root, strings.TrimSpace(line))
		}
	})
}

// checkExample looks whether there are the commands and flags of an example.
func checkExample(t *testing.T, root *cobra.Command, line string) {
	for command := range strings.SplitSeq(line, "&&") {
		_, words, found := strings.Cut(command, "diyform ")
		if !found {
			continue
		}
		words, _, _ = strings.Cut(words, " |")
		args := strings.Fields(words)
		if strings.HasPrefix(args[0], "-chdir=") {
			args = args[1:]
		}
		cmd, rest, err := root.Find(args)
		if err != nil || cmd == root {
			t.Errorf("%s: no such command: %v", line, err)
			continue
		}
		for _, word := range rest {
			if word == "--" {
				break
			}
			if word == "-" {
				continue // standard input
			}
			name, _, _ := strings.Cut(strings.TrimPrefix(word, "-"), "=")
			if strings.HasPrefix(word, "-") && cmd.Flags().Lookup(name) == nil && cmd.Flags().ShorthandLookup(name) == nil {
				t.Errorf("%s: %s has no flag %s", line, cmd.CommandPath(), word)
			}
		}
	}
}

// TestExamples holds that the tables tell of commands that there are.
func TestExamples(t *testing.T) {
	known := map[string]bool{}
	every(newRoot(&view{in: os.Stdin, out: &sink{File: os.Stdout}, err: os.Stderr}), func(cmd *cobra.Command) { known[cmdPath(cmd)] = true })
	for path := range examples {
		if !known[path] {
			t.Errorf("there is no command %q", path)
		}
	}
	for path := range longer {
		if !known[path] {
			t.Errorf("there is no command %q", path)
		}
	}
}

// TestManual holds that pages are as man(7) wants them.
func TestManual(t *testing.T) {
	root := newRoot(&view{in: os.Stdin, out: &sink{File: os.Stdout}, err: os.Stderr})
	every(root, func(cmd *cobra.Command) {
		page := manualPage(cmd)
		for _, section := range []string{"NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "EXAMPLES", "SEE ALSO"} {
			if !strings.Contains(page, `.SH "`+section+`"`) {
				t.Errorf("the page of %s has no %s", cmd.CommandPath(), section)
			}
		}
		for line := range strings.Lines(page) {
			request, _, _ := strings.Cut(strings.TrimSpace(line), " ")
			switch {
			case strings.HasPrefix(line, "."):
				if !strings.Contains(".TH .SH .TP .B .PP .nf .fi", request) {
					t.Errorf("the page of %s has a request that it does not mean: %s", cmd.CommandPath(), line)
				}
			case strings.HasPrefix(line, "'"), strings.ContainsRune(strings.ReplaceAll(line, `\-`, ""), '-'):
				t.Errorf("the page of %s has something unescaped: %s", cmd.CommandPath(), line)
			}
		}
	})
	if got := roff(`a\b -x`); got != `a\eb \-x` {
		t.Error(got)
	}
}
