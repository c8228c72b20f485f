package apply_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
)

// wanted is a random configuration: resources by name, each with its arguments as they
// stand in the file.
type wanted struct {
	boxes, rails, items, users map[string]arguments
	renamed                    int
	modular                    bool // boxes and rails are in a module of their own

	labels map[string]string // of items and users that were moved, by "item.i0"
	moves  string            // the moved blocks of this edit
}

// arguments are expressions by name; a nested block's stand under "label" and "slot".
type arguments map[string]string

func newWanted() *wanted {
	return &wanted{boxes: map[string]arguments{}, rails: map[string]arguments{}, items: map[string]arguments{}, users: map[string]arguments{}, labels: map[string]string{}}
}

// edit adds, changes and removes some resources, and then gives back their boxes and rails
// to those that lost them.
func (w *wanted) edit(r *rand.Rand) {
	for i := range 5 {
		editOne(r, w.boxes, fmt.Sprintf("b%d", i), func(a arguments) { w.editBox(r, i, a) })
	}
	for i := range 3 {
		editOne(r, w.rails, fmt.Sprintf("r%d", i), func(a arguments) { w.editRail(r, a) })
	}
	w.separateNames(r)
	for i := range 8 {
		editOne(r, w.items, fmt.Sprintf("i%d", i), func(a arguments) { w.editItem(r, i, a) })
	}
	for i := range 3 {
		editOne(r, w.users, fmt.Sprintf("u%d", i), func(a arguments) { w.editUser(r, a) })
	}
	w.mend(r)
	w.moves = ""
	w.move(r, "item", w.items)
	w.move(r, "user", w.users)
}

// move gives some resources another address.
func (w *wanted) move(r *rand.Rand, typ string, all map[string]arguments) {
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if r.IntN(5) > 0 {
			continue
		}
		w.renamed++
		from := w.label(typ, name)
		w.labels[typ+"."+name] = fmt.Sprintf("%s_%d", name, w.renamed)
		w.moves += fmt.Sprintf("moved {\n  from = %s.%s\n  to   = %s.%s\n}\n", typ, from, typ, w.label(typ, name))
	}
}

// label gives the name that a resource has now.
func (w *wanted) label(typ, name string) string {
	if label := w.labels[typ+"."+name]; label != "" {
		return label
	}
	return name
}

func editOne(r *rand.Rand, list map[string]arguments, name string, edit func(arguments)) {
	switch n := r.IntN(10); {
	case list[name] == nil && n < 6:
		list[name] = arguments{}
		edit(list[name])
	case n < 2:
		delete(list, name)
	case n < 5 && list[name] != nil:
		edit(list[name])
	}
}

func pick(r *rand.Rand, list ...string) string { return list[r.IntN(len(list))] }

// put sets an argument, or takes it away.
func (a arguments) put(name, value string) {
	a[name] = value
	if value == "" {
		delete(a, name)
	}
}

func (w *wanted) editBox(r *rand.Rand, i int, a arguments) {
	a.put("size", pick(r, "", "2", "3", "local.size"))
	a.put("color", pick(r, "", "", `"red"`, `"blue"`))
	// A name once given stays until another is: left out, it is what it was.
	if own := fmt.Sprintf("%q", fmt.Sprint("b", i)); a["name"] != "" || r.IntN(3) == 0 {
		a.put("name", pick(r, own, own, `"shared"`))
	}
	note := pick(r, "", `"n"`, "serial")
	if note == "serial" { // of a box before this one, so that there is no circle
		note = ""
		if before := fmt.Sprintf("b%d", r.IntN(i+1)); w.boxes[before] != nil && before != fmt.Sprintf("b%d", i) {
			note = fmt.Sprintf(`"after ${box.%s.serial}"`, before)
		}
	}
	if w.createsFirst(r, a) {
		w.renamed++
		a.put("name", fmt.Sprintf(`"box-%d"`, w.renamed))
		note = "" // what it referred to would have to be made first too
	}
	a.put("note", note)
}

func (w *wanted) editRail(r *rand.Rand, a arguments) {
	a.put("width", pick(r, "", "8"))
	if w.createsFirst(r, a) || r.IntN(3) == 0 {
		w.renamed++
		a.put("name", fmt.Sprintf(`"rail-%d"`, w.renamed))
	}
}

// createsFirst has something replaced by another that is made before: it must have a new name.
func (w *wanted) createsFirst(r *rand.Rand, a arguments) bool {
	a.put("lifecycle", pick(r, "", "create_before_destroy = true"))
	return a["lifecycle"] != ""
}

// separateNames lets one box alone have the shared name.
func (w *wanted) separateNames(r *rand.Rand) {
	var holders []string
	for name, a := range w.boxes {
		if a["name"] == `"shared"` {
			holders = append(holders, name)
		}
	}
	slices.Sort(holders)
	for len(holders) > 1 {
		i := r.IntN(len(holders))
		w.boxes[holders[i]]["name"] = fmt.Sprintf("%q", holders[i])
		holders = slices.Delete(holders, i, i+1)
	}
}

func (w *wanted) editItem(r *rand.Rand, i int, a arguments) {
	a.put("box", "")
	a.put("rail", "")
	if r.IntN(2) == 0 {
		a.put("rail", "any")
	}
	a.put("tags", pick(r, "", `["a", "b"]`, `["b", "a"]`, `[for n in ["x", "y"] : "t${n}"]`))
	a.put("env", pick(r, "", `{ A = 1 }`, `{ A = 1, B = "c" }`))
	a.put("label", pick(r, "", `text = "l"`, `text = local.size`))
	a.put("slot", pick(r, "", "port = 80", `port = 443`))
	a.put("count", pick(r, "", "", "2"))
	a.put("note", pick(r, "", `"n"`, `"all ${join(",", [for b in values({`+w.list("box", w.boxes)+`}) : b.serial])}"`))
}

func (w *wanted) list(typ string, all map[string]arguments) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(all)) {
		parts = append(parts, fmt.Sprintf("%s = %s.%s", name, typ, name))
	}
	return strings.Join(parts, ", ")
}

func (w *wanted) editUser(r *rand.Rand, a arguments) {
	a.put("box", "")
	a.put("job", pick(r, "", `"j"`, `"k"`))
}

// mend makes every reference one to something that is there.
func (w *wanted) mend(r *rand.Rand) {
	for _, name := range slices.Sorted(maps.Keys(w.boxes)) {
		if a := w.boxes[name]; !w.refersToBoxes(a["note"]) {
			a.put("note", "")
		}
	}
	for _, name := range slices.Sorted(maps.Keys(w.items)) {
		a := w.items[name]
		if !w.refersToBoxes(a["note"]) {
			a.put("note", "")
		}
		if !w.refersToBoxes(a["box"]) || a["box"] == "" {
			a.put("box", w.reference(r, "box", w.boxes))
		}
		if rail := a["rail"]; rail != "" && (rail == "any" || w.rails[nameIn(rail)] == nil) {
			a.put("rail", w.reference(r, "rail", w.rails))
		}
		if a["box"] == "" {
			delete(w.items, name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(w.users)) {
		a := w.users[name]
		if !w.refersToBoxes(a["box"]) || a["box"] == "" {
			a.put("box", w.reference(r, "box", w.boxes))
		}
		if a["box"] == "" {
			delete(w.users, name)
		}
	}
}

func (w *wanted) reference(r *rand.Rand, typ string, all map[string]arguments) string {
	if len(all) == 0 {
		return ""
	}
	return typ + "." + pick(r, slices.Sorted(maps.Keys(all))...) + ".name"
}

func nameIn(reference string) string { return strings.Split(reference, ".")[1] }

// refersToBoxes reports whether all boxes in the expression are there.
func (w *wanted) refersToBoxes(expr string) bool {
	for rest := expr; ; {
		_, after, found := strings.Cut(rest, "box.")
		if !found {
			return true
		}
		if w.boxes[after[:2]] == nil {
			return false
		}
		rest = after
	}
}

func (w *wanted) String() string {
	if w.modular {
		return w.files()["main.diy.hcl"] + "# base/main.diy.hcl\n" + w.files()["base/main.diy.hcl"]
	}
	return w.files()["main.diy.hcl"]
}

// files are those of the configuration: one, or, if it is modular, the root module and one with
// the boxes and rails, which are outputs of it.
func (w *wanted) files() map[string]string {
	locals := "locals {\n  size = 4\n}\n"
	base := w.resourceBlocks("box", w.boxes) + w.resourceBlocks("rail", w.rails)
	root := w.resourceBlocks("user", w.users) + w.resourceBlocks("item", w.items) + w.moves
	if !w.modular {
		return map[string]string{"main.diy.hcl": locals + base + root}
	}
	outputs := outputsOf("box", w.boxes) + outputsOf("rail", w.rails)
	root = strings.NewReplacer("box.b", "module.base.box_b", "rail.r", "module.base.rail_r").Replace(root)
	return map[string]string{
		"main.diy.hcl":      locals + "module \"base\" {\n  source = \"./base\"\n  size = local.size\n}\n" + root,
		"base/main.diy.hcl": "variable \"size\" {}\nlocals {\n  size = var.size\n}\n" + outputs + base,
	}
}

func (w *wanted) resourceBlocks(typ string, all map[string]arguments) string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(all)) {
		fmt.Fprintf(&b, "\nresource %q %q {\n%s}\n", typ, w.label(typ, name), all[name])
	}
	return b.String()
}

func outputsOf(typ string, all map[string]arguments) string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(all)) {
		fmt.Fprintf(&b, "output \"%s_%s\" {\n  value = %[1]s.%[2]s\n}\n", typ, name)
	}
	return b.String()
}

func (a arguments) String() string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(a)) {
		if name == "label" || name == "slot" || name == "lifecycle" {
			fmt.Fprintf(&b, "  %s {\n    %s\n  }\n", name, a[name])
			continue
		}
		fmt.Fprintf(&b, "  %s = %s\n", name, a[name])
	}
	return b.String()
}
