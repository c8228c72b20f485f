# What a plan must not do: conftest is seen to say so.
package nothing_new

import rego.v1

deny contains sprintf("%s is new", [change.address]) if {
	some change in input.resource_changes
	"create" in change.change.actions
}
