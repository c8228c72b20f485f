data "default_route" "wan" {}

output "uplink" {
  value = "${data.default_route.wan.interface} by ${data.default_route.wan.gateway}"
}
