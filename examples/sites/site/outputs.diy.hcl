output "switch" {
  description = "The network namespace of the bridge."
  value       = network_namespace.switch.name
}

output "bridge" {
  value = bridge.lan.name
}

output "gateway" {
  description = "The address that the hosts' default routes go to."
  value       = cidrhost(var.subnet, 1)
}

output "namespaces" {
  value = { for name, ns in network_namespace.host : name => ns.name }
}

output "addresses" {
  value = local.hosts
}
