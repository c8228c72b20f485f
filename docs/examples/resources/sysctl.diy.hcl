resource "sysctl" "forwarding" {
  for_each = toset(["net.ipv4.ip_forward", "net.ipv6.conf.all.forwarding"])
  key      = each.key
  value    = "1"
}

resource "sysctl" "local_ports" {
  namespace = "lab"
  key       = "net.ipv4.ip_local_port_range"
  value     = "20000 40000"
}
