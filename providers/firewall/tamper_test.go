package firewall

import (
	"slices"
	"strings"
	"testing"

	"github.com/diyform/diyform/providers"
)

// tampering is what others may do to our table, with the rule of masquerade.a in it.
var tampering = map[string]struct {
	script, status string
	foreign        bool // rules of others are put in, so that the table stays after destroy
}{
	"dormant":        {"add table inet TABLE { flags dormant; }", statusDormant, false},
	"policy":         {"add chain inet TABLE postrouting { type nat hook postrouting priority 100; policy drop; }", statusPolicy, false},
	"priority":       {"delete chain inet TABLE postrouting; add chain inet TABLE postrouting { type nat hook postrouting priority 200; }; RULE A; RULE B", statusRemade, false},
	"hook":           {"delete chain inet TABLE postrouting; add chain inet TABLE postrouting { type nat hook input priority 100; }; add rule inet TABLE postrouting oifname eth0 counter comment MARKA; add rule inet TABLE postrouting accept comment MARKB", statusRemade, false},
	"no hook":        {"delete chain inet TABLE postrouting; add chain inet TABLE postrouting; add rule inet TABLE postrouting accept comment MARKA; add rule inet TABLE postrouting accept comment MARKB", statusRemade, false},
	"all at once":    {"delete chain inet TABLE postrouting; add chain inet TABLE postrouting { type nat hook postrouting priority 200; policy drop; }; RULE A; RULE B THEN add table inet TABLE { flags dormant; }", statusDormant, false},
	"foreign before": {"insert rule inet TABLE postrouting ip saddr { 192.0.2.1, 192.0.2.7-192.0.2.9 } counter accept", statusBehind, true},
	"foreign remade": {"delete chain inet TABLE postrouting; add chain inet TABLE postrouting { type nat hook postrouting priority 200; }; add rule inet TABLE postrouting counter log accept; RULE A; RULE B", statusRemade, true},
	"another chain":  {"add chain inet TABLE other { type nat hook postrouting priority 101; }; flush chain inet TABLE postrouting; add rule inet TABLE other oifname eth0 masquerade comment MARKA; add rule inet TABLE other oifname eth1 masquerade comment MARKB", statusElsewhere, false},
	"rules flushed":  {"flush table inet TABLE", statusMissing, false},
	"rule changed":   {"flush chain inet TABLE postrouting; add rule inet TABLE postrouting counter comment MARKA; RULE B", statusChanged, false},
}

var tampered = map[string]masqueradeAttrs{"a": {OutInterface: "eth0"}, "b": {OutInterface: "eth1"}}

func tamper(t *testing.T, script string) {
	t.Helper()
	script = strings.NewReplacer(
		"; ", "\n", "RULE A", "add rule inet TABLE postrouting oifname eth0 masquerade comment MARKA",
		"RULE B", "add rule inet TABLE postrouting oifname eth1 masquerade comment MARKB",
	).Replace(script)
	script = strings.NewReplacer("\n}", "; }", "\npolicy", "; policy", "TABLE", tableName,
		"MARKA", `"`+env.Mark(at("a"))+`"`, "MARKB", `"`+env.Mark(at("b"))+`"`).Replace(script)
	if strings.HasPrefix(script, "delete chain") {
		script = "flush chain inet " + tableName + " postrouting\n" + script
	}
	for step := range strings.SplitSeq(script, " THEN ") {
		run(t, step, "nft", "-f", "-")
	}
}

func sortedLines(s string) string {
	lines := strings.Split(s, "\n")
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

func TestTamperingIsSeenAndRepaired(t *testing.T) {
	for name, test := range tampering {
		t.Run(name, func(t *testing.T) {
			l := newLab(t)
			objects := l.create(tampered)
			untouched := listing(t, tableName)
			tamper(t, test.script)
			var ops []*providers.Operation
			for _, name := range []string{"a", "b"} {
				got := l.read(objects[name])
				if got == nil {
					t.Fatalf("%s reads as gone", name)
				}
				status := got.Attributes.GetAttr("status").AsString()
				if name == "a" && status != test.status {
					t.Errorf("its status is %q, not %q", status, test.status)
				}
				if status != statusActive {
					ops = append(ops, &providers.Operation{
						Action: providers.Update, Type: "masquerade", Address: at(name), Prior: got, Planned: l.encode(tampered[name]),
					})
				}
			}
			for name, o := range l.apply(ops) {
				objects[name] = o
			}
			for name, o := range objects {
				if got := l.read(o); !got.Attributes.RawEquals(l.encode(tampered[name])) {
					t.Errorf("after the repair %s reads as %#v", name, got.Attributes)
				}
			}
			repaired := listing(t, tableName)
			switch {
			case !test.foreign && name != "another chain" && sortedLines(repaired) != sortedLines(untouched):
				t.Errorf("before\n%s\nrepaired\n%s", untouched, repaired)
			case test.foreign && strings.Count(repaired, `"accept":null`) != 1:
				t.Errorf("the rule of somebody else is not there once:\n%s", repaired)
			}
			l.delete(objects)
			if exists(tableName) != test.foreign {
				t.Errorf("after destroy the table is there: %v", !test.foreign)
			}
		})
	}
}

func TestTamperedTableIsDestroyed(t *testing.T) {
	for name, test := range tampering {
		t.Run(name, func(t *testing.T) {
			l := newLab(t)
			objects := l.create(tampered)
			tamper(t, test.script)
			for name, o := range objects {
				if objects[name] = l.read(o); objects[name] == nil {
					t.Fatalf("%s reads as gone, so that destroy forgets it", name)
				}
			}
			l.delete(objects)
			if exists(tableName) != test.foreign {
				t.Errorf("after destroy the table is there: %v", !test.foreign)
			}
		})
	}
}

// One repair is enough, whichever of the resources it is planned for: nothing of another one
// gets lost with the chain that is made anew.
func TestRepairKeepsOtherRules(t *testing.T) {
	l := newLab(t)
	objects := l.create(tampered)
	tamper(t, tampering["priority"].script)
	l.apply([]*providers.Operation{{
		Action: providers.Update, Type: "masquerade", Address: at("b"), Prior: objects["b"], Planned: l.encode(tampered["b"]),
	}})
	for name, o := range objects {
		if got := l.read(o); got == nil || !got.Attributes.RawEquals(l.encode(tampered[name])) {
			t.Errorf("%s reads as %#v", name, got)
		}
	}
}
