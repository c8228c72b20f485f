# The host's network, on a bridge that other links can join.
resource "bridge" "lan" {
  name = "br0"
  uplink {
    interface = "eth0"
  }
}

# A network of its own.
resource "bridge" "lab" {
  addresses = ["10.0.0.1/24"]
}

resource "network_namespace" "guest" {}

resource "veth_pair" "guest" {
  bridge = bridge.lab.name
  peer {
    name      = "eth0"
    namespace = network_namespace.guest.name
    addresses = ["10.0.0.2/24"]
  }
}
