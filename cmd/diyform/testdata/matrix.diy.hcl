# One container of each kind of image.

variable "id_map" {
  type = string
}

# Where the registry is.
variable "registry" {
  type = string
}

resource "root_image" "host" {
  host = true
}

resource "root_image" "directory" {
  directory = "rootfs"
}

resource "root_image" "archive" {
  archive = "rootfs.tar.gz"
}

resource "root_image" "oci" {
  oci = "${var.registry}/lab/os:1"
}

resource "container" "box" {
  for_each = {
    host      = root_image.host.id
    directory = root_image.directory.id
    archive   = root_image.archive.id
    oci       = root_image.oci.id
  }
  root_image   = each.value
  id_map       = var.id_map
  hostname     = each.key
  command      = ["/bin/sleep", "1000000"]
  stop_timeout = 1
}
