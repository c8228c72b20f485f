package config

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function/stdlib"

	"github.com/diyform/diyform/internal/marks"
)

func evaluate(t testing.TB, dir, src string) (cty.Value, hcl.Diagnostics) {
	t.Helper()
	return parseExpr(t, src).Value(&hcl.EvalContext{
		Functions: Functions(dir),
		Variables: map[string]cty.Value{
			"unknown": cty.UnknownVal(cty.String),
			"dynamic": cty.DynamicVal,
			"secret":  cty.StringVal("s").Mark(marks.Sensitive),
			"secrets": cty.ListVal([]cty.Value{cty.StringVal("s").Mark(marks.Sensitive)}),
			"numbers": cty.ListVal([]cty.Value{cty.UnknownVal(cty.Number), cty.NumberIntVal(1)}),
			"bools":   cty.ListVal([]cty.Value{cty.NullVal(cty.Bool), cty.True}),
			"list":    cty.UnknownVal(cty.List(cty.String)),
			"map":     cty.MapVal(map[string]cty.Value{"a": cty.StringVal("1")}),
		},
	})
}

// show writes a value as JSON; what JSON has no form for by a word.
func show(t testing.TB, v cty.Value) string {
	t.Helper()
	if v.ContainsMarked() {
		v, _ = v.UnmarkDeep()
		return "sensitive " + show(t, v)
	}
	if !v.IsWhollyKnown() {
		return "unknown"
	}
	s, err := stdlib.JSONEncode(v)
	if err != nil {
		t.Fatal(err)
	}
	return s.AsString()
}

func TestFunctions(t *testing.T) {
	dir := writeFiles(t, "-- text --\nhello\n-- greet.tmpl --\nHi ${upper(name)}%{ for x in list } ${x}%{ endfor }\n-- bad.tmpl --\n${\n-- sub/x --\n")
	if err := os.WriteFile(filepath.Join(dir, "binary"), []byte{0xff}, 0o644); err != nil {
		t.Fatal(err)
	}
	t.Setenv("HOME", dir)
	tests := map[string]string{ // expression: value as JSON, or "error: " and a part of it
		`abs(-1)`:                                    `1`,
		`parseint("ff", 16)`:                         `255`,
		`sum([1, "2", 3.5])`:                         `6.5`,
		`sum([])`:                                    `error: cannot sum an empty list`,
		`sum(["x"])`:                                 `error: must hold numbers only`,
		`sum("x")`:                                   `error: must be a list`,
		`sum({a = 1})`:                               `error: must be a list`,
		`sum(numbers)`:                               `unknown`,
		`startswith("abc", "ab")`:                    `true`,
		`endswith("abc", "ab")`:                      `false`,
		`strcontains("abc", "b")`:                    `true`,
		`strrev("abc")`:                              `"cba"`,
		`reverse([1, 2])`:                            `[2,1]`,
		`replace("a.b", ".", "$0")`:                  `"a$0b"`,
		`replace("abc", "/(b)/", "[$1]")`:            `"a[b]c"`,
		`replace("abc", "/(/", "")`:                  `error: error parsing regexp`,
		`replace("a/b", "/", "-")`:                   `"a-b"`,
		`regex("^(\\d+)", "12a")`:                    `["12"]`,
		`alltrue([true, true])`:                      `true`,
		`alltrue([])`:                                `true`,
		`alltrue(bools)`:                             `false`,
		`anytrue([false, true])`:                     `true`,
		`anytrue([])`:                                `false`,
		`coalesce("", null, "x", "y")`:               `"x"`,
		`coalesce(null, 2)`:                          `2`,
		`coalesce("", "")`:                           `error: no argument is other than null or an empty string`,
		`coalesce(unknown, "x")`:                     `unknown`,
		`coalesce([], {})`:                           `error: all arguments must have the same type`,
		`element(["a", "b"], 3)`:                     `"b"`,
		`index(["a", "b"], "b")`:                     `1`,
		`index(["a"], "c")`:                          `error: the list has no such element`,
		`index("a", "c")`:                            `error: must be a list or tuple, not string`,
		`index([unknown, "a"], "a")`:                 `unknown`,
		`length("größe")`:                            `5`,
		`length([1, 2])`:                             `2`,
		`length({ a = 1 })`:                          `1`,
		`length(map)`:                                `1`,
		`length(list)`:                               `unknown`,
		`length(dynamic)`:                            `unknown`,
		`length(secrets)`:                            `1`,
		`length(secret)`:                             `sensitive 1`,
		`length(1)`:                                  `error: must be a string, a collection or a structure, not number`,
		`lookup(map, "a")`:                           `"1"`,
		`lookup(map, "b", "x")`:                      `"x"`,
		`lookup(map, "b")`:                           `error: there is no key "b", and no default is given`,
		`lookup(map, secret)`:                        `error: there is no such key`,
		`lookup(map, "a", [])`:                       `error: must have the type of the map's elements`,
		`lookup({ a = 1 }, "a")`:                     `1`,
		`lookup({ a = 1 }, "b", "x")`:                `"x"`,
		`lookup({ a = 1 }, "b")`:                     `error: there is no key "b"`,
		`lookup({ a = 1 }, unknown, 2)`:              `unknown`,
		`lookup([], "a", 2)`:                         `error: must be a map or an object, not tuple`,
		`lookup(map, "a", 1, 2)`:                     `error: lookup takes two or three arguments, got 4`,
		`lookup({ a = secret }, "a")`:                `sensitive "s"`,
		`matchkeys(["a", "b"], ["x", "y"], ["y"])`:   `["b"]`,
		`matchkeys(["a"], ["x"], ["z"])`:             `[]`,
		`matchkeys(["a"], ["x", "y"], ["z"])`:        `error: keys and values must be of equal length`,
		`matchkeys(["a"], [unknown], ["z"])`:         `unknown`,
		`one([1])`:                                   `1`,
		`one([])`:                                    `null`,
		`one([1, 2])`:                                `error: no or one element`,
		`one(toset(["a"]))`:                          `"a"`,
		`one(tolist(["a", "b"]))`:                    `error: no or one element`,
		`one(list)`:                                  `unknown`,
		`one(tolist(toset([])))`:                     `null`,
		`transpose({ a = ["x", "y"], b = ["y"] })`:   `{"x":["a"],"y":["a","b"]}`,
		`transpose({})`:                              `{}`,
		`transpose({ a = [unknown] })`:               `unknown`,
		`transpose({ a = [null] })`:                  `error: must not hold null`,
		`setproduct(["a"], ["b", "c"])`:              `[["a","b"],["a","c"]]`,
		`sensitive("a")`:                             `sensitive "a"`,
		`nonsensitive(secret)`:                       `"s"`,
		`issensitive(secret)`:                        `true`,
		`issensitive("a")`:                           `false`,
		`tonumber("1")`:                              `1`,
		`tostring(true)`:                             `"true"`,
		`toset(["b", "a", "a"])`:                     `["a","b"]`,
		`tomap({ a = 1, b = "x" })`:                  `{"a":"1","b":"x"}`,
		`tobool("x")`:                                `error: cannot convert "x" to bool`,
		`try(map.b, "x")`:                            `"x"`,
		`can(map.b)`:                                 `false`,
		`base64encode("a")`:                          `"YQ=="`,
		`base64decode("YQ==")`:                       `"a"`,
		`base64decode("/w==")`:                       `error: the decoded bytes are not UTF-8 text`,
		`base64decode("?")`:                          `error: decode base64: illegal base64 data`,
		`startswith(base64gzip("a"), "H4sI")`:        `true`,
		`urlencode("a b&c")`:                         `"a+b%26c"`,
		`urldecode("a+b%26c")`:                       `"a b\u0026c"`,
		`md5("a")`:                                   `"0cc175b9c0f1b6a831c399e269772661"`,
		`sha1("a")`:                                  `"86f7e437faa5a7fce15d1ddcb9eaeaea377667b8"`,
		`sha256("a")`:                                `"ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"`,
		`substr(sha512("a"), 0, 8)`:                  `"1f40fc92"`,
		`substr(base64sha256("a"), 0, 4)`:            `"ypeB"`,
		`substr(base64sha512("a"), 0, 4)`:            `"H0D8"`,
		`yamldecode("a: [1, x]")`:                    `{"a":[1,"x"]}`,
		`yamlencode({ a = 1 })`:                      `"\"a\": 1\n"`,
		`jsondecode("{\"a\":1}")`:                    `{"a":1}`,
		`csvdecode("a,b\n1,2")`:                      `[{"a":"1","b":"2"}]`,
		`formatdate("YYYY", "2026-01-02T03:04:05Z")`: `"2026"`,
		`timecmp("2026-01-02T00:00:00Z", "2026-01-02T01:00:00+01:00")`: `0`,
		`timecmp("2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z")`:      `-1`,
		`timecmp("x", "y")`:                 `error: not a timestamp as RFC 3339 defines it`,
		`basename("/a/b")`:                  `"b"`,
		`dirname("/a/b")`:                   `"/a"`,
		`pathexpand("~/x") == abspath("x")`: `true`,
		`pathexpand("/x~")`:                 `"/x~"`,
		`file("text")`:                      `"hello\n"`,
		`file("~/text")`:                    `"hello\n"`,
		`file("binary")`:                    `error: binary is not UTF-8 text; filebase64 reads any file`,
		`file("none")`:                      `error: no such file or directory`,
		`filebase64("binary")`:              `"/w=="`,
		`filemd5("text") == md5("hello\n")`: `true`,
		`filesha256("none")`:                `error: no such file or directory`,
		`fileexists("text")`:                `true`,
		`fileexists("none")`:                `false`,
		`fileexists("sub")`:                 `error: sub is not a regular file`,
		`fileexists("text/x")`:              `error: not a directory`,
		`templatefile("greet.tmpl", { name = "bo", list = [1, 2] })`: `"Hi BO 1 2\n"`,
		`templatefile("greet.tmpl", { name = "bo" })`:                `error: There is no variable named "list"`,
		`templatefile("greet.tmpl", [])`:                             `error: must be a map or an object`,
		`templatefile("bad.tmpl", {})`:                               `error: bad.tmpl`,
		`templatefile("none", {})`:                                   `error: no such file or directory`,
		`templatefile(unknown, {})`:                                  `unknown`,
		`templatestring("$${x}!", { x = "a" })`:                      `"a!"`,
		`templatestring("$${y}", { x = "a" })`:                       `error: There is no variable named "y"`,
		`templatestring("$${", {})`:                                  `error: <templatestring argument>`,
		`templatestring("$${templatestring(\"\", {})}", {})`:         `error: There is no function named "templatestring"`,
		`fileset(".", "*t")`:                                         `["text"]`,
		`fileset(".", "**")`:                                         `["bad.tmpl","binary","greet.tmpl","sub/x","text"]`,
		`fileset("sub", "*")`:                                        `["x"]`,
		`fileset(".", "{text,none}")`:                                `["text"]`,
		`fileset("none", "*")`:                                       `[]`,
		`fileset(".", "[")`:                                          `error: syntax error in pattern`,
		`uuidv5("dns", "tada")`:                                      `"faa898db-9b9d-5b75-86a9-149e7bb8e3b8"`,
		`uuidv5("6ba7b810-9dad-11d1-80b4-00c04fd430c8", "tada") == uuidv5("dns", "tada")`: `true`,
		`uuidv5("tada", "tada")`:                     `error: must be a UUID, or dns, url, oid or x500`,
		`substr(bcrypt("a", 4), 0, 7)`:               `"$2a$04$"`,
		`length(bcrypt("a"))`:                        `60`,
		`bcrypt("a", 99)`:                            `error: at most 31`,
		`bcrypt("a", 4, 4)`:                          `error: one or two arguments`,
		`rsadecrypt("?", "")`:                        `error: decode base64`,
		`rsadecrypt("YQ==", "key")`:                  `error: not a private key`,
		`textencodebase64("größe", "ISO-8859-1")`:    `"Z3L232U="`,
		`textdecodebase64("Z3L232U=", "ISO-8859-1")`: `"größe"`,
		`textencodebase64("a", "UTF-16LE")`:          `"YQA="`,
		`textencodebase64("a", "x")`:                 `error: "x" is not a supported IANA encoding name`,
		`textencodebase64("€", "ISO-8859-1")`:        `error: characters that the encoding has not`,
		`textdecodebase64("/w==", "UTF-8")`:          `error: no text in this encoding`,
		`textdecodebase64("?", "UTF-8")`:             `error: decode base64`,
		`base64gunzip(base64gzip("hello"))`:          `"hello"`,
		`base64gunzip("YQ==")`:                       `error: decompress`,
	}
	for src, want := range tests {
		t.Run(src, func(t *testing.T) {
			got, diags := evaluate(t, dir, src)
			if part, ok := strings.CutPrefix(want, "error: "); ok {
				if !diags.HasErrors() || !strings.Contains(diags.Error(), part) {
					t.Errorf("got %v, want an error with %q", diags, part)
				}
				return
			}
			noProblems(t, diags)
			if s := show(t, got); s != want {
				t.Errorf("got %s, want %s", s, want)
			}
		})
	}
}

// The expected values are those of Terraform's documentation and tests.
func TestCIDRFunctions(t *testing.T) {
	tests := map[string]string{
		`cidrhost("10.12.112.0/20", 16)`:                          `"10.12.112.16"`,
		`cidrhost("10.12.112.0/20", 268)`:                         `"10.12.113.12"`,
		`cidrhost("10.0.0.0/8", -1)`:                              `"10.255.255.255"`,
		`cidrhost("fd00:fd12:3456:7890::/72", 34)`:                `"fd00:fd12:3456:7890::22"`,
		`cidrhost("192.168.1.0/24", 256)`:                         `error: prefix of 24 does not accommodate a host numbered 256`,
		`cidrhost("192.168.1.0/30", 1.5)`:                         `error: whole number`,
		`cidrhost("not-a-cidr", 6)`:                               `error: invalid CIDR expression: invalid CIDR address: not-a-cidr`,
		`cidrhost("010.0.0.0/8", 6)`:                              `error: invalid CIDR expression`,
		`cidrhost(unknown, 1)`:                                    `unknown`,
		`cidrnetmask("10.0.0.0/8")`:                               `"255.0.0.0"`,
		`cidrnetmask("1110::/6")`:                                 `error: IPv6 addresses cannot have a netmask: 1110::/6`,
		`cidrnetmask("x")`:                                        `error: invalid CIDR expression`,
		`cidrsubnet("172.16.0.0/12", 4, 2)`:                       `"172.18.0.0/16"`,
		`cidrsubnet("10.1.2.0/24", 4, 15)`:                        `"10.1.2.240/28"`,
		`cidrsubnet("fd00:fd12:3456:7890::/56", 16, 162)`:         `"fd00:fd12:3456:7800:a200::/72"`,
		`cidrsubnet("10.0.0.0/8", 25, 0)`:                         `error: insufficient address space to extend prefix of 8 by 25`,
		`cidrsubnet("10.0.0.0/8", 2, 16)`:                         `error: prefix extension of 2 does not accommodate a subnet numbered 16`,
		`cidrsubnet("10.0.0.0/8", -1, 0)`:                         `error: must not be negative`,
		`cidrsubnet("10.0.0.0/8", 1.5, 0)`:                        `error: whole number`,
		`cidrsubnet("10.0.0.0/8", 1, 0.5)`:                        `error: whole number`,
		`cidrsubnet("x", 1, 0)`:                                   `error: invalid CIDR expression`,
		`cidrsubnets("10.1.0.0/16", 4, 4, 8, 4)`:                  `["10.1.0.0/20","10.1.16.0/20","10.1.32.0/24","10.1.48.0/20"]`,
		`cidrsubnets("fd00:fd12:3456:7890::/56", 16, 16, 16, 32)`: `["fd00:fd12:3456:7800::/72","fd00:fd12:3456:7800:100::/72","fd00:fd12:3456:7800:200::/72","fd00:fd12:3456:7800:300::/88"]`,
		`cidrsubnets("10.1.0.0/16")`:                              `[]`,
		`cidrsubnets("10.0.0.0/8", 0)`:                            `error: must extend prefix by at least one bit`,
		`cidrsubnets("fd00::/8", 33)`:                             `error: may not extend prefix by more than 32 bits`,
		`cidrsubnets("10.0.0.0/16", 17)`:                          `error: would extend prefix to 33 bits, which is too long for an IPv4 address`,
		`cidrsubnets("fd00::/120", 9)`:                            `error: would extend prefix to 129 bits, which is too long for an IPv6 address`,
		`cidrsubnets("10.0.0.0/8", 1, 1, 1)`:                      `error: not enough remaining address space for a subnet with a prefix of 9 bits after 10.128.0.0/9`,
		`cidrsubnets("10.0.0.0/8", 0.5)`:                          `error: whole number`,
		`cidrsubnets("x", 1)`:                                     `error: invalid CIDR expression`,
		`cidrcontains("10.0.0.0/8", "10.1.2.3")`:                  `true`,
		`cidrcontains("10.0.0.0/8", "10.1.0.0/16")`:               `true`,
		`cidrcontains("10.1.0.0/16", "10.0.0.0/8")`:               `false`,
		`cidrcontains("fd00::/8", "fd00::1")`:                     `true`,
		`cidrcontains("fd00::/8", "10.0.0.1")`:                    `error: address family mismatch`,
		`cidrcontains("10.0.0.0/8", "x")`:                         `error: invalid IP address or prefix: x`,
		`cidrcontains("x", "10.0.0.1")`:                           `error: invalid CIDR expression`,
	}
	for src, want := range tests {
		t.Run(src, func(t *testing.T) {
			got, diags := evaluate(t, "", src)
			if part, ok := strings.CutPrefix(want, "error: "); ok {
				if !diags.HasErrors() || !strings.Contains(diags.Error(), part) {
					t.Errorf("got %v, want an error with %q", diags, part)
				}
				return
			}
			noProblems(t, diags)
			if s := show(t, got); s != want {
				t.Errorf("got %s, want %s", s, want)
			}
		})
	}
}

func TestImpureFunctionsAreUnknownInPlans(t *testing.T) {
	patterns := map[string]string{
		"timestamp": `^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$`,
		"uuid":      `^[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}$`,
	}
	real, planned := Functions(""), PlanFunctions("")
	for name, pattern := range patterns {
		v, err := real[name].Call(nil)
		if err != nil || !regexp.MustCompile(pattern).MatchString(v.AsString()) {
			t.Errorf("%s: %#v, %v", name, v, err)
		}
		if v, err = planned[name].Call(nil); err != nil || v.IsKnown() {
			t.Errorf("%s in a plan: %#v, %v", name, v, err)
		}
	}
	if len(real) != len(planned) {
		t.Errorf("%d functions, %d in plans", len(real), len(planned))
	}
}
