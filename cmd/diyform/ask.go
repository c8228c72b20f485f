package main

import (
	"bufio"
	"context"
	"strings"

	"golang.org/x/term"

	"github.com/diyform/diyform/config"
)

// confirm asks and reports whether the answer was "yes".
func (v *view) confirm(ctx context.Context, question, note string) bool {
	p := palette(v.out)
	v.printf("\n%s\n  %s\n  Only 'yes' is taken as approval.\n\n  %s ", p.Bold(question), note, p.Bold("Enter a value:"))
	line, ok := v.readLine(ctx, false)
	return ok && strings.TrimSpace(line) == "yes"
}

// ask gets the value of a variable. A secret one is not shown while it is typed.
func (v *view) ask(ctx context.Context, variable *config.Variable) (string, bool) {
	p := palette(v.out)
	v.printf("%s\n", p.Bold("var."+variable.Name))
	if variable.Description != "" {
		v.printf("  %s\n", variable.Description)
	}
	v.printf("\n  %s ", p.Bold("Enter a value:"))
	return v.readLine(ctx, variable.Sensitive)
}

// readLine reads what is typed; false means that nothing was. Nothing interrupts a read from a
// terminal, so after Ctrl-C its goroutine is left to end with the process.
func (v *view) readLine(ctx context.Context, secret bool) (string, bool) {
	defer v.printf("\n")
	fd := int(v.in.Fd())
	if before, err := term.GetState(fd); secret && err == nil {
		defer term.Restore(fd, before)
	}
	lines := make(chan string, 1)
	go func() {
		defer close(lines)
		if secret {
			if line, err := term.ReadPassword(fd); err == nil {
				lines <- string(line)
			}
			return
		}
		if line, err := bufio.NewReader(v.in).ReadString('\n'); err == nil || line != "" {
			lines <- strings.TrimRight(line, "\r\n")
		}
	}()
	select {
	case <-ctx.Done():
		return "", false
	case line, ok := <-lines:
		return line, ok
	}
}
