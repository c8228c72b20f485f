# A policy as it is written for Terraform's plans: nothing in it knows diyform.
package main

import rego.v1

deny contains "the form of the plan is not known" if not startswith(input.format_version, "1.")

deny contains sprintf("%s is destroyed", [change.address]) if {
	some change in input.resource_changes
	change.mode == "managed"
	change.change.actions == ["delete"]
}

deny contains sprintf("%s is planned, and not in planned_values", [change.address]) if {
	some change in input.resource_changes
	change.change.after != null
	not change.address in planned
}

# walk goes into modules of modules.
planned contains resource.address if {
	walk(input.planned_values.root_module, [_, resource])
	is_string(resource.address)
	is_string(resource.type)
}

deny contains sprintf("%s has no block in the configuration", [change.address]) if {
	some change in input.resource_changes
	not change.module_address
	not [change.type, change.name] in declared
}

declared contains [resource.type, resource.name] if some resource in input.configuration.root_module.resources

# A module of policies for networks would have rules like this one.
deny contains sprintf("%s has a packet size that IPv6 does not work with", [change.address]) if {
	some change in input.resource_changes
	mtu := change.change.after.mtu
	mtu != null
	mtu < 1280
}
