data "default_route" "wan" {}

resource "masquerade" "wan" {
  for_each      = toset(["10.0.0.0/24", "fd00::/64"])
  source        = each.key
  out_interface = data.default_route.wan.interface
}
