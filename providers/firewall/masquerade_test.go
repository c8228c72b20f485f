package firewall

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/nftables/expr"
	"github.com/zclconf/go-cty/cty"

	"github.com/diyform/diyform/internal/addr"
	"github.com/diyform/diyform/internal/linux/nft"
	"github.com/diyform/diyform/internal/playhost/playtest"
	"github.com/diyform/diyform/providers"
	"github.com/diyform/diyform/providers/schema"
)

func TestMain(m *testing.M) { os.Exit(playtest.Main(m)) }

var env = providers.Env{Lineage: "0a1b2c3d-0000-4000-8000-000000000000"}

const tableName = "diyform_0a1b2c3d"

func at(name string) addr.Instance {
	return addr.Resource{Type: "masquerade", Name: name}.Instance(addr.Key{})
}

// forms are masquerades with the rule that one would write by hand.
var forms = map[string]struct {
	attrs masqueradeAttrs
	rule  string
}{
	"everything":   {masqueradeAttrs{}, `masquerade`},
	"interface":    {masqueradeAttrs{OutInterface: "eth0"}, `oifname "eth0" masquerade`},
	"long_name":    {masqueradeAttrs{OutInterface: "wlp0s20f3abcdef"}, `oifname "wlp0s20f3abcdef" masquerade`},
	"nat_lab":      {masqueradeAttrs{Source: "10.0.0.0/24", OutInterface: "eth0"}, `ip saddr 10.0.0.0/24 oifname "eth0" masquerade`},
	"odd_bits":     {masqueradeAttrs{Source: "10.128.0.0/9"}, `ip saddr 10.128.0.0/9 masquerade`},
	"one_host":     {masqueradeAttrs{Source: "10.0.0.7/32"}, `ip saddr 10.0.0.7 masquerade`},
	"any_ipv4":     {masqueradeAttrs{Source: "0.0.0.0/0"}, `ip saddr 0.0.0.0/0 masquerade`},
	"to":           {masqueradeAttrs{Destination: "192.0.2.0/25"}, `ip daddr 192.0.2.0/25 masquerade`},
	"from_to":      {masqueradeAttrs{Source: "10.0.0.0/8", Destination: "192.0.2.0/24"}, `ip saddr 10.0.0.0/8 ip daddr 192.0.2.0/24 masquerade`},
	"ipv6":         {masqueradeAttrs{Source: "fd00:1::/64", OutInterface: "eth0"}, `ip6 saddr fd00:1::/64 oifname "eth0" masquerade`},
	"ipv6_odd":     {masqueradeAttrs{Source: "fc00::/7", Destination: "2001:db8::/33"}, `ip6 saddr fc00::/7 ip6 daddr 2001:db8::/33 masquerade`},
	"ipv6_host_to": {masqueradeAttrs{Destination: "2001:db8::1/128"}, `ip6 daddr 2001:db8::1 masquerade`},
}

func TestReadUndoesRules(t *testing.T) {
	for name, form := range forms {
		t.Run(name, func(t *testing.T) {
			rule := nft.Rule{
				Chain: "postrouting", Handle: 7, Comment: env.Mark(at(name)),
				Exprs: masquerade{}.rules(&form.attrs)[0].exprs,
			}
			got := read(t, name, masqueradeAttrs{}, rule)
			if got == nil {
				t.Fatal("the rule reads as gone")
			}
			form.attrs.Status = statusActive
			if diff := cmp.Diff(form.attrs, got.Attrs); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// read reads the masquerade of that name from a snapshot of the host with these rules.
func read(t *testing.T, name string, recorded masqueradeAttrs, rules ...nft.Rule) *providers.Recorded[masqueradeAttrs, identity] {
	t.Helper()
	s := &snapshot{session: &session{env: env}, namespaces: map[string]*reading{
		"": {rules: nft.Ruleset{Exists: len(rules) > 0, Chains: []nft.Chain{postrouting}, Rules: rules}},
	}}
	got, err := masquerade{}.Read(s, &providers.Recorded[masqueradeAttrs, identity]{Address: at(name), Attrs: recorded})
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func TestReadTellsWhatIsWrong(t *testing.T) {
	good := func() nft.Rule {
		return nft.Rule{
			Chain: "postrouting", Handle: 7, Comment: env.Mark(at("wan")),
			Exprs: append(match{source: parsePrefix("10.0.0.0/24")}.exprs(), &expr.Masq{}),
		}
	}
	counted, accepted, random, elsewhere, foreign := good(), good(), good(), good(), good()
	counted.Opaque = true
	accepted.Exprs = accepted.Exprs[:len(accepted.Exprs)-1]
	random.Exprs[len(random.Exprs)-1] = &expr.Masq{Random: true}
	elsewhere.Chain = "prerouting"
	foreign.Comment = "diyform:ffffffff:masquerade.wan"
	for name, test := range map[string]struct {
		rules  []nft.Rule
		status string // "": gone
	}{
		"as made":                    {[]nft.Rule{good()}, statusActive},
		"no rule":                    {nil, ""},
		"another state's":            {[]nft.Rule{foreign}, ""},
		"another expression":         {[]nft.Rule{counted}, statusChanged},
		"no masquerade":              {[]nft.Rule{accepted}, statusChanged},
		"masquerade with parameters": {[]nft.Rule{random}, statusChanged},
		"another chain":              {[]nft.Rule{elsewhere}, statusElsewhere},
		"twice":                      {[]nft.Rule{good(), good()}, statusTwice},
		"behind a foreign one":       {[]nft.Rule{{Chain: "postrouting", Handle: 3}, good()}, statusBehind},
		"before a foreign one":       {[]nft.Rule{good(), {Chain: "postrouting", Handle: 9}}, statusActive},
	} {
		t.Run(name, func(t *testing.T) {
			switch got := read(t, "wan", masqueradeAttrs{}, test.rules...); {
			case got == nil && test.status != "":
				t.Error("reads as gone")
			case got != nil && got.Attrs.Status != test.status:
				t.Errorf("read %+v", got)
			}
		})
	}
	if read(t, "wan", masqueradeAttrs{Namespace: "deleted"}, good()) != nil {
		t.Error("a rule in a namespace that is gone is there")
	}
}

func TestMasqueradeValidate(t *testing.T) {
	mixed := &masqueradeAttrs{Source: "10.0.0.0/24", Destination: "fd00::/8"}
	if err := (masquerade{}).Validate(mixed, nil); err == nil {
		t.Error("IPv4 and IPv6 in one rule pass")
	}
	mixed.Destination = "" // not known yet
	if err := (masquerade{}).Validate(mixed, schema.Unknown{"destination": true}); err != nil {
		t.Error(err)
	}
}

// lab is a session with the real kernel.
type lab struct {
	t       *testing.T
	typ     providers.Type
	session providers.Session
}

func newLab(t *testing.T) *lab {
	playtest.Require(t)
	registry := providers.NewRegistry(Provider())
	sessions, err := registry.Open(env)
	if err != nil {
		t.Fatal(err)
	}
	l := &lab{t: t, typ: registry.Type("masquerade"), session: sessions.OfType("masquerade")}
	t.Cleanup(func() {
		if err := sessions.Close(); err != nil {
			t.Error(err)
		}
		_ = exec.Command("nft", "flush", "ruleset").Run() // of the playhost
	})
	return l
}

func (l *lab) encode(v masqueradeAttrs) cty.Value {
	v.Status = statusActive
	return l.typ.Schema().Encode(&v)
}

func (l *lab) create(wanted map[string]masqueradeAttrs) map[string]*providers.Object {
	l.t.Helper()
	var ops []*providers.Operation
	for name, v := range wanted {
		ops = append(ops, &providers.Operation{Action: providers.Create, Type: "masquerade", Address: at(name), Planned: l.encode(v)})
	}
	return l.apply(ops)
}

func (l *lab) apply(ops []*providers.Operation) map[string]*providers.Object {
	l.t.Helper()
	l.session.Prepare(context.Background(), ops)
	done := 0
	l.session.Apply(context.Background(), ops, func(*providers.Operation) { done++ })
	out := map[string]*providers.Object{}
	for _, o := range ops {
		if o.Err != nil {
			l.t.Error(o.Err)
		}
		if o.Result != nil {
			out[o.Address.Name] = o.Result
		}
	}
	if done != len(ops) {
		l.t.Errorf("%d of %d operations are done", done, len(ops))
	}
	return out
}

func (l *lab) read(o *providers.Object) *providers.Object {
	l.t.Helper()
	got := l.session.Snapshot().Read(context.Background(), []*providers.Object{o})[0]
	if got.Err != nil {
		l.t.Error(got.Err)
	}
	return got.Object
}

func (l *lab) delete(objects map[string]*providers.Object) {
	l.t.Helper()
	var ops []*providers.Operation
	for _, o := range objects {
		ops = append(ops, &providers.Operation{Action: providers.Delete, Type: "masquerade", Address: o.Address, Prior: o})
	}
	l.apply(ops)
}

// listing is what nft(8) shows of a table, without handles and the table's name.
func listing(t *testing.T, table string) string {
	t.Helper()
	var doc struct {
		Nftables []map[string]map[string]any `json:"nftables"`
	}
	if err := json.Unmarshal(run(t, "", "nft", "-j", "list", "table", "inet", table), &doc); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	for _, object := range doc.Nftables {
		for kind, fields := range object {
			if kind == "metainfo" {
				continue
			}
			delete(fields, "handle")
			delete(fields, "table")
			if kind == "table" {
				delete(fields, "name")
			}
			b, err := json.Marshal(fields)
			if err != nil {
				t.Fatal(err)
			}
			fmt.Fprintf(&out, "%s %s\n", kind, b)
		}
	}
	return out.String()
}

func run(t *testing.T, stdin string, command ...string) []byte {
	t.Helper()
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Stdin = strings.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %v\n%s", command, err, out)
	}
	return out
}

func exists(table string) bool {
	return exec.Command("nft", "list", "table", "inet", table).Run() == nil
}

func TestRulesReadAsWrittenByHand(t *testing.T) {
	for name, form := range forms {
		t.Run(name, func(t *testing.T) {
			l := newLab(t)
			objects := l.create(map[string]masqueradeAttrs{name: form.attrs})
			run(t, fmt.Sprintf(`table inet byhand {
				chain postrouting {
					type nat hook postrouting priority srcnat; policy accept;
					%s comment "%s"
				}
			}`, form.rule, env.Mark(at(name))), "nft", "-f", "-")
			if diff := cmp.Diff(listing(t, "byhand"), listing(t, tableName)); diff != "" {
				t.Errorf("by hand (-), by us (+):\n%s", diff)
			}
			if got := l.read(objects[name]); got == nil || !got.Attributes.RawEquals(objects[name].Attributes) {
				t.Errorf("read back %#v", got)
			}
			l.delete(objects)
			if exists(tableName) {
				t.Error("the table is left")
			}
		})
	}
}

func TestMasqueradeLife(t *testing.T) {
	l := newLab(t)
	objects := l.create(map[string]masqueradeAttrs{
		"a": {Source: "10.0.0.0/24", OutInterface: "eth0"},
		"b": {Source: "fd00::/64", OutInterface: "eth0"},
		"c": {OutInterface: "eth1"},
	})

	planned := l.encode(masqueradeAttrs{Source: "10.9.0.0/24"})
	for name, o := range l.apply([]*providers.Operation{{
		Action: providers.Update, Type: "masquerade", Address: at("a"), Prior: objects["a"], Planned: planned,
	}}) {
		objects[name] = o
	}
	if got := l.read(objects["a"]); !got.Attributes.RawEquals(planned) {
		t.Errorf("read after update: %#v", got.Attributes)
	}
	if got := string(run(t, "", "nft", "list", "ruleset")); strings.Count(got, "masquerade.") != 3 {
		t.Errorf("not three rules after the update:\n%s", got)
	}

	run(t, "", "nft", "add", "set", "inet", tableName, "mine", "{ type ipv4_addr; }")
	l.delete(objects)
	if got := listing(t, tableName); strings.Contains(got, "chain ") || !strings.Contains(got, "mine") {
		t.Errorf("what others put into our table, and only that, is to stay:\n%s", got)
	}
	l.delete(objects) // of what is gone already
}

func TestDrift(t *testing.T) {
	l := newLab(t)
	objects := l.create(map[string]masqueradeAttrs{"wan": {OutInterface: "eth0"}})
	run(t, "", "nft", "delete", "table", "inet", tableName)
	if got := l.read(objects["wan"]); got != nil {
		t.Errorf("the deleted rule reads as %#v", got)
	}
	l.create(map[string]masqueradeAttrs{"wan": {OutInterface: "eth0"}})
	run(t, fmt.Sprintf("flush chain inet %s postrouting\nadd rule inet %[1]s postrouting oifname eth9 masquerade comment \"%s\"\n",
		tableName, env.Mark(at("wan"))), "nft", "-f", "-")
	want := l.encode(masqueradeAttrs{OutInterface: "eth9"})
	if got := l.read(objects["wan"]); got == nil || !got.Attributes.RawEquals(want) {
		t.Errorf("the rule that was changed by hand reads as %#v", got)
	}
}

// Creating what a crashed run made already gives one rule, not two.
func TestCreateTwice(t *testing.T) {
	l := newLab(t)
	for range 2 {
		l.create(map[string]masqueradeAttrs{"wan": {OutInterface: "eth0"}})
	}
	if got := listing(t, tableName); strings.Count(got, "rule ") != 1 {
		t.Errorf("not one rule:\n%s", got)
	}
}

func TestManyRulesAtOnce(t *testing.T) {
	l := newLab(t)
	many := map[string]masqueradeAttrs{}
	for i := range 1000 {
		many[fmt.Sprintf("r%d", i)] = masqueradeAttrs{Source: fmt.Sprintf("10.%d.%d.0/24", i/250, i%250), OutInterface: "eth0"}
	}
	objects := l.create(many)
	if got := listing(t, tableName); strings.Count(got, "rule ") != len(many) {
		t.Errorf("%d rules", strings.Count(got, "rule "))
	}
	l.delete(objects)
	if exists(tableName) {
		t.Error("the table is left")
	}
}

func TestLongAddressIsACommentThatNftReadsBack(t *testing.T) {
	l := newLab(t)
	name := strings.Repeat("long", 40)
	objects := l.create(map[string]masqueradeAttrs{name: {OutInterface: "eth0"}})
	saved := string(run(t, "", "nft", "list", "ruleset"))
	run(t, "flush ruleset\n"+saved, "nft", "-f", "-")
	if l.read(objects[name]) == nil {
		t.Error("the restored rule is not known as ours")
	}
}

func TestCheckNamespace(t *testing.T) {
	l := newLab(t)
	check := func(namespace string, promised bool) error {
		return l.session.Snapshot().Check(context.Background(), []providers.Proposal{{
			Address: at("wan"), Planned: l.encode(masqueradeAttrs{Namespace: namespace}),
			Promised: map[providers.Place]bool{providers.NetworkNamespace(namespace): promised},
		}})[0]
	}
	if err := check("", false); err != nil {
		t.Error(err)
	}
	if err := check("coming", true); err != nil {
		t.Error(err)
	}
	if err := check("nowhere", false); err == nil || !strings.Contains(err.Error(), "no resource of the configuration makes it") {
		t.Errorf("a namespace that does not exist: %v", err)
	}
}

func TestNamespaceThatVanished(t *testing.T) {
	l := newLab(t)
	o := &providers.Object{Address: at("wan"), Attributes: l.encode(masqueradeAttrs{Namespace: "vanished"})}
	if got := l.read(o); got != nil {
		t.Errorf("read %#v", got)
	}
	l.delete(map[string]*providers.Object{"wan": o})
	op := &providers.Operation{Action: providers.Create, Type: "masquerade", Address: at("wan"), Planned: o.Attributes}
	l.session.Apply(context.Background(), []*providers.Operation{op}, func(*providers.Operation) {})
	if op.Err == nil || op.Result != nil || !strings.Contains(op.Err.Error(), fs.ErrNotExist.Error()) && !strings.Contains(op.Err.Error(), "vanished") {
		t.Errorf("creating in a namespace that is gone: %v", op.Err)
	}
}
