variable "sites" {
  description = "The hosts of each site. Each site gets a network of its own out of 10.0.0.0/8."
  type        = map(set(string))
  default = {
    berlin = ["alice", "bob"]
    lisbon = ["carol"]
  }
}

locals {
  names = sort(keys(var.sites))
}

module "site" {
  source   = "./site"
  for_each = var.sites
  name     = each.key
  subnet   = cidrsubnet("10.0.0.0/8", 16, index(local.names, each.key) + 1)
  hosts    = each.value
}

# A router with an interface in each site, whose gateway it is.
resource "network_namespace" "router" {}

resource "sysctl" "forward" {
  namespace = network_namespace.router.name
  key       = "net.ipv4.ip_forward"
  value     = "1"
}

resource "veth_pair" "trunk" {
  for_each  = module.site
  name      = each.key
  namespace = network_namespace.router.name
  addresses = ["${each.value.gateway}/24"]
  peer {
    name      = "router"
    namespace = each.value.switch
    bridge    = each.value.bridge
  }
}

output "addresses" {
  value = { for name, site in module.site : name => site.addresses }
}

check "sites_reach_each_other" {
  data "ping" "across" {
    namespace = module.site["berlin"].namespaces["alice"]
    target    = module.site["lisbon"].addresses["carol"]
  }
  assert {
    condition     = data.ping.across.received > 0
    error_message = "Alice in Berlin cannot reach Carol in Lisbon."
  }
}
