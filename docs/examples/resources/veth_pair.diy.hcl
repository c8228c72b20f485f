resource "network_namespace" "lab" {}

resource "veth_pair" "uplink" {
  name      = "veth0"
  addresses = ["10.0.0.1/24", "fd00::1/64"]
  peer {
    name      = "veth1"
    namespace = network_namespace.lab.name
    addresses = ["10.0.0.2/24", "fd00::2/64"]
  }
}
