variable "subnet" {
  type    = string
  default = "10.0.0.0/24"
}

data "default_route" "wan" {}

resource "network_namespace" "diy" {}

resource "veth_pair" "uplink" {
  name      = "veth0"
  addresses = ["${cidrhost(var.subnet, 1)}/24"]
  peer {
    name      = "veth1"
    namespace = network_namespace.diy.name
    addresses = ["${cidrhost(var.subnet, 2)}/24"]
  }
}

resource "route" "default" {
  namespace   = network_namespace.diy.name
  destination = "default"
  gateway     = cidrhost(var.subnet, 1)
  depends_on  = [veth_pair.uplink]
}

resource "sysctl" "ip_forward" {
  key   = "net.ipv4.ip_forward"
  value = "1"
}

resource "masquerade" "wan" {
  source        = var.subnet
  out_interface = data.default_route.wan.interface
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
    target    = cidrhost(var.subnet, 1)
  }
  assert {
    condition     = data.ping.gateway.received > 0
    error_message = "The container cannot reach its gateway."
  }
}
