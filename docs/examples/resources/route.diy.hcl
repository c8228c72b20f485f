resource "route" "default" {
  namespace   = "lab"
  destination = "default"
  gateway     = "10.0.0.1"
}

resource "route" "office" {
  destination = "10.20.0.0/16"
  gateway     = "192.0.2.1"
  interface   = "eth0"
  metric      = 50
}

resource "route" "nowhere" {
  destination = "fd00:bad::/32"
  type        = "unreachable"
}
