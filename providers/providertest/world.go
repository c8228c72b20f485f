// Package providertest is a provider whose kernel is a few maps in memory, for tests of the
// engine. It is made by providers.Assemble, so the typed layer in it is the real one.
//
// Its types stand for the ways in which things in a kernel hang together. A box is what
// others live in, as links do in a network namespace. An item lives in a box and may be
// joined to a rail, as a link to its bridge. A user needs a box and does not go with it, as a
// container its namespace. The data source lookup reads a box.
//
// It holds the engine to its word: see World.Violations. Start with World; each type has its
// own file.
package providertest

import (
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/diyform/diyform/internal/addr"
	"github.com/diyform/diyform/providers"
)

// World is the kernel. Its maps are for tests to look at and to edit between runs.
type World struct {
	Boxes map[string]*Box
	Items map[ItemKey]*Item
	Rails map[string]*Rail
	Users map[string]*User

	// Violations are what the engine did and must never do: deleted what was gone already
	// without saying that it follows, said so of what was still there, or read what no place
	// had announced.
	Violations []string

	// Log has a line a batch, in the order of their beginning: "create box: a, b".
	Log []string

	// Before and After, if not nil, are called around each operation.
	Before, After func(action providers.Action, address addr.Instance)

	mu       sync.Mutex
	serial   int
	failures map[string]bool // by "create box.a"; whether it fails partly
}

// Box is what items live in.
type Box struct {
	Serial, Revision, Size    int
	Color, Note, Secret, Mark string
}

// ItemKey tells items apart.
type ItemKey struct{ Box, Name string }

// Item lives in a box.
type Item struct {
	Serial           int
	Rail, Note, Mark string
	Tags             []string // sorted: the kernel keeps no order
	Env              map[string]string
	Label            *Label
	Slots            []Slot
}

// Label is a nested block of an item.
type Label struct {
	Text string `diy:"text,required"`
	Pin  string `diy:"pin,sensitive"`
}

// Slot is a repeated nested block of an item.
type Slot struct {
	Port int    `diy:"port,required" min:"1" max:"65535"`
	Note string `diy:"note"`
}

// Rail is what items are joined to.
type Rail struct {
	Serial, Width int
	Mark          string
}

// User needs a box.
type User struct {
	Serial         int
	Box, Job, Mark string
}

// New gives an empty world.
func New() *World {
	return &World{
		Boxes: map[string]*Box{}, Items: map[ItemKey]*Item{}, Rails: map[string]*Rail{}, Users: map[string]*User{},
		failures: map[string]bool{},
	}
}

// Fail makes every operation of that action on that address fail until Heal: with partly
// after half of the work, else before any of it.
func (w *World) Fail(action, address string, partly bool) { w.failures[action+" "+address] = partly }

// Heal ends all failures.
func (w *World) Heal() { clear(w.failures) }

// Clone gives a world in which the same is there, as it is now. Call it between runs, or in
// Before or After.
func (w *World) Clone() *World {
	c := New()
	c.serial = w.serial
	copyThings(c.Boxes, w.Boxes)
	copyThings(c.Items, w.Items)
	copyThings(c.Rails, w.Rails)
	copyThings(c.Users, w.Users)
	return c
}

// Reboot gives the world after a reboot: rails are on disk.
func (w *World) Reboot() *World {
	again := New()
	copyThings(again.Rails, w.Rails)
	return again
}

func copyThings[K comparable, T any](to, from map[K]*T) {
	for k, v := range from {
		copied := *v
		to[k] = &copied
	}
}

// Empty reports whether nothing is there.
func (w *World) Empty() bool { return len(w.Boxes)+len(w.Items)+len(w.Rails)+len(w.Users) == 0 }

// String lists what is there, a line each.
func (w *World) String() string {
	var lines []string
	add := func(format string, args ...any) { lines = append(lines, fmt.Sprintf(format, args...)) }
	for name, b := range w.Boxes {
		add("box %s serial=%d revision=%d size=%d%s", name, b.Serial, b.Revision, b.Size,
			pairs("color", b.Color, "note", b.Note, "secret", b.Secret))
	}
	for key, i := range w.Items {
		add("item %s/%s serial=%d%s%s", key.Box, key.Name, i.Serial, pairs("rail", i.Rail, "note", i.Note), i.rest())
	}
	for name, r := range w.Rails {
		add("rail %s serial=%d width=%d", name, r.Serial, r.Width)
	}
	for name, u := range w.Users {
		add("user %s serial=%d%s", name, u.Serial, pairs("box", u.Box, "job", u.Job))
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n") + "\n"
}

func (i *Item) rest() string {
	var b strings.Builder
	if len(i.Tags) > 0 {
		fmt.Fprintf(&b, " tags=%s", strings.Join(i.Tags, ","))
	}
	if len(i.Env) > 0 {
		fmt.Fprintf(&b, " env=%v", i.Env)
	}
	if i.Label != nil {
		fmt.Fprintf(&b, " label=%s", i.Label.Text)
	}
	for _, s := range i.Slots {
		fmt.Fprintf(&b, " slot=%d%s", s.Port, s.Note)
	}
	return b.String()
}

func pairs(nameAndValue ...string) string {
	var b strings.Builder
	for pair := range slices.Chunk(nameAndValue, 2) {
		if pair[1] != "" {
			fmt.Fprintf(&b, " %s=%q", pair[0], pair[1])
		}
	}
	return b.String()
}

// nextSerial gives what a kernel gives to what it makes.
func (w *World) nextSerial() int {
	w.serial++
	return w.serial
}

func (w *World) violation(format string, args ...any) {
	w.Violations = append(w.Violations, fmt.Sprintf(format, args...))
}

// The places of this world.
func boxPlace(name string) providers.Place  { return providers.Place{Kind: "box", Name: name} }
func railPlace(name string) providers.Place { return providers.Place{Kind: "rail", Name: name} }
func userPlace(name string) providers.Place { return providers.Place{Kind: "user", Name: name} }
func itemPlace(key ItemKey) providers.Place {
	return providers.Place{Kind: "item", Namespace: key.Box, Name: key.Name}
}
