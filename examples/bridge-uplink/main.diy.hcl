# After apply the default route leads through the bridge, so that the interface cannot be
# taken from data.default_route: a second plan would find the bridge itself.
variable "uplink" {
  type        = string
  description = "The physical interface that the host's default route leads through."
  default     = "eth0"
}

variable "host_number" {
  type        = number
  description = "The container's address, counted from the start of the uplink's network. It must be free."
  default     = 200
}

# Gateway and address are the same before, when they are the uplink's, and after, when they
# are the bridge's.
data "default_route" "wan" {}

data "interface" "wan" {
  name = data.default_route.wan.interface
}

locals {
  # The host's own address with its prefix length, as 192.0.2.7/24.
  host_address  = one([for a in data.interface.wan.addresses : a if startswith(a, "${data.default_route.wan.source}/")])
  prefix_length = split("/", local.host_address)[1]
}

resource "bridge" "lan" {
  name = "br0"
  uplink {
    interface = var.uplink
  }
}

resource "network_namespace" "diy" {}

resource "veth_pair" "diy" {
  name   = "veth0"
  bridge = bridge.lan.name
  peer {
    name      = "veth1"
    namespace = network_namespace.diy.name
    addresses = ["${cidrhost(local.host_address, var.host_number)}/${local.prefix_length}"]
  }
}

resource "route" "default" {
  namespace   = network_namespace.diy.name
  destination = "default"
  gateway     = data.default_route.wan.gateway
  depends_on  = [veth_pair.diy]
}

resource "root_image" "host" {
  host = true
}

resource "container" "diy" {
  root_image        = root_image.host.id
  network_namespace = network_namespace.diy.name
  hostname          = "diy-container"
  command           = ["/bin/sh", "-c", "while :; do sleep 60; done"]
}

check "gateway_answers" {
  data "ping" "gateway" {
    namespace = network_namespace.diy.name
    target    = data.default_route.wan.gateway
  }
  assert {
    condition     = data.ping.gateway.received > 0
    error_message = "The container cannot reach the gateway of the host's network."
  }
}
