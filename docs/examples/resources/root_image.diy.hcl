resource "root_image" "host" {
  host = true
}

resource "root_image" "built" {
  directory = "/srv/images/buildroot"
}
