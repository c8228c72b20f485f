package main

import "github.com/spf13/cobra"

// examples are those of the help and the manual pages, by command.
var examples = map[string][]string{
	"validate": {"diyform validate", "diyform validate -json"},
	"plan": {"diyform plan", "diyform plan -out=FILE && diyform apply FILE", "diyform plan -var 'subnet=10.1.0.0/24' -target=veth_pair.uplink",
		"diyform plan -refresh-only -detailed-exitcode"},
	"apply":   {"diyform apply", "diyform apply -auto-approve", "diyform apply FILE", "diyform apply -replace='container.web[\"a\"]'"},
	"destroy": {"diyform destroy", "diyform destroy -auto-approve -target=container.web"},
	"import":  {"diyform import bridge.lan br0", "diyform import 'veth_pair.host[\"a\"]' lab/veth0", "diyform import route.default 'default via 10.0.0.1'"},
	"get":     {"diyform get -update"},
	"test":    {"diyform test", "diyform test -filter=tests/nat.diytest.hcl -verbose", "diyform test -junit-xml=results.xml"},
	"drift":   {"diyform drift", "diyform drift -watch -json"},
	"refresh": {"diyform refresh"},
	"fmt":     {"diyform fmt", "diyform fmt -check -diff -recursive"},
	"show":    {"diyform show", "diyform show -json FILE"},
	"output":  {"diyform output", "diyform output -raw address"},

	"state":      {"diyform state list", "diyform state show veth_pair.uplink"},
	"state list": {"diyform state list", "diyform state list module.lab container.web"},
	"state show": {"diyform state show 'network_namespace.host[\"a\"]'"},

	"state pull": {"diyform state pull >saved.json"},
	"state push": {"diyform state push saved.json", "ssh other diyform -chdir=lab state pull | diyform state push -"},
	"taint":      {"diyform taint container.web"},
	"untaint":    {"diyform untaint container.web"},

	"force-unlock":     {"diyform force-unlock"},
	"workspace":        {"diyform workspace new test", "diyform workspace select default"},
	"workspace list":   {"diyform workspace list"},
	"workspace show":   {"diyform workspace show"},
	"workspace new":    {"diyform workspace new test"},
	"workspace select": {"diyform workspace select test"},
	"workspace delete": {"diyform workspace delete test"},

	"ps":      {"diyform ps", "diyform ps -json"},
	"top":     {"diyform top", "diyform top -json -n 1 -sort=memory"},
	"logs":    {"diyform logs container.web", "diyform logs -f -since=10m container.web container.db"},
	"exec":    {"diyform exec container.web", "diyform exec container.web -- ip address", "diyform exec -u www-data -e LANG=C container.web -- env"},
	"attach":  {"diyform attach container.web"},
	"cp":      {"diyform cp container.web:/etc/hosts .", "diyform cp site container.web:/srv"},
	"wait":    {"diyform wait container.job", "diyform wait -health -timeout=30s container.web"},
	"start":   {"diyform start container.web"},
	"stop":    {"diyform stop container.web", "diyform stop -all"},
	"restart": {"diyform restart container.web"},
	"kill":    {"diyform kill -s HUP container.web"},

	"image":         {"diyform image list", "diyform image pull docker.io/library/alpine"},
	"image list":    {"diyform image list", "diyform image list -json"},
	"image inspect": {"diyform image inspect root_image.debian"},
	"image pull":    {"diyform image pull docker.io/library/alpine", "diyform image pull -platform=linux/arm64 docker.io/library/debian:12"},
	"image prune":   {"diyform image prune", "diyform image prune -all"},

	"systemd":            {"diyform systemd >/etc/systemd/system/diyform-lab.service", "diyform systemd -user -on-stop=destroy"},
	"metadata":           {"diyform metadata functions -json"},
	"metadata functions": {"diyform metadata functions -json | jq '.function_signatures | keys'"},
	"schema":             {"diyform schema -json | jq '.provider_schemas[].resource_schemas | keys'"},
	"version":            {"diyform version", "diyform version -json"},
}

// longer tells more about commands of which their summary does not tell all.
var longer = map[string]string{
	"state show": "Shows the attributes that are recorded of one resource. What must not be seen is not shown;\n" +
		"`diyform show -json` has it.",
	"show": "Shows the recorded resources and outputs, or what a plan file would do. Nothing is read from the kernel.",
	"output": "Shows the outputs as the last apply recorded them, or one of them. The value of a sensitive one is\n" +
		"shown where it is named, and with -json.",
	"image list":       "Lists the images of the store, which all stacks of a user share, and who uses them.",
	"workspace show":   "Shows the name of the selected workspace, which diyform.workspace is in expressions.",
	"workspace new":    "Makes a workspace with an empty state, and selects it.",
	"workspace select": "Selects the workspace that commands in this folder work on from now on.",
	"workspace delete": "Deletes a workspace in which nothing is recorded any more. The default one stays.",
	"workspace list":   "Lists the workspaces of this folder, with a star before the selected one.",
	"metadata":         "Prints what the language has, for editors and other programs.",
	"version":          "Shows the version of diyform, and what it was built with.",
}

// addExamples gives commands what stands here about them, unless they have their own.
func addExamples(root *cobra.Command) {
	for _, cmd := range root.Commands() {
		addExamples(cmd)
	}
	path := cmdPath(root)
	if root.Long == "" {
		root.Long = longer[path]
	}
	if root.Example != "" {
		return
	}
	for i, line := range examples[path] {
		if i > 0 {
			root.Example += "\n"
		}
		root.Example += "  " + line
	}
}
