package config

import (
	"maps"
	"time"

	"github.com/hashicorp/hcl/v2/ext/tryfunc"
	ctyyaml "github.com/zclconf/go-cty-yaml"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"
)

// Functions gives every function that expressions can call, by OpenTofu's names and with its
// semantics. Relative paths mean files below dir.
func Functions(dir string) map[string]function.Function { return FunctionScope{Dir: dir}.Functions() }

// FunctionScope is where expressions stand that call functions.
type FunctionScope struct {
	Dir      string    // relative paths mean files below it
	PlanTime time.Time // what plantimestamp gives; when zero, that is unknown
	// Planning makes the results unknown that are others at every call, as those of timestamp
	// are, so that the plan promises nothing that apply cannot keep.
	Planning bool
	Console  bool // there is the function type, and no plantimestamp
}

// coreNamespace is what OpenTofu allows before a function's name.
const coreNamespace = "core::"

// Functions gives every function that can be called there.
func (s FunctionScope) Functions() map[string]function.Function {
	all := maps.Clone(pureFunctions)
	for name, f := range impureFunctions {
		if s.Planning {
			f = function.Unpredictable(f)
		}
		all[name] = f
	}
	maps.Copy(all, fileFunctions(s.Dir))
	if s.Console {
		all["type"] = typeFunc
	} else {
		all["plantimestamp"] = planTimestamp(s.PlanTime)
	}
	addTemplates(s.Dir, all)
	for name, f := range maps.Clone(all) {
		if !quotesNothing[name] {
			f = discreet(f)
		}
		f = described(name, f)
		all[name], all[coreNamespace+name] = f, f
	}
	return all
}

var impureFunctions = map[string]function.Function{
	"bcrypt":    bcryptFunc,
	"timestamp": timestampFunc,
	"uuid":      uuidFunc,
}

var pureFunctions = map[string]function.Function{
	// numbers
	"abs":      stdlib.AbsoluteFunc,
	"ceil":     stdlib.CeilFunc,
	"floor":    stdlib.FloorFunc,
	"log":      stdlib.LogFunc,
	"max":      stdlib.MaxFunc,
	"min":      stdlib.MinFunc,
	"parseint": stdlib.ParseIntFunc,
	"pow":      stdlib.PowFunc,
	"signum":   stdlib.SignumFunc,
	"sum":      sumFunc,

	// text
	"chomp":       stdlib.ChompFunc,
	"endswith":    endsWithFunc,
	"format":      stdlib.FormatFunc,
	"formatlist":  stdlib.FormatListFunc,
	"indent":      stdlib.IndentFunc,
	"join":        stdlib.JoinFunc,
	"lower":       stdlib.LowerFunc,
	"regex":       stdlib.RegexFunc,
	"regexall":    stdlib.RegexAllFunc,
	"replace":     replaceFunc,
	"split":       stdlib.SplitFunc,
	"startswith":  startsWithFunc,
	"strcontains": containsTextFunc,
	"strrev":      stdlib.ReverseFunc,
	"substr":      stdlib.SubstrFunc,
	"title":       stdlib.TitleFunc,
	"trim":        stdlib.TrimFunc,
	"trimprefix":  stdlib.TrimPrefixFunc,
	"trimspace":   stdlib.TrimSpaceFunc,
	"trimsuffix":  stdlib.TrimSuffixFunc,
	"upper":       stdlib.UpperFunc,

	// collections
	"alltrue":         allTrueFunc,
	"anytrue":         anyTrueFunc,
	"chunklist":       stdlib.ChunklistFunc,
	"coalesce":        coalesceFunc,
	"coalescelist":    stdlib.CoalesceListFunc,
	"compact":         stdlib.CompactFunc,
	"concat":          stdlib.ConcatFunc,
	"contains":        stdlib.ContainsFunc,
	"distinct":        stdlib.DistinctFunc,
	"element":         stdlib.ElementFunc,
	"flatten":         stdlib.FlattenFunc,
	"index":           indexFunc,
	"keys":            stdlib.KeysFunc,
	"length":          lengthFunc,
	"lookup":          lookupFunc,
	"matchkeys":       matchKeysFunc,
	"merge":           stdlib.MergeFunc,
	"one":             oneFunc,
	"range":           stdlib.RangeFunc,
	"reverse":         stdlib.ReverseListFunc,
	"setintersection": stdlib.SetIntersectionFunc,
	"setproduct":      stdlib.SetProductFunc,
	"setsubtract":     stdlib.SetSubtractFunc,
	"setunion":        stdlib.SetUnionFunc,
	"slice":           stdlib.SliceFunc,
	"sort":            stdlib.SortFunc,
	"transpose":       transposeFunc,
	"values":          stdlib.ValuesFunc,
	"zipmap":          stdlib.ZipmapFunc,

	// types
	"can":             tryfunc.CanFunc,
	"convert":         convertFunc,
	"ephemeralasnull": ephemeralAsNullFunc,
	"issensitive":     isSensitiveFunc,
	"nonsensitive":    nonsensitiveFunc,
	"sensitive":       sensitiveFunc,
	"tobool":          makeTo(cty.Bool),
	"tolist":          toCollection(cty.List),
	"tomap":           toCollection(cty.Map),
	"tonumber":        makeTo(cty.Number),
	"toset":           toCollection(cty.Set),
	"tostring":        makeTo(cty.String),
	"try":             tryfunc.TryFunc,

	// assumptions
	"assumeequal":         assumeEqualFunc,
	"assumelistlength":    assumeLength(cty.List, lengthBetween),
	"assumelistlengthmax": assumeLength(cty.List, lengthAtMost),
	"assumelistlengthmin": assumeLength(cty.List, lengthAtLeast),
	"assumemaplength":     assumeLength(cty.Map, lengthBetween),
	"assumemaplengthmax":  assumeLength(cty.Map, lengthAtMost),
	"assumemaplengthmin":  assumeLength(cty.Map, lengthAtLeast),
	"assumenotnull":       assumeNotNullFunc,
	"assumesetlength":     assumeLength(cty.Set, lengthBetween),
	"assumesetlengthmax":  assumeLength(cty.Set, lengthAtMost),
	"assumesetlengthmin":  assumeLength(cty.Set, lengthAtLeast),
	"assumestringprefix":  assumeStringPrefixFunc,

	// no longer there
	"list": removedFunction("list", "tolist([...])"),
	"map":  removedFunction("map", "tomap({...})"),

	// encodings
	"base64decode":     base64DecodeFunc,
	"base64encode":     base64EncodeFunc,
	"base64gunzip":     textFunc(base64Gunzip),
	"base64gzip":       base64GzipFunc,
	"csvdecode":        stdlib.CSVDecodeFunc,
	"jsondecode":       stdlib.JSONDecodeFunc,
	"jsonencode":       stdlib.JSONEncodeFunc,
	"textdecodebase64": textDecodeBase64Func,
	"textencodebase64": textEncodeBase64Func,
	"urldecode":        urlDecodeFunc,
	"urlencode":        urlEncodeFunc,
	"yamldecode":       ctyyaml.YAMLDecodeFunc,
	"yamlencode":       ctyyaml.YAMLEncodeFunc,

	// digests
	"base64sha256": base64SHA256Func,
	"base64sha512": base64SHA512Func,
	"md5":          md5Func,
	"rsadecrypt":   rsaDecryptFunc,
	"sha1":         sha1Func,
	"sha256":       sha256Func,
	"sha512":       sha512Func,
	"uuidv5":       uuidV5Func,

	// times
	"formatdate": stdlib.FormatDateFunc,
	"timeadd":    stdlib.TimeAddFunc,
	"timecmp":    timeCmpFunc,

	// paths
	"basename":   basenameFunc,
	"dirname":    dirnameFunc,
	"pathexpand": pathExpandFunc,

	// networks
	"cidrcontains": cidrContainsFunc,
	"cidrhost":     cidrHostFunc,
	"cidrnetmask":  cidrNetmaskFunc,
	"cidrsubnet":   cidrSubnetFunc,
	"cidrsubnets":  cidrSubnetsFunc,
}
