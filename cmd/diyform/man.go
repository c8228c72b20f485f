package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// newMan is for make install, and for who packages the program.
func newMan(v *view) *cobra.Command {
	return &cobra.Command{
		Use:    "man FOLDER",
		Short:  "Write the manual pages",
		Long:   "Writes a manual page for each command into a folder, which is made.",
		Args:   cobra.ExactArgs(1),
		Hidden: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			err := os.MkdirAll(args[0], 0o755)
			if err == nil {
				err = writeManual(args[0], cmd.Root())
			}
			if err != nil {
				return v.failWith(err, "The manual pages cannot be written")
			}
			return nil
		},
	}
}

// writeManual writes the page of a command, and of those below it.
func writeManual(folder string, cmd *cobra.Command) error {
	if cmd.Hidden || cmd.Name() == "help" {
		return nil
	}
	path := filepath.Join(folder, pageName(cmd)+".1")
	if err := os.WriteFile(path, []byte(manualPage(cmd)), 0o644); err != nil {
		return err
	}
	for _, sub := range cmd.Commands() {
		if err := writeManual(folder, sub); err != nil {
			return err
		}
	}
	return nil
}

func pageName(cmd *cobra.Command) string { return strings.ReplaceAll(cmd.CommandPath(), " ", "-") }

// manualPage is a page in the language of man(7).
func manualPage(cmd *cobra.Command) string {
	cmd.InitDefaultHelpFlag()
	m := &manual{}
	m.line(".TH", strings.ToUpper(pageName(cmd)), "1", "", "diyform "+version, "diyform")
	m.section("NAME")
	m.text(pageName(cmd) + " - " + lowered(cmd.Short))
	m.section("SYNOPSIS")
	m.text(useLine(cmd))
	m.section("DESCRIPTION")
	m.text(description(cmd))
	if cmd.HasAvailableSubCommands() {
		m.section("COMMANDS")
		for _, sub := range cmd.Commands() {
			if sub.IsAvailableCommand() {
				m.item(sub.Name(), sub.Short+".")
			}
		}
	}
	m.section("OPTIONS")
	for _, flags := range []*pflag.FlagSet{cmd.LocalFlags(), cmd.InheritedFlags()} {
		flags.VisitAll(func(f *pflag.Flag) {
			name, usage := flagHelp(f)
			m.item(name, usage)
		})
	}
	if cmd.Example != "" {
		m.section("EXAMPLES")
		m.b.WriteString(".nf\n")
		m.text(cmd.Example)
		m.b.WriteString(".fi\n")
	}
	m.seeAlso(cmd)
	return m.b.String()
}

// manual is a page being written.
type manual struct{ b strings.Builder }

// line writes a request with its arguments.
func (m *manual) line(request string, args ...string) {
	m.b.WriteString(request)
	for _, a := range args {
		fmt.Fprintf(&m.b, ` "%s"`, strings.ReplaceAll(roff(a), `"`, `\(dq`))
	}
	m.b.WriteByte('\n')
}

func (m *manual) section(name string) { m.line(".SH", name) }

// item writes a word and what it is for.
func (m *manual) item(name, text string) {
	m.b.WriteString(".TP\n.B " + roff(name) + "\n")
	m.text(text)
}

// text writes lines. Between paragraphs is an empty one, and a line that begins with a space
// stays as it is.
func (m *manual) text(text string) {
	for line := range strings.SplitSeq(text, "\n") {
		if line == "" {
			m.b.WriteString(".PP\n")
			continue
		}
		line = roff(line)
		if line[0] == '.' || line[0] == '\'' {
			line = `\&` + line
		}
		m.b.WriteString(line + "\n")
	}
}

func (m *manual) seeAlso(cmd *cobra.Command) {
	var pages []string
	if cmd.HasParent() {
		pages = append(pages, pageName(cmd.Parent())+"(1)")
	}
	for _, sub := range cmd.Commands() {
		if sub.IsAvailableCommand() {
			pages = append(pages, pageName(sub)+"(1)")
		}
	}
	m.section("SEE ALSO")
	m.text(strings.Join(pages, ",\n"))
}

// roff escapes what has a meaning in the language. A dash is one that can be copied into a
// command line.
func roff(s string) string { return strings.NewReplacer(`\`, `\e`, "-", `\-`).Replace(s) }

// lowered gives s with a small letter at its beginning, unless that begins an abbreviation.
func lowered(s string) string {
	if len(s) > 1 && s[1] >= 'a' && s[1] <= 'z' {
		return strings.ToLower(s[:1]) + s[1:]
	}
	return s
}
