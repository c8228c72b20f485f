// Command docgen writes a page of the reference, as Markdown, to standard output: `docgen
// resources` all resource types and data sources, `docgen functions` the functions of the
// language. `make docs` keeps them in docs.
//
// The text of resources is in the declarations of the types (the tags of their structs, see
// providers/schema) and in docs/examples: there is nothing to edit here when a type changes.
// That of functions is in config/functions_doc.go.
//
// Start with reference in page.go; table.go writes what one schema has.
package main

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/diyform/diyform/providers/registry"
)

// examplesFolder is where the examples are, from the repository's root.
const examplesFolder = "docs/examples"

func main() { os.Exit(run()) }

func run() int {
	out := bufio.NewWriter(os.Stdout)
	err := errors.New("name a page: resources or functions")
	switch strings.Join(os.Args[1:], " ") {
	case "resources":
		err = reference(out, registry.New(), os.DirFS(examplesFolder))
	case "functions":
		err = functionReference(out)
	}
	if err == nil {
		err = out.Flush()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "docgen:", err)
		return 1
	}
	return 0
}
