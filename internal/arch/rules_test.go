package arch

// module is the import path of the repository's root.
const module = "github.com/diyform/diyform"

// A layer is a set of packages and what they may import of this module, beside packages of
// the same layer if it says so. Paths are relative to the module; "x/..." is x and all below.
type layer struct {
	packages string
	imports  []string
	reason   string
}

// leaves are what every package may use: they know nothing of diyform but its words.
var leaves = []string{"internal/addr", "internal/diag", "internal/failpoint", "internal/marks"}

// layers is searched from its start: the first entry that covers a package is its layer.
// Programs (package main) that are no part of the product may import anything.
var layers = []layer{
	{
		packages: "cmd/diyform",
		imports:  []string{"apply/...", "plan/...", "config/...", "state/...", "providers/...", "internal/..."},
		reason:   "the command line is the top: it may use all, and nobody can import it",
	},
	{
		packages: "apply/...",
		imports:  []string{"apply/...", "plan/...", "config/...", "state/...", "providers", "providers/schema", "internal/dag"},
		reason:   "running a plan needs to know what it says, but no single provider",
	},
	{
		packages: "plan/...",
		imports:  []string{"plan/...", "config/...", "state/...", "providers", "providers/schema", "internal/dag"},
		reason:   "a plan is made of configuration, state and what providers read",
	},
	{
		packages: "config/...",
		imports:  []string{"config/...", "internal/dag"},
		reason:   "what the user wants is known without looking at any state or provider",
	},
	{
		packages: "state/...",
		imports:  []string{"state/...", "internal/linux/..."},
		reason:   "storage never imports the engine, and attributes are raw JSON to it",
	},
	{
		packages: "providers/schema",
		reason:   "a schema is derived from a struct's tags alone",
	},
	{
		packages: "providers",
		imports:  []string{"providers/schema", "internal/linux/..."},
		reason:   "the contract knows none of those who keep it",
	},
	{
		packages: "providers/registry",
		imports:  []string{"providers/...", "internal/linux/..."},
		reason:   "the one list of all providers",
	},
	{
		packages: "providers/providertest",
		imports:  []string{"providers", "providers/schema"},
		reason:   "a provider without a kernel, for the tests of the engine",
	},
	{
		packages: "providers/network/...",
		imports:  []string{"providers", "providers/schema", "providers/network/...", "internal/linux/..."},
		reason:   "a provider knows the contract and the kernel, but no file and no other provider",
	},
	{
		packages: "providers/firewall/...",
		imports:  []string{"providers", "providers/schema", "providers/firewall/...", "internal/linux/..."},
		reason:   "as above",
	},
	{
		packages: "providers/container/...",
		imports:  []string{"providers", "providers/schema", "providers/container/...", "internal/linux/..."},
		reason:   "as above",
	},
	{
		packages: "providers/builtin",
		imports:  []string{"providers", "providers/schema"},
		reason:   "what is only on record needs no kernel",
	},
	{
		packages: "internal/linux/...",
		imports:  []string{"internal/linux/..."},
		reason:   "the kernel's interface has no idea of what it is used for",
	},
	{
		packages: "internal/playhost/...",
		imports:  []string{"internal/playhost/...", "internal/linux/machine", "internal/world"},
		reason:   "the test bench shares no code with what it tests, but for the making of its namespaces",
	},
	{
		packages: "internal/...",
		imports:  []string{"internal/linux/..."},
		reason:   "leaves import no siblings",
	},
}

// benches may be imported by tests alone: the product does not contain its test bench.
var benches = []string{"internal/playhost/...", "internal/arch/...", "internal/bench/...", "providers/providertest"}

// An exception is a file, or a file and function, that may break a rule, and why.
type exceptions map[string]string

// The limits are those at which a reader has lost the thread, not those to aim at, which
// are 400 and 60 lines.
const (
	maxFileLines     = 500
	maxFunctionLines = 100
)

var (
	longFiles     = exceptions{}
	longFunctions = exceptions{}

	// Waiting for the kernel is done by its events, with a deadline.
	sleepers = exceptions{
		"providers/container/supervisor/stop.go": "the kernel tells nobody when a process changes its signal mask",
	}

	// Registration is by explicit lists, so that what a program contains can be read.
	initFunctions = exceptions{}
)
