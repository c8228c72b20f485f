// Command docgen writes the reference of all resource types and data sources, as Markdown,
// to standard output. `make docs` keeps it as docs/resources.md.
//
// All of its text is in the declarations of the types (the tags of their structs, see
// providers/schema) and in docs/examples: there is nothing to edit here when a type changes.
//
// Start with reference in page.go; table.go writes what one schema has.
package main

import (
	"bufio"
	"fmt"
	"os"

	"github.com/diyform/diyform/providers/registry"
)

// examplesFolder is where the examples are, from the repository's root.
const examplesFolder = "docs/examples"

func main() { os.Exit(run()) }

func run() int {
	out := bufio.NewWriter(os.Stdout)
	err := reference(out, registry.New(), os.DirFS(examplesFolder))
	if err == nil {
		err = out.Flush()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "docgen:", err)
		return 1
	}
	return 0
}
