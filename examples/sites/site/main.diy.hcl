# A site: a switch, and hosts on it whose default route goes to the site's gateway.

locals {
  hosts = { for i, name in sort(var.hosts) : name => cidrhost(var.subnet, i + 2) }
}

resource "network_namespace" "switch" {
  name = var.name
}

resource "bridge" "lan" {
  name      = "lan"
  namespace = network_namespace.switch.name
}

resource "network_namespace" "host" {
  for_each = var.hosts
  name     = "${var.name}-${each.key}"
}

resource "veth_pair" "cable" {
  for_each  = local.hosts
  name      = each.key
  namespace = network_namespace.switch.name
  bridge    = bridge.lan.name
  peer {
    name      = "eth0"
    namespace = network_namespace.host[each.key].name
    addresses = ["${each.value}/24"]
  }
}

resource "route" "default" {
  for_each    = var.hosts
  namespace   = network_namespace.host[each.key].name
  destination = "default"
  gateway     = cidrhost(var.subnet, 1)
  depends_on  = [veth_pair.cable]
}
