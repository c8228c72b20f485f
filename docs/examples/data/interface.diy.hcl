data "interface" "uplink" {
  name = "eth0"
}

output "addresses" {
  value = data.interface.uplink.addresses
}
