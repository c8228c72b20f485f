# One more address on an interface that diyform does not own.
resource "address" "service" {
  interface = "eth0"
  address   = "192.0.2.53/24"
}
