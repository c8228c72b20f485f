package main

import (
	"bufio"
	"context"
	"errors"
	"io"
	"maps"
	"os"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/spf13/cobra"

	"github.com/diyform/diyform/config"
	"github.com/diyform/diyform/internal/linux/pty"
	"github.com/diyform/diyform/plan"
)

func newConsole(v *view) *cobra.Command {
	flags := stackFlags{refresh: true}
	var planned bool
	cmd := &cobra.Command{
		Use:   "console",
		Short: "Try out expressions",
		Long: "Evaluates expressions against the configuration, its variables and what is recorded, and prints what\n" +
			"they give. It changes nothing, and holds no lock while it waits. Variables without a value are unknown,\n" +
			"and so are resources that are not recorded; data sources are read when an expression needs them.\n\n" +
			"On a terminal, Tab completes, and the arrow keys bring earlier lines back, which are kept in\n" +
			"$XDG_STATE_HOME/diyform/console_history; a line that begins with a space is not. An expression with\n" +
			"open brackets goes on in the next line. type(EXPRESSION) shows a type. exit or Ctrl-D ends it.\n\n" +
			"Else it reads one expression a line from standard input, and ends at the first error.",
		Example: "  diyform console\n" +
			"  echo 'cidrhost(var.subnet, 1)' | diyform console\n" +
			"  diyform console -plan -var subnet=10.1.0.0/24",
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := v.openConsole(cmd.Context(), planned, &flags)
			if err != nil {
				return err
			}
			defer c.close()
			if v.interactive() {
				return c.converse(cmd.Context())
			}
			return c.answerAll(cmd.Context())
		},
	}
	flags.addVariables(cmd)
	cmd.Flags().BoolVar(&planned, "plan", false, "evaluate against what a plan made now expects, instead of what is recorded")
	return cmd
}

// console evaluates expressions, one after the other.
type console struct {
	*session
	scope *plan.Scope
}

// openConsole makes a plan, or looks at what is recorded. Either way nobody has to wait for
// the console's end: the lock is held only while the plan is made.
func (v *view) openConsole(ctx context.Context, planned bool, f *stackFlags) (*console, error) {
	s, err := v.open(ctx, "console -plan", planned, f)
	if err != nil {
		return nil, err
	}
	c := &console{session: s}
	if planned {
		err = c.usePlan(ctx, f)
		s.unlock()
	} else {
		err = c.useRecorded(f)
	}
	if err != nil {
		s.close()
		return nil, err
	}
	return c, nil
}

func (c *console) usePlan(ctx context.Context, f *stackFlags) error {
	p, err := c.makePlan(ctx, plan.Normal, f)
	if err == nil {
		c.scope = p.Scope()
	}
	return err
}

func (c *console) useRecorded(f *stackFlags) error {
	cfg, diags := c.loader.LoadOrEmpty(".")
	if diags.HasErrors() {
		return c.view.fail(cfg.Files, diags)
	}
	values, more := cfg.Values(config.ValueSources{Environ: os.Environ(), Dir: ".", Args: f.variables, AllowUnset: true})
	diags = append(diags, more...)
	if diags.HasErrors() {
		return c.view.fail(cfg.Files, diags)
	}
	c.config, c.variables = cfg, values
	if err := c.connect(); err != nil {
		return c.view.failWith(err, "The providers cannot be opened")
	}
	c.tellRecovery()
	scope, more := plan.NewScope(c.input())
	diags = append(diags, more...)
	if diags.HasErrors() {
		return c.view.fail(cfg.Files, diags)
	}
	c.view.diagnostics(cfg.Files, diags)
	c.scope = scope
	return nil
}

// errLeave ends the console as the user asked.
var errLeave = errors.New("leave the console")

const consoleHelp = `An expression, as it would stand in the configuration, is answered with its value: bridge.lan.mac_address,
cidrhost(var.subnet, 1), [for n in network_namespace.host : n.name]. type(EXPRESSION) shows a type.
exit or Ctrl-D ends the console.`

// answer evaluates what was typed and prints the result.
func (c *console) answer(ctx context.Context, text string) error {
	switch strings.TrimSpace(text) {
	case "":
		return nil
	case "exit":
		return errLeave
	case "help":
		c.view.printf("%s\n", consoleHelp)
		return nil
	}
	const name = "<console-input>"
	src := []byte(text)
	if strings.Contains(text, "<<") {
		src = append(src, '\n') // without which a heredoc has no end
	}
	files := maps.Clone(c.files())
	files[name] = &hcl.File{Bytes: src}
	expr, diags := hclsyntax.ParseExpression(src, name, hcl.InitialPos)
	var shown string
	if !diags.HasErrors() {
		var more hcl.Diagnostics
		shown, more = c.scope.Show(ctx, expr)
		diags = append(diags, more...)
	}
	if diags.HasErrors() {
		return c.view.fail(files, diags)
	}
	c.view.diagnostics(files, diags)
	c.view.printf("%s\n", shown)
	return nil
}

// answerAll answers what standard input has, up to the first error.
func (c *console) answerAll(ctx context.Context) error {
	in, stop := c.typed(ctx)
	defer stop()
	lines := bufio.NewReader(in)
	var pending unfinishedInput
	for {
		line, err := lines.ReadString('\n')
		text, whole := pending.add(strings.TrimRight(line, "\r\n"))
		if err != nil {
			text, whole = pending.rest(), true
		}
		if whole {
			if err := c.answer(ctx, text); errors.Is(err, errLeave) {
				return nil
			} else if err != nil {
				return err
			}
		}
		switch {
		case ctx.Err() != nil:
			return exitStatus(exitError)
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return c.view.failWith(err, "Standard input cannot be read")
		}
	}
}

// typed gives standard input, which ends with ctx.
func (c *console) typed(ctx context.Context) (in io.Reader, stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	r, w := io.Pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		w.CloseWithError(pty.CopyInput(ctx, w, c.view.in))
	}()
	return r, func() {
		cancel()
		r.Close()
		<-done
	}
}

// unfinishedInput is an expression of which more lines are to come.
type unfinishedInput struct {
	lines []string
	depth int // of open brackets and the like; 1 after a backslash at the end of a line
}

// add takes a line and gives the expression, if that is whole.
func (u *unfinishedInput) add(line string) (text string, whole bool) {
	line, goesOn := strings.CutSuffix(line, "\\")
	u.lines = append(u.lines, line)
	u.depth = openDepth(strings.Join(u.lines, "\n"))
	if goesOn {
		u.depth = max(1, u.depth)
	}
	if u.depth > 0 {
		return "", false
	}
	return u.rest(), true
}

// rest gives what there is, and forgets it.
func (u *unfinishedInput) rest() string {
	text := strings.Join(u.lines, "\n")
	u.lines, u.depth = nil, 0
	return text
}

// opens says which tokens open what others close. A quotation mark is not among them: what it
// opens has to end in its line.
var opens = map[hclsyntax.TokenType]int{
	hclsyntax.TokenOBrace: 1, hclsyntax.TokenCBrace: -1,
	hclsyntax.TokenOBrack: 1, hclsyntax.TokenCBrack: -1,
	hclsyntax.TokenOParen: 1, hclsyntax.TokenCParen: -1,
	hclsyntax.TokenOHeredoc: 1, hclsyntax.TokenCHeredoc: -1,
	hclsyntax.TokenTemplateInterp: 1, hclsyntax.TokenTemplateControl: 1, hclsyntax.TokenTemplateSeqEnd: -1,
}

// openDepth counts what an expression opens and does not close. It is negative, or 0, where
// it closes more than it opens.
func openDepth(text string) int {
	tokens, _ := hclsyntax.LexExpression([]byte(text+"\n"), "", hcl.InitialPos)
	depth := 0
	for _, t := range tokens {
		depth += opens[t.Type]
		if depth < 0 {
			return depth
		}
	}
	return depth
}
