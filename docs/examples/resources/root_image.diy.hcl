resource "root_image" "host" {
  host = true
}

resource "root_image" "debootstrap" {
  directory = "/srv/images/bookworm"
}

resource "root_image" "exported" {
  archive = "rootfs.tar.zst"
}

resource "root_image" "debian" {
  oci = "docker.io/library/debian:12"
}

resource "root_image" "layout" {
  oci      = "./images/web:v1"
  platform = "linux/arm64"
}

resource "root_image" "buildroot" {
  build {
    command     = ["make"]
    working_dir = "buildroot"
    inputs      = [".config", "board/overlay"]
    output      = "output/images/rootfs.tar"
  }
}
