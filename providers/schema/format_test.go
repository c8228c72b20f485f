package schema_test

import (
	"strings"
	"testing"

	"github.com/zclconf/go-cty/cty"

	"github.com/diyform/diyform/providers/schema"
)

type formatted struct {
	Address     string   `diy:"address" format:"address"`
	Prefix      string   `diy:"prefix" format:"prefix"`
	Destination string   `diy:"destination" format:"destination"`
	IP          string   `diy:"ip" format:"ip"`
	MAC         string   `diy:"mac" format:"mac"`
	Interface   string   `diy:"interface" format:"interface"`
	Namespace   string   `diy:"namespace" format:"namespace"`
	Path        string   `diy:"path" format:"path"`
	Kind        string   `diy:"kind" enum:"veth,bridge"`
	Number      int      `diy:"number" min:"-1" max:"10"`
	Free        int      `diy:"free"`
	Index       uint32   `diy:"index"`
	Hash        uint64   `diy:"hash"`
	Ratio       float64  `diy:"ratio" min:"0"`
	Numbers     []int    `diy:"numbers"`
	List        []string `diy:"list" format:"ip"`
}

var formats = schema.Of[formatted]()

// "=" stands for what is written already in the one way.
var accepted = []struct{ attribute, given, want string }{
	{"address", "10.0.0.1/24", "="},
	{"address", "10.0.0.1/32", "="},
	{"address", "fd00:0::01/64", "fd00::1/64"},
	{"address", "::ffff:1.2.3.4/120", "="},
	{"prefix", "10.0.0.0/24", "="},
	{"prefix", "0.0.0.0/0", "="},
	{"prefix", "FD00::/8", "fd00::/8"},
	{"destination", "default", "="},
	{"destination", "10.0.0.0/8", "="},
	{"ip", "10.0.0.1", "="},
	{"ip", "FE80::1%eth0", "fe80::1%eth0"},
	{"ip", "0:0:0:0:0:0:0:1", "::1"},
	{"mac", "02:00:5E:10:00:01", "02:00:5e:10:00:01"},
	{"mac", "02-00-5e-10-00-01", "02:00:5e:10:00:01"},
	{"mac", "0200.5e10.0001", "02:00:5e:10:00:01"},
	{"interface", "eth0", "="},
	{"interface", "exactly15bytes!", "="},
	{"interface", "ä", "="},
	{"namespace", "lab one", "="},
	{"namespace", strings.Repeat("n", 255), "="},
	{"path", "/", "="},
	{"path", "/a/../b", "="},
	{"kind", "veth", "="},
}

var refused = []struct{ attribute, given, problem string }{
	{"address", "10.0.0.1", "the prefix length is missing: write it as in 10.0.0.1/24"},
	{"address", "10.0.0.256/24", `"10.0.0.256" is not an IP address`},
	{"address", "10.0.0.1/33", `"33" is not a prefix length for 10.0.0.1`},
	{"address", "10.0.0.1/", `"" is not a prefix length for 10.0.0.1`},
	{"address", "fe80::1%eth0/64", "a zone cannot stand"},
	{"address", "", "the prefix length is missing"},
	{"prefix", "10.0.0.1/24", "bits are set beyond the prefix length: the network is 10.0.0.0/24"},
	{"prefix", "10.0.0.0", "the prefix length is missing: write it as in 10.0.0.0/24"},
	{"prefix", "net/24", `"net" is not an IP address`},
	{"destination", "Default", "the prefix length is missing"},
	{"ip", "10.0.0.1/24", "is not an IP address"},
	{"ip", "", "is not an IP address"},
	{"mac", "02:00:5e:10:00", "write six bytes"},
	{"mac", "02:00:5e:10:00:01:00:01", "write six bytes"},
	{"mac", "03:00:5e:10:00:01", "multicast"},
	{"mac", "ff:ff:ff:ff:ff:ff", "multicast"},
	{"interface", "", "cannot be empty"},
	{"interface", "exactly16bytes!!", "has 16 bytes; the kernel allows 15"},
	{"interface", "..", "cannot be an interface name"},
	{"interface", ".", "cannot be an interface name"},
	{"interface", "a/b", "slash, colon or space"},
	{"interface", "a:b", "slash, colon or space"},
	{"interface", "a b", "slash, colon or space"},
	{"namespace", "", "cannot be the name"},
	{"namespace", "..", "cannot be the name"},
	{"namespace", strings.Repeat("n", 256), "has 256 bytes"},
	{"namespace", "a/b", "slash or a zero byte"},
	{"path", "a/b", "must begin with a slash"},
	{"path", "", "must begin with a slash"},
	{"path", "/a\x00b", "not an absolute path"},
	{"kind", "Veth", `"Veth" is not one of veth, bridge`},
}

func TestFormatsAccept(t *testing.T) {
	for _, test := range accepted {
		want := test.want
		if want == "=" {
			want = test.given
		}
		got, problems := formats.Canonical(object(formats.ImpliedType(), values{test.attribute: str(test.given)}))
		if len(problems) > 0 {
			t.Errorf("%s %q: %v", test.attribute, test.given, problems[0])
		} else if v := got.GetAttr(test.attribute); v.AsString() != want {
			t.Errorf("%s %q: got %q, want %q", test.attribute, test.given, v.AsString(), want)
		}
	}
}

func TestFormatsRefuse(t *testing.T) {
	for _, test := range refused {
		_, problems := formats.Canonical(object(formats.ImpliedType(), values{test.attribute: str(test.given)}))
		if len(problems) != 1 || problems[0].Attribute != test.attribute || !strings.Contains(problems[0].Detail, test.problem) {
			t.Errorf("%s %q: got %v, want %s", test.attribute, test.given, problems, test.problem)
		}
	}
}

func TestNumbers(t *testing.T) {
	tests := []struct{ attribute, number, problem string }{
		{"number", "-1", ""},
		{"number", "10", ""},
		{"number", "-2", "-2 is less than -1"},
		{"number", "11", "11 is more than 10"},
		{"number", "1.5", "1.5 is not a whole number"},
		{"number", "1e30", "more than 10"},
		{"free", "9223372036854775807", ""},
		{"free", "9223372036854775808", "out of range"},
		{"free", "-1e30", "out of range"},
		{"index", "4294967295", ""},
		{"index", "4294967296", "out of range"},
		{"index", "-1", "out of range"},
		{"hash", "18446744073709551615", ""},
		{"hash", "18446744073709551616", "out of range"},
		{"hash", "-1", "out of range"},
		{"ratio", "1.5", ""},
		{"ratio", "-0.1", "-0.1 is less than 0"},
		{"ratio", "1e400", "out of range"},
	}
	for _, test := range tests {
		v := object(formats.ImpliedType(), values{test.attribute: cty.MustParseNumberVal(test.number)})
		_, problems := formats.Canonical(v)
		if test.problem == "" && len(problems) == 0 {
			continue
		}
		if test.problem == "" || len(problems) != 1 || !strings.Contains(problems[0].Detail, test.problem) {
			t.Errorf("%s = %s: got %v, want %q", test.attribute, test.number, problems, test.problem)
		}
	}
	list := object(formats.ImpliedType(), values{"numbers": cty.ListVal([]cty.Value{num(1), cty.NumberFloatVal(0.5)})})
	if _, problems := formats.Canonical(list); len(problems) != 1 || !strings.Contains(problems[0].Detail, "0.5 is not a whole number") {
		t.Errorf("got %v", problems)
	}
}

func TestCanonicalNested(t *testing.T) {
	v := settable(values{
		"kind": str("veth"), "addresses": strs("FD00::1/64", "10.0.0.1/8"),
		"peer": nestedSettable("peer", values{"name": str("a/b")}),
		"rule": cty.ListVal([]cty.Value{
			nestedSettable("rule", values{"action": str("drop")}), nestedSettable("rule", values{"action": str("reject")}),
		}),
	})
	got, problems := links.Canonical(v)
	var paths []string
	for _, p := range problems {
		paths = append(paths, p.Attribute)
	}
	if strings.Join(paths, " ") != "peer.name rule.1.action" {
		t.Errorf("got problems with %q", paths)
	}
	if !got.GetAttr("addresses").RawEquals(strs("fd00::1/64", "10.0.0.1/8")) {
		t.Errorf("got %#v", got.GetAttr("addresses"))
	}
	withNull := cty.ListVal([]cty.Value{str("10.0.0.1/8"), cty.NullVal(cty.String)})
	if _, problems := links.Canonical(settable(values{"kind": str("veth"), "addresses": withNull})); len(problems) != 1 || !strings.Contains(problems[0].Detail, "element 1 is null") {
		t.Errorf("got %v", problems)
	}
	nullLabel := cty.MapVal(values{"a": str("x"), "b": cty.NullVal(cty.String)})
	_, problems = links.Canonical(settable(values{"labels": nullLabel, "peer": nestedSettable("peer", nil)}))
	if len(problems) != 3 || problems[0].Attribute != "kind" || !strings.Contains(problems[1].Detail, `element "b" is null`) || problems[2].Attribute != "peer.name" {
		t.Errorf("got %v", problems)
	}
	unknown := cty.ListVal([]cty.Value{cty.UnknownVal(cty.String)})
	for _, v := range []cty.Value{settable(values{"kind": str("veth"), "addresses": unknown}), cty.UnknownVal(links.ImpliedType()), cty.NullVal(links.ImpliedType())} {
		if got, problems := links.Canonical(v); len(problems) > 0 || !got.RawEquals(v) {
			t.Errorf("%#v became %#v, %v", v, got, problems)
		}
	}
}

func TestFormatDoc(t *testing.T) {
	for _, a := range formats.Attributes {
		if a.Format != "" && schema.FormatDoc(a.Format) == "" {
			t.Errorf("format %s has no words", a.Format)
		}
	}
}

// What is accepted is written in one way, which is accepted and stays.
func FuzzFormats(f *testing.F) {
	for _, test := range accepted {
		f.Add(test.given)
	}
	for _, test := range refused {
		f.Add(test.given)
	}
	f.Fuzz(func(t *testing.T, text string) {
		given := cty.StringVal(text)
		for _, a := range formats.Attributes {
			if a.Format == "" || a.Type != cty.String {
				continue
			}
			got, problems := formats.Canonical(object(formats.ImpliedType(), values{a.Name: given}))
			if len(problems) > 0 {
				continue
			}
			again, problems := formats.Canonical(got)
			if len(problems) > 0 || !again.RawEquals(got) {
				t.Errorf("%s: %q becomes %#v, and that %#v, %v", a.Format, text, got.GetAttr(a.Name), again.GetAttr(a.Name), problems)
			}
		}
	})
}
