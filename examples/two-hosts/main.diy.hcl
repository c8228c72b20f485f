variable "subnet" {
  type    = string
  default = "10.0.0.0/24"

  validation {
    condition     = can(cidrhost(var.subnet, 2))
    error_message = "The subnet must be a prefix with room for the hosts, such as 10.0.0.0/24."
  }
}

locals {
  hosts = {
    alice = 1
    bob   = 2
  }
}

# The bridge has a namespace of its own, so that no firewall of the real host is between
# the two.
resource "network_namespace" "switch" {}

resource "network_namespace" "host" {
  for_each = local.hosts
  name     = each.key
}

resource "bridge" "lan" {
  name      = "br0"
  namespace = network_namespace.switch.name
}

resource "veth_pair" "cable" {
  for_each  = local.hosts
  name      = each.key
  namespace = network_namespace.switch.name
  bridge    = bridge.lan.name
  peer {
    name      = "eth0"
    namespace = network_namespace.host[each.key].name
    addresses = ["${cidrhost(var.subnet, each.value)}/24"]
  }
}

output "addresses" {
  value = { for name, cable in veth_pair.cable : name => cable.peer.addresses[0] }
}

check "bob_answers_alice" {
  data "ping" "bob" {
    namespace = network_namespace.host["alice"].name
    target    = cidrhost(var.subnet, local.hosts.bob)
  }
  assert {
    condition     = data.ping.bob.received > 0
    error_message = "Alice cannot reach Bob."
  }
}
