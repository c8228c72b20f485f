package apply_test

import (
	"context"
	"strconv"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"github.com/diyform/diyform/config"
	"github.com/diyform/diyform/internal/addr"
	"github.com/diyform/diyform/internal/diag"
	"github.com/diyform/diyform/plan"
	"github.com/diyform/diyform/providers"
	"github.com/diyform/diyform/providers/providertest"
	"github.com/diyform/diyform/state"
)

// todo is what the directives of one step ask for.
type todo struct {
	mode                plan.Mode
	options             plan.Options
	planOnly, json      bool
	unclean             bool // the next plan may have changes
	saveFile, matchFile bool
	interrupt           string // the address at which the run is interrupted
	crash               string // the address at which the process dies
	crashAfter          bool   // after the operation, else before
	crashed             bool   // it did
}

// follow carries out the directives of a step, one a line:
//
//	plan                        make the plan, do not apply it
//	destroy                     plan to destroy
//	refresh-only                plan to record what is there
//	no-refresh                  plan without reading
//	target, exclude, replace ADDRESS
//	json                        show the plan's JSON too
//	unclean                     the next plan need not be empty
//	save                        take the plan through a file
//	match                       refuse it if it is not the one in the file
//	var NAME=VALUE              set a variable, from now on
//	fail ACTION ADDRESS         such an operation fails, until heal
//	fail-partly ACTION ADDRESS  the same, halfway
//	heal
//	interrupt ADDRESS           the user interrupts when its operation begins
//	crash-before ADDRESS        the process dies before its operation, the intent written
//	crash-after ADDRESS         the process dies after it, the outcome not written
//	reboot
//	box NAME size=3 ...         change the world; it is made if it is not there
//	rail NAME                   the same
//	item BOX/NAME note=x ...    change an item
//	no box NAME                 take away, also rail, user, item BOX/NAME
//	status ADDRESS STATUS       change the record's status
//	unknown-type ADDRESS TYPE   record it under another type
func (s *script) follow(directives string) {
	for line := range strings.Lines(directives) {
		words := strings.Fields(line)
		if len(words) == 0 {
			continue
		}
		if !s.followOption(words) && !s.followEdit(words) && !s.followRecord(words) {
			s.t.Fatalf("unknown directive %q", line)
		}
	}
}

func (s *script) followOption(words []string) bool {
	switch words[0] {
	case "plan":
		s.planOnly = true
	case "destroy":
		s.mode = plan.Destroy
	case "refresh-only":
		s.mode, s.unclean = plan.RefreshOnly, true
	case "no-refresh":
		s.options.NoRefresh = true
	case "target", "exclude":
		list, err := plan.ParseTargets(words[1:])
		s.must(err)
		if s.unclean = true; words[0] == "target" {
			s.options.Targets = append(s.options.Targets, list...)
		} else {
			s.options.Excludes = append(s.options.Excludes, list...)
		}
	case "replace":
		a, err := addr.Parse(words[1])
		s.must(err)
		s.options.Replace = append(s.options.Replace, a)
	case "json":
		s.json = true
	case "unclean":
		s.unclean = true
	case "save":
		s.saveFile = true
	case "match":
		s.matchFile = true
	case "var":
		s.args = append(s.args, config.VarArg{Text: words[1]})
	case "fail", "fail-partly":
		s.world.Fail(words[1], words[2], words[0] == "fail-partly")
	case "heal":
		s.world.Heal()
	case "interrupt":
		s.interrupt = words[1]
	case "crash-before", "crash-after":
		s.crash, s.crashAfter = words[1], words[0] == "crash-after"
	default:
		return false
	}
	return true
}

func (s *script) followEdit(words []string) bool {
	w := s.world
	switch words[0] {
	case "reboot":
		s.boot += "'"
		s.world = s.world.Reboot()
	case "box":
		if w.Boxes[words[1]] == nil {
			w.Boxes[words[1]] = &providertest.Box{}
		}
		for name, value := range assignments(words[2:]) {
			setBox(w.Boxes[words[1]], name, value)
		}
	case "rail":
		w.Rails[words[1]] = &providertest.Rail{}
	case "item":
		item := w.Items[itemKey(words[1])]
		for name, value := range assignments(words[2:]) {
			setItem(item, name, value)
		}
	case "no":
		delete(w.Boxes, words[2])
		delete(w.Rails, words[2])
		delete(w.Users, words[2])
		delete(w.Items, itemKey(words[2]))
	default:
		return false
	}
	return true
}

func assignments(words []string) map[string]string {
	m := map[string]string{}
	for _, w := range words {
		name, value, _ := strings.Cut(w, "=")
		m[name] = value
	}
	return m
}

func setBox(b *providertest.Box, name, value string) {
	switch name {
	case "size":
		b.Size, _ = strconv.Atoi(value)
	case "serial":
		b.Serial, _ = strconv.Atoi(value)
	case "revision":
		b.Revision, _ = strconv.Atoi(value)
	case "note":
		b.Note = value
	}
}

func setItem(i *providertest.Item, name, value string) {
	switch name {
	case "note":
		i.Note = value
	case "rail":
		i.Rail = value
	case "tags":
		i.Tags = strings.Split(value, ",")
	case "label":
		i.Label = &providertest.Label{Text: value}
	}
}

func itemKey(s string) providertest.ItemKey {
	box, name, _ := strings.Cut(s, "/")
	return providertest.ItemKey{Box: box, Name: name}
}

func (s *script) followRecord(words []string) bool {
	a, err := addr.Parse(words[1])
	s.must(err)
	switch words[0] {
	case "status":
		s.editState(func(st *state.State) { st.Resources[a].Status = state.Status(words[2]) })
	case "unknown-type":
		s.editState(func(st *state.State) {
			r := st.Resources[a]
			delete(st.Resources, a)
			r.Address.Type = words[2]
			st.Resources[r.Address] = r
		})
	default:
		return false
	}
	return true
}

// watch makes the run end where the step wants it.
func (s *script) watch(cancel context.CancelFunc) {
	switch {
	case s.interrupt != "":
		s.world.Before = func(_ providers.Action, a addr.Instance) {
			if a.String() == s.interrupt {
				cancel()
			}
		}
	case s.crash != "":
		s.dieAt(s.crashAfter, func(a addr.Instance) bool { return a.String() == s.crash })
	}
}

// recorded is what is on record, after a crash with the journal folded in.
func (s *script) recorded() *state.State {
	if !s.crashed {
		return s.state()
	}
	st, recovery, err := state.Open(s.dir).Load()
	s.must(err)
	if recovery == nil {
		s.t.Error("the crash left no journal")
	}
	return st
}

func problem(err error) hcl.Diagnostics { return diag.FromError(err, "Error", nil) }
