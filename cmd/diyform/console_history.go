package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/google/renameio/v2"
)

// historyLines is how many lines the console remembers.
const historyLines = 1000

// history is what was typed in consoles of this user, kept in a file that nobody else can
// read: a value may stand in it that is nobody else's business.
type history struct {
	path  string   // "" where it cannot be kept
	lines []string // the oldest first
	warn  func(error)
}

// openHistory reads the history. That it cannot be kept is said once, and is no reason to
// have no console.
func openHistory(v *view) *history {
	h := &history{}
	h.warn = func(err error) {
		fmt.Fprintf(v.err, "The console's history is not kept: %s.\n", err)
		h.path = ""
	}
	folder, err := stateHome()
	if err != nil {
		h.warn(err)
		return h
	}
	if err := os.MkdirAll(folder, 0o700); err != nil {
		h.warn(err)
		return h
	}
	h.path = filepath.Join(folder, "console_history")
	text, err := os.ReadFile(h.path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		h.warn(err)
		return h
	}
	h.lines = strings.FieldsFunc(string(text), func(r rune) bool { return r == '\n' })
	if over := len(h.lines) - historyLines; over > 0 {
		h.lines = h.lines[over:]
		if err := renameio.WriteFile(h.path, []byte(strings.Join(h.lines, "\n")+"\n"), 0o600); err != nil {
			h.warn(err)
		}
	}
	return h
}

// stateHome is where a user's programs keep what is neither data nor settings: the XDG Base
// Directory Specification.
func stateHome() (string, error) {
	if dir := os.Getenv("XDG_STATE_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "diyform"), nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", err
	}
	return filepath.Join(home, ".local", "state", "diyform"), nil
}

// Add remembers a line, unless it is the last one again or begins with a space.
func (h *history) Add(line string) {
	if strings.TrimSpace(line) == "" || line[0] == ' ' || len(h.lines) > 0 && h.lines[len(h.lines)-1] == line {
		return
	}
	h.lines = append(h.lines, line)
	if h.path == "" {
		return
	}
	file, err := os.OpenFile(h.path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err == nil {
		_, err = file.WriteString(line + "\n")
		err = errors.Join(err, file.Close())
	}
	if err != nil {
		h.warn(err)
	}
}

// Len gives the number of lines.
func (h *history) Len() int { return len(h.lines) }

// At gives a line, 0 being the last.
func (h *history) At(i int) string { return h.lines[len(h.lines)-1-i] }
