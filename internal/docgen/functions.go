package main

import (
	"fmt"
	"io"

	"github.com/diyform/diyform/config"
)

const functionsIntroduction = `<!-- Written by make docs from config/functions_doc.go. Edit that. -->

# Functions

Expressions can call these functions, by OpenTofu's names and with its results; those of
Terraform are among them. Each can also be called with ` + "`core::`" + ` before its name. An argument with
` + "`...`" + ` may be left out or given several times, and a list is spread over such arguments by
` + "`max(var.numbers...)`" + `. Of an unknown or sensitive argument the result is unknown or sensitive too,
unless the function says something else. ` + "`diyform metadata functions -json`" + ` prints the same for editors.

What differs from OpenTofu:

- ` + "`matchkeys`" + ` is unknown as long as an element of its searchset is, where OpenTofu's plan has a
  list that apply may contradict.
- ` + "`cidrsubnet`" + ` and ` + "`cidrsubnets`" + ` refuse a negative number of bits, from which OpenTofu makes the
  prefix around the given one, or never comes back.
- ` + "`base64gunzip`" + ` refuses what is no UTF-8 text, as ` + "`base64decode`" + ` does in both; ` + "`signum`" + ` takes fractions.
- What is not known yet of a sensitive value stays sensitive in all functions, and no error quotes
  a sensitive or ephemeral argument.

What reads a file does so while the plan is made, and again when it is applied. The results of
` + "`bcrypt`, `timestamp` and `uuid`" + ` are others at each call, so the plan shows them as known after apply.
`

// functionReference writes the page of all functions of the language.
func functionReference(w io.Writer) error {
	all := config.Functions("")
	page := &page{}
	page.text("%s", functionsIntroduction)
	for _, group := range config.FunctionGroups() {
		page.text("\n## %s\n", group.Title)
		var rows [][]string
		for _, f := range group.Functions {
			fn, ok := all[f.Name]
			if !ok { // it is there in the console only
				fn = config.FunctionScope{Console: true}.Functions()[f.Name]
			}
			rows = append(rows, []string{fmt.Sprintf("`%s`", config.FunctionSignature(f.Name, fn)), f.Doc})
		}
		page.table([]string{"function", "what it gives"}, rows)
	}
	_, err := io.WriteString(w, page.String())
	return err
}
