package config

import (
	"strings"

	"github.com/zclconf/go-cty/cty/function"
)

// FunctionGroup is a chapter of the reference of functions.
type FunctionGroup struct {
	Title     string
	Functions []FunctionDoc // in the order of their names
}

// FunctionDoc says what a function gives.
type FunctionDoc struct{ Name, Doc string }

// FunctionGroups gives all functions that there are, in the order of the reference.
func FunctionGroups() []FunctionGroup { return functionGroups }

// FunctionSignature writes how a function is called: substr(str, offset, length).
func FunctionSignature(name string, f function.Function) string {
	var b strings.Builder
	b.WriteString(name + "(")
	for i, p := range f.Params() {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(p.Name)
	}
	if p := f.VarParam(); p != nil {
		if len(f.Params()) > 0 {
			b.WriteString(", ")
		}
		b.WriteString(p.Name + "...")
	}
	return b.String() + ")"
}

// described adds the description to a function.
func described(name string, f function.Function) function.Function {
	params := make([]string, 0, len(f.Params()))
	for _, p := range f.Params() {
		params = append(params, p.Description)
	}
	return f.WithNewDescriptions(functionDocs[name], params)
}

var functionDocs = func() map[string]string {
	docs := map[string]string{}
	for _, group := range functionGroups {
		for _, f := range group.Functions {
			docs[f.Name] = f.Doc
		}
	}
	return docs
}()

var functionGroups = []FunctionGroup{
	{"Numbers", []FunctionDoc{
		{"abs", "The number without its sign."},
		{"ceil", "The next whole number upwards."},
		{"floor", "The next whole number downwards."},
		{"log", "The logarithm of a number to a base."},
		{"max", "The greatest of the numbers."},
		{"min", "The smallest of the numbers."},
		{"parseint", "The whole number that a text stands for in a base from 2 to 62."},
		{"pow", "The first number to the power of the second."},
		{"signum", "-1, 0 or 1, by the number's sign."},
		{"sum", "The sum of a list, set or tuple of numbers, which must not be empty."},
	}},
	{"Text", []FunctionDoc{
		{"chomp", "The text without line ends at its end."},
		{"endswith", "Whether a text ends with another one."},
		{"format", "A text made of others by a pattern with verbs such as %s, %d, %05.2f, %q and %v."},
		{"formatlist", "A list of texts made by a pattern, one for each element of the lists among the arguments."},
		{"indent", "The text with so many spaces before every line but the first."},
		{"join", "The elements of one or more lists, with a separator between them."},
		{"lower", "The text in small letters."},
		{"regex", "What a regular expression (RE2) matches first: a text, a list of groups, or a map of named groups. No match is an error."},
		{"regexall", "All that a regular expression matches, as a list of what regex gives."},
		{"replace", "The text with every occurrence of another replaced. Between slashes that is a regular expression, and $1 in the replacement stands for its first group."},
		{"split", "A list of the parts of a text between separators."},
		{"startswith", "Whether a text starts with another one."},
		{"strcontains", "Whether a text has another one in it."},
		{"strrev", "The characters of a text in reverse order."},
		{"substr", "So many characters of a text from an offset on. A negative offset counts from the end, and a length of -1 means all."},
		{"templatestring", "The text that a template in a string gives with the values of an object."},
		{"title", "The text with a capital letter at the start of each word."},
		{"trim", "The text without any of the given characters at its start and end."},
		{"trimprefix", "The text without the prefix, if it has it."},
		{"trimspace", "The text without white space at its start and end."},
		{"trimsuffix", "The text without the suffix, if it has it."},
		{"upper", "The text in capital letters."},
	}},
	{"Collections", []FunctionDoc{
		{"alltrue", "Whether all elements of a list are true. An empty list gives true."},
		{"anytrue", "Whether any element of a list is true. An empty list gives false."},
		{"chunklist", "A list of lists with so many elements each."},
		{"coalesce", "The first argument that is neither null nor an empty text."},
		{"coalescelist", "The first list that is not empty."},
		{"compact", "A list of texts without null and without empty ones."},
		{"concat", "One list of the elements of several."},
		{"contains", "Whether a list, tuple or set has an element."},
		{"distinct", "A list without repeated elements."},
		{"element", "The element of a list at an index, which starts over after the last one."},
		{"flatten", "A list of all elements of lists in lists."},
		{"index", "The index of the first element that equals a value. It is an error when there is none."},
		{"keys", "The keys of a map or object, in their order."},
		{"length", "How many elements a collection has, or characters a text."},
		{"lookup", "The element of a map or object at a key, else the default. Without one a missing key is an error."},
		{"matchkeys", "The elements of values at whose indexes keys has an element of searchset."},
		{"merge", "One map or object of several. Of equal keys, the last one counts."},
		{"one", "The only element of a list, set or tuple, or null when it is empty."},
		{"range", "A list of numbers: range(max), range(start, max) or range(start, max, step). max is not in it."},
		{"reverse", "A list in reverse order."},
		{"setintersection", "The elements that are in all sets."},
		{"setproduct", "All combinations of one element of each list or set."},
		{"setsubtract", "The elements of the first set that are not in the second."},
		{"setunion", "The elements that are in any of the sets."},
		{"slice", "The elements of a list from a start index to before an end index."},
		{"sort", "A list of texts in alphabetical order."},
		{"transpose", "For a map of lists of texts, the map in which each such text has the list of keys it was under."},
		{"values", "The values of a map or object, in the order of its keys."},
		{"zipmap", "A map or object of a list of keys and a list of values."},
	}},
	{"Types and errors", []FunctionDoc{
		{"can", "Whether an expression has a value, and no error."},
		{"convert", "The value as one of a type that is written as in variable blocks, with defaults: convert(v, object({ mtu = optional(number, 1500) }))."},
		{"tobool", "true or false for a bool, or the text of one."},
		{"tolist", "The list of a set or tuple."},
		{"tomap", "The map of an object, all values converted to one type."},
		{"tonumber", "The number that a text stands for."},
		{"toset", "The set of a list or tuple, without repeated elements and order."},
		{"tostring", "The text of a number or bool."},
		{"try", "The value of the first expression that has no error."},
		{"type", "What type a value has. In the console only."},
	}},
	{"Sensitive and ephemeral values", []FunctionDoc{
		{"ephemeralasnull", "The value with null for all that is ephemeral in it, so that it may be recorded."},
		{"issensitive", "Whether a value is sensitive."},
		{"nonsensitive", "The value, to be shown from here on."},
		{"sensitive", "The value, never to be shown."},
	}},
	{"Assumptions", []FunctionDoc{
		{"assumeequal", "The second value, known in the plan, for a first one that is known after apply. It is an error if they turn out to differ."},
		{"assumelistlength", "The list, of which the plan may assume that its length is within bounds. It is an error if that turns out wrong, as with all assumptions."},
		{"assumelistlengthmax", "The list, with a length of at most so much."},
		{"assumelistlengthmin", "The list, with a length of at least so much."},
		{"assumemaplength", "The map, with a length within bounds."},
		{"assumemaplengthmax", "The map, with a length of at most so much."},
		{"assumemaplengthmin", "The map, with a length of at least so much."},
		{"assumenotnull", "The value, of which the plan may assume that it is not null."},
		{"assumesetlength", "The set, with a length within bounds."},
		{"assumesetlengthmax", "The set, with a length of at most so much."},
		{"assumesetlengthmin", "The set, with a length of at least so much."},
		{"assumestringprefix", "The text, of which the plan may assume how it starts."},
	}},
	{"Encodings", []FunctionDoc{
		{"base64decode", "The text of its base64 form."},
		{"base64encode", "The base64 form of a text."},
		{"base64gunzip", "The text of the base64 form of its gzip form."},
		{"base64gzip", "The base64 form of the gzip form of a text."},
		{"csvdecode", "A list of objects of CSV (RFC 4180), whose first line has their attributes' names."},
		{"jsondecode", "The value of a JSON text."},
		{"jsonencode", "The JSON text of a value."},
		{"textdecodebase64", "The text of base64 of an encoding, which has an IANA name such as UTF-16LE."},
		{"textencodebase64", "The base64 form of a text in an encoding."},
		{"urldecode", "The text of its URL-encoded form."},
		{"urlencode", "The text as it may stand in a URL's query."},
		{"yamldecode", "The value of a YAML document."},
		{"yamlencode", "The YAML document of a value."},
	}},
	{"Files", []FunctionDoc{
		{"abspath", "The absolute form of a path, which starts at the current folder if it is relative."},
		{"basename", "The last part of a path."},
		{"dirname", "A path without its last part."},
		{"file", "The text in a file. Relative paths of all functions that read files start at the root module's folder: put ${path.module}/ before them in a module."},
		{"filebase64", "The base64 form of a file."},
		{"fileexists", "Whether there is a file. Something else than a regular file is an error."},
		{"fileset", "The files below a folder that match a pattern with *, **, ?, [a-z] and {a,b}."},
		{"pathexpand", "The path with the home folder for ~ at its start."},
		{"templatefile", "The text that a template in a file gives with the values of an object."},
	}},
	{"Digests, keys and identifiers", []FunctionDoc{
		{"base64sha256", "The base64 form of a text's SHA-256 digest."},
		{"base64sha512", "The base64 form of a text's SHA-512 digest."},
		{"bcrypt", "A password's bcrypt hash, another one at each call; the cost is 10 if it is not given. Known after apply."},
		{"filebase64sha256", "The base64 form of a file's SHA-256 digest."},
		{"filebase64sha512", "The base64 form of a file's SHA-512 digest."},
		{"filemd5", "A file's MD5 digest."},
		{"filesha1", "A file's SHA-1 digest."},
		{"filesha256", "A file's SHA-256 digest."},
		{"filesha512", "A file's SHA-512 digest."},
		{"md5", "A text's MD5 digest."},
		{"rsadecrypt", "The text of base64 ciphertext (PKCS #1 v1.5) by a private key in PEM form."},
		{"sha1", "A text's SHA-1 digest."},
		{"sha256", "A text's SHA-256 digest."},
		{"sha512", "A text's SHA-512 digest."},
		{"uuid", "A random UUID, another one at each call. Known after apply."},
		{"uuidv5", "The UUID of a name in a namespace: dns, url, oid, x500 or a UUID. Always the same one."},
	}},
	{"Times", []FunctionDoc{
		{"formatdate", "A time in another form, made of YYYY, MM, DD, hh, mm, ss, ZZZZZ and the like; text stands in single quotes."},
		{"plantimestamp", "The time of the plan (RFC 3339, UTC): the same in all of a plan, and when it is applied."},
		{"timeadd", "A time and a duration such as 1h30m or -10s after it."},
		{"timecmp", "-1, 0 or 1, by whether the first time is before, at or after the second."},
		{"timestamp", "The current time (RFC 3339, UTC). Known after apply."},
	}},
	{"Networks", []FunctionDoc{
		{"cidrcontains", "Whether a prefix has all of an address or prefix in it."},
		{"cidrhost", "The address with a number in a prefix. Negative numbers count from the end."},
		{"cidrnetmask", "The mask of an IPv4 prefix, as an address."},
		{"cidrsubnet", "The prefix within a prefix that is so many bits longer and has a number."},
		{"cidrsubnets", "One prefix after the other within a prefix, each so many bits longer than it."},
	}},
	{"No longer there", []FunctionDoc{
		{"list", "Write tolist([...]): this one is an error that says so."},
		{"map", "Write tomap({...}): this one is an error that says so."},
	}},
}
