# The article's root file system: buildroot makes it, and a container starts from it.

variable "buildroot" {
  description = "Buildroot's folder, in which make menuconfig was run"
  type        = string
  default     = "buildroot"
}

variable "make" {
  description = "The command that builds, in that folder"
  type        = list(string)
  default     = ["make"]
}

resource "root_image" "buildroot" {
  build {
    command     = var.make
    working_dir = var.buildroot
    inputs      = [".config"]
    output      = "output/images/rootfs.tar"
  }
}

resource "container" "diy" {
  root_image = root_image.buildroot.id
  hostname   = "diy-container"
  command    = ["/bin/sh", "-c", "while :; do sleep 60; done"]
}

output "image" {
  value = root_image.buildroot.id
}
