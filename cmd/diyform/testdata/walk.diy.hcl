# What a random walk changes.

variable "greeting" {
  type    = string
  default = "hello"
}

variable "beside" {
  type    = number
  default = 1
}

variable "policy" {
  type    = string
  default = "never"
}

variable "memory" {
  type    = string
  default = null
}

resource "root_image" "host" {
  host = true
}

resource "root_image" "small" {
  archive = "rootfs.tar.gz"
}

resource "volume" "data" {}

resource "container" "box" {
  root_image   = root_image.small.id
  command      = ["/bin/sh", "-c", "trap 'exit 0' TERM; echo ${var.greeting} >/data/greeting; while :; do sleep 0.1; done"]
  stop_timeout = 1
  wait         = true
  hosts = {
    "walk.example" = "192.0.2.${var.beside + 1}"
  }
  limits {
    memory = var.memory
  }
  restart {
    policy = var.policy
    delay  = "100ms"
  }
  health_check {
    command  = ["/bin/stat", "/data/greeting"]
    interval = "200ms"
    retries  = 100
  }
  volume {
    volume = volume.data.id
    target = "/data"
  }
}

resource "container" "beside" {
  count      = var.beside
  root_image = count.index == 0 ? root_image.host.id : root_image.small.id
  command    = ["/bin/sleep", "1000000"]
  depends_on = [container.box]
}

resource "container" "joined" {
  root_image = root_image.small.id
  command    = ["/bin/sleep", "2000000"]
  namespaces {
    join      = ["network", "ipc"]
    container = container.box.id
  }
}
