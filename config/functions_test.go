package config

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function/stdlib"
	"golang.org/x/crypto/ssh"

	"github.com/diyform/diyform/internal/marks"
)

// functionCases are calls by function, and what they give: a value in the form of show, or
// "error: " and a part of the message. Unless a comment says otherwise, OpenTofu gives the
// same values for the same calls, and errors for those that are errors here.
type functionCases map[string][]struct{ call, want string }

var allFunctionCases = []functionCases{
	numberCases, textCases, listCases, mapCases, typeCases, assumeCases, encodingCases, fileCases, digestCases, cidrCases,
}

// planTime is what plantimestamp gives in the cases.
var planTime = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// functionFiles are the files that the cases read.
const functionFiles = `
-- text --
hello
-- greet.tmpl --
Hi ${upper(name)}%{ for x in list } ${x}%{ endfor }
-- forever.tmpl --
${templatefile("forever.tmpl", {})}
-- bad.tmpl --
${
-- undef.tmpl --
${undefined}
-- filenone.tmpl --
${file("none")}
-- sub/x --
-- sub/deep/y --
-- sub/.hidden --
`

func TestFunctions(t *testing.T) {
	dir := writeFiles(t, functionFiles)
	for _, err := range []error{
		os.WriteFile(filepath.Join(dir, "binary"), []byte{0xff}, 0o644),
		os.WriteFile(filepath.Join(dir, "tree.tmpl"), []byte(`(%{ for t in tree }${templatefile("tree.tmpl", { tree = t })}%{ endfor })`), 0o644),
		os.WriteFile(filepath.Join(dir, "single.tmpl"), []byte("${x}"), 0o644),
		os.Symlink("text", filepath.Join(dir, "link")),
		os.Symlink("nowhere", filepath.Join(dir, "dangling")),
		os.Symlink("sub", filepath.Join(dir, "dirlink")),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("HOME", dir)
	ctx := &hcl.EvalContext{
		Functions: FunctionScope{Dir: dir, PlanTime: planTime}.Functions(),
		Variables: functionArguments(t, dir),
	}
	for _, cases := range allFunctionCases {
		for _, name := range slices.Sorted(maps.Keys(cases)) {
			t.Run(name, func(t *testing.T) {
				for _, tt := range cases[name] {
					checkCall(t, ctx, tt.call, tt.want)
				}
			})
		}
	}
}

func checkCall(t *testing.T, ctx *hcl.EvalContext, call, want string) {
	t.Helper()
	got, diags := parseExpr(t, call).Value(ctx)
	if part, ok := strings.CutPrefix(want, "error: "); ok {
		if !diags.HasErrors() || !strings.Contains(diags.Error(), part) {
			t.Errorf("%s: got %v and %v, want an error with %q", call, diags, got, part)
		}
		return
	}
	if diags.HasErrors() {
		t.Errorf("%s: %v", call, diags)
	} else if s := show(t, got); s != want {
		t.Errorf("%s: got %s, want %s", call, s, want)
	}
}

// Every function has at least two cases, and one of them is an error: even where all values
// are welcome, there can be too many or too few.
func TestEveryFunctionHasCases(t *testing.T) {
	all := Functions("")
	for name := range all {
		if strings.HasPrefix(name, coreNamespace) {
			continue
		}
		n, failing := 0, 0
		for _, cases := range allFunctionCases {
			for _, tt := range cases[name] {
				n++
				if strings.HasPrefix(tt.want, "error: ") {
					failing++
				}
				if !strings.Contains(tt.call, name+"(") {
					t.Errorf("%s is no case of %s", tt.call, name)
				}
			}
		}
		if n < 2 || failing == 0 {
			t.Errorf("%s has %d cases, %d of them errors", name, n, failing)
		}
	}
	for _, cases := range allFunctionCases {
		for name := range cases {
			if _, ok := all[name]; !ok {
				t.Errorf("there are cases of %s, which is no function", name)
			}
		}
	}
}

// show writes a value as JSON, with the kind of collection that it is; what JSON has no form
// for as cty would be called.
func show(t testing.TB, v cty.Value) string {
	t.Helper()
	if v.HasMark(marks.Sensitive) {
		plain, rest := v.Unmark()
		delete(rest, marks.Sensitive)
		return "sensitive " + show(t, plain.WithMarks(rest))
	}
	if v.HasMark(marks.Ephemeral) {
		plain, rest := v.Unmark()
		delete(rest, marks.Ephemeral)
		return "ephemeral " + show(t, plain.WithMarks(rest))
	}
	if v.ContainsMarked() || !v.IsWhollyKnown() {
		return strings.ReplaceAll(v.GoString(), "cty.", "")
	}
	kind := ""
	switch ty := v.Type(); {
	case ty.IsListType():
		kind = "list "
	case ty.IsSetType():
		kind = "set "
	case ty.IsMapType():
		kind = "map "
	}
	s, err := stdlib.JSONEncode(v)
	if err != nil { // it is infinite
		return strings.ReplaceAll(v.GoString(), "cty.", "")
	}
	return kind + s.AsString()
}

// functionArguments are what JSON has no form for, to be named in the cases.
func functionArguments(t *testing.T, dir string) map[string]cty.Value {
	s, n := cty.StringVal, cty.NumberIntVal
	sensitive := func(v cty.Value) cty.Value { return v.Mark(marks.Sensitive) }
	ephemeral := func(v cty.Value) cty.Value { return v.Mark(marks.Ephemeral) }
	list := func(v ...cty.Value) cty.Value { return cty.ListVal(v) }
	unknownBool := cty.UnknownVal(cty.Bool)
	args := map[string]cty.Value{
		"dir":      s(dir),
		"dynamic":  cty.DynamicVal,
		"unknown":  cty.UnknownVal(cty.String),
		"unknownn": cty.UnknownVal(cty.Number),
		"unknownb": unknownBool,
		"unknownl": cty.UnknownVal(cty.List(cty.String)),
		"unknownm": cty.UnknownVal(cty.Map(cty.String)),
		"unknowns": cty.UnknownVal(cty.Set(cty.String)),
		"unknowno": cty.UnknownVal(cty.Object(map[string]cty.Type{"a": cty.String})),
		"prefixed": cty.UnknownVal(cty.String).Refine().NotNull().StringPrefixFull("abc-").NewValue(),
		"nulls":    cty.NullVal(cty.String),
		"nulln":    cty.NullVal(cty.Number),
		"nulll":    cty.NullVal(cty.List(cty.String)),
		"secret":   sensitive(s("s")),
		"secretp":  sensitive(s("text")),
		"secretn":  sensitive(n(3)),
		"secretb":  sensitive(cty.True),
		"secretl":  sensitive(list(s("s"))),
		"secrets":  list(sensitive(s("s")), s("t")),
		"secretm":  cty.MapVal(map[string]cty.Value{"a": sensitive(s("s")), "b": s("t")}),
		"secreto":  cty.ObjectVal(map[string]cty.Value{"a": sensitive(s("s")), "b": n(1)}),
		"secretu":  sensitive(cty.UnknownVal(cty.String)),
		"eph":      ephemeral(s("e")),
		"ephl":     list(ephemeral(s("e")), s("t")),
		"epho":     cty.ObjectVal(map[string]cty.Value{"a": ephemeral(s("s")), "b": sensitive(n(1))}),
		"ephs":     sensitive(ephemeral(s("e"))),
		"ephu":     ephemeral(cty.UnknownVal(cty.String)),
		"numbers":  list(cty.UnknownVal(cty.Number), n(1)),
		"bools":    list(cty.NullVal(cty.Bool), cty.True),
		"ubools":   list(unknownBool, cty.True),
		"ufalse":   list(unknownBool, cty.False),
		"falseu":   list(cty.False, unknownBool),
		"ulist":    list(cty.UnknownVal(cty.String), s("a")),
		"map":      cty.MapVal(map[string]cty.Value{"a": s("1")}),
		"inf":      cty.PositiveInfinity,
		"ninf":     cty.NegativeInfinity,
	}
	maps.Copy(args, keyArguments(t))
	return args
}

// keyArguments are private keys for rsadecrypt, and a ciphertext for one of them.
func keyArguments(t *testing.T) map[string]cty.Value {
	t.Helper()
	key, err1 := rsa.GenerateKey(rand.Reader, 2048)
	_, other, err2 := ed25519.GenerateKey(rand.Reader)
	if err1 != nil || err2 != nil {
		t.Fatal(err1, err2)
	}
	//lint:ignore SA1019 as in rsadecrypt
	sealed, err1 := rsa.EncryptPKCS1v15(rand.Reader, &key.PublicKey, []byte("hello"))
	locked, err2 := ssh.MarshalPrivateKeyWithPassphrase(other, "", []byte("passphrase"))
	if err1 != nil || err2 != nil {
		t.Fatal(err1, err2)
	}
	unlocked, err := ssh.MarshalPrivateKey(other, "")
	if err != nil {
		t.Fatal(err)
	}
	text := func(b *pem.Block) cty.Value { return cty.StringVal(string(pem.EncodeToMemory(b))) }
	return map[string]cty.Value{
		"key":        text(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}),
		"ed25519":    text(unlocked),
		"encrypted":  text(locked),
		"ciphertext": cty.StringVal(base64.StdEncoding.EncodeToString(sealed)),
	}
}

// A plan promises nothing that is another value at each call.
func TestImpureFunctionsAreUnknownInPlans(t *testing.T) {
	planned := FunctionScope{PlanTime: planTime, Planning: true}.Functions()
	for _, name := range []string{"timestamp", "uuid", coreNamespace + "uuid"} {
		if v, err := planned[name].Call(nil); err != nil || v.IsKnown() {
			t.Errorf("%s in a plan: %#v, %v", name, v, err)
		}
	}
	if v, err := planned["bcrypt"].Call([]cty.Value{cty.StringVal("a")}); err != nil || v.IsKnown() {
		t.Errorf("bcrypt in a plan: %#v, %v", v, err)
	}
	if v, err := planned["plantimestamp"].Call(nil); err != nil || !v.RawEquals(cty.StringVal("2026-01-02T03:04:05Z")) {
		t.Errorf("plantimestamp in a plan: %#v, %v", v, err)
	}
	if v, err := Functions("")["plantimestamp"].Call(nil); err != nil || v.IsKnown() {
		t.Errorf("plantimestamp without a plan: %#v, %v", v, err)
	}
}

// Templates can call what is impure too, and it is unknown there as well.
func TestTemplatesInPlans(t *testing.T) {
	planned := FunctionScope{Planning: true}.Functions()
	v, diags := parseExpr(t, `templatestring("$${uuid()}", {})`).Value(&hcl.EvalContext{Functions: planned})
	if diags.HasErrors() || v.IsKnown() {
		t.Errorf("got %#v, %v", v, diags)
	}
}

func TestFunctionsOfTheConsole(t *testing.T) {
	console := FunctionScope{Console: true}.Functions()
	if _, ok := console["plantimestamp"]; ok {
		t.Error("plantimestamp has no meaning in the console")
	}
	tests := map[string]string{
		`type("a")`:                            `string`,
		`type(null)`:                           `dynamic`,
		`type([])`:                             `tuple([])`,
		`type({})`:                             `object({})`,
		`type(tolist(["a"]))`:                  `list(string)`,
		`type(tomap({ a = toset([true]) }))`:   `map(set(bool))`,
		`type([1, "a"])`:                       "tuple([\n    number,\n    string,\n])",
		`type({ b = 1, a = [{}] })`:            "object({\n    a: tuple([\n        object({}),\n    ]),\n    b: number,\n})",
		`type(tolist([{ a = sensitive(1) }]))`: "list(\n    object({\n        a: number,\n    }),\n)",
	}
	for src, want := range tests {
		v, diags := parseExpr(t, src).Value(&hcl.EvalContext{Functions: console})
		noProblems(t, diags)
		ty, ok := TypeResult(v)
		if got := TypeString(ty); !ok || got != want {
			t.Errorf("%s: got %s, want %s", src, got, want)
		}
	}
	if _, ok := TypeResult(cty.StringVal("a")); ok {
		t.Error("a string is taken for a type")
	}
}

// An error must not tell what an argument is that nobody may see.
func TestErrorsHideSensitiveArguments(t *testing.T) {
	const hidden = "hunter2"
	ctx := &hcl.EvalContext{Functions: Functions(""), Variables: map[string]cty.Value{
		"sensitive": cty.StringVal(hidden).Mark(marks.Sensitive),
		"ephemeral": cty.StringVal(hidden).Mark(marks.Ephemeral),
		"inside":    cty.ObjectVal(map[string]cty.Value{"a": cty.StringVal(hidden).Mark(marks.Sensitive)}),
	}}
	for _, call := range []string{
		`tonumber(sensitive)`, `tobool(ephemeral)`, `lookup({}, sensitive)`, `file(sensitive)`, `fileset(".", "[${sensitive}")`,
		`timeadd(sensitive, "1h")`, `timecmp(ephemeral, "x")`, `cidrhost(sensitive, 1)`, `cidrcontains("10.0.0.0/8", ephemeral)`,
		`parseint(sensitive, 10)`, `uuidv5(sensitive, "a")`, `urldecode("%${ephemeral}")`, `jsondecode(sensitive)`,
		`templatefile(sensitive, {})`, `templatestring("$${tonumber(a)}", inside)`, `core::tonumber(sensitive)`,
		`textencodebase64("a", sensitive)`, `formatdate(sensitive, "x")`, `regex("(${sensitive}", "a")`, `format("%d", sensitive)`,
	} {
		v, diags := parseExpr(t, call).Value(ctx)
		if !diags.HasErrors() || strings.Contains(diags.Error(), hidden) {
			t.Errorf("%s: got %#v and %v", call, v, diags)
		}
	}
}

// No function does, whatever sensitive strings, and lists and objects of them, it is given.
func TestNoErrorShowsWhatIsSensitive(t *testing.T) {
	const hidden = "hunter2"
	secret := cty.StringVal(hidden).Mark(marks.Sensitive)
	functions := Functions(t.TempDir())
	ctx := &hcl.EvalContext{Functions: functions, Variables: map[string]cty.Value{
		"secret": secret,
		"list":   cty.TupleVal([]cty.Value{secret, cty.StringVal("a")}),
		"object": cty.ObjectVal(map[string]cty.Value{"a": secret}),
	}}
	arguments := []string{"secret", "list", "object", "5"}
	calls := slices.Clone(arguments)
	for _, a := range arguments {
		for _, b := range arguments {
			calls = append(calls, a+", "+b)
			for _, c := range arguments {
				calls = append(calls, a+", "+b+", "+c)
			}
		}
	}
	for name := range functions {
		if name == "bcrypt" || strings.HasPrefix(name, coreNamespace) {
			continue // it takes long by design; they are the same functions
		}
		for _, args := range calls {
			v, diags := parseExpr(t, name+"("+args+")").Value(ctx)
			if strings.Contains(diags.Error(), hidden) {
				t.Errorf("%s(%s): got %#v and %v", name, args, v, diags)
			}
		}
	}
}

func TestEveryFunctionIsDocumented(t *testing.T) {
	there := FunctionScope{}.Functions()
	maps.Copy(there, FunctionScope{Console: true}.Functions())
	for name, f := range there {
		if !strings.HasSuffix(f.Description(), ".") {
			t.Errorf("%s: the description %q is no sentence", name, f.Description())
		}
	}
	for _, group := range FunctionGroups() {
		names := make([]string, len(group.Functions))
		for i, f := range group.Functions {
			names[i] = f.Name
			if _, ok := there[f.Name]; !ok {
				t.Errorf("%s is documented and is no function", f.Name)
			}
		}
		if !slices.IsSorted(names) {
			t.Errorf("%s: not in order: %v", group.Title, names)
		}
	}
}

// Types are written as names, and are no references.
func TestTypeArgumentsAreNoReferences(t *testing.T) {
	refs := References(parseExpr(t, `[convert(var.a, list(string)), core::convert(local.b, string), var.c]`))
	var got []string
	for _, ref := range refs {
		got = append(got, ref.Subject.String())
	}
	if want := []string{"var.a", "local.b", "var.c"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
