resource "network_namespace" "lab" {}

resource "network_namespace" "host" {
  for_each = toset(["alice", "bob"])
  name     = each.key
}
