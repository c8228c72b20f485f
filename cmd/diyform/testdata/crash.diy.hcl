# A lab that has one of everything whose making or taking away can be interrupted.

variable "greeting" {
  type    = string
  default = "hello"
}

# Limits are for those who may make control groups.
variable "memory" {
  type    = string
  default = null
}

data "default_route" "wan" {}

resource "network_namespace" "diy" {}

resource "bridge" "lan" {
  name      = "lan0"
  addresses = ["10.0.0.1/24", "fd00:d1::1/64"]
}

resource "veth_pair" "uplink" {
  name   = "veth0"
  bridge = bridge.lan.name
  peer {
    name      = "veth1"
    namespace = network_namespace.diy.name
    addresses = ["10.0.0.2/24", "fd00:d1::2/64"]
  }
}

resource "route" "default" {
  namespace   = network_namespace.diy.name
  destination = "default"
  gateway     = "10.0.0.1"
  depends_on  = [veth_pair.uplink, bridge.lan]
}

resource "route" "default6" {
  namespace   = network_namespace.diy.name
  destination = "default"
  gateway     = "fd00:d1::1"
  depends_on  = [veth_pair.uplink, bridge.lan]
}

resource "sysctl" "forward" {
  key   = "net.ipv4.ip_forward"
  value = "1"
}

resource "sysctl" "inside" {
  namespace = network_namespace.diy.name
  key       = "net.ipv4.ip_forward"
  value     = "1"
}

resource "address" "extra" {
  interface = data.default_route.wan.interface
  address   = "198.51.100.77/24"
}

resource "masquerade" "wan" {
  source        = "10.0.0.0/24"
  out_interface = data.default_route.wan.interface
}

resource "masquerade" "wan6" {
  source        = "fd00:d1::/64"
  out_interface = data.default_route.wan.interface
}

resource "root_image" "host" {
  host = true
}

resource "root_image" "small" {
  archive = "rootfs.tar.gz"
}

resource "volume" "data" {}

# Its command runs when the link is up, which is made at the same time.
resource "container" "diy" {
  root_image          = root_image.host.id
  network_namespace   = network_namespace.diy.name
  hostname            = "diy-container"
  command             = ["/bin/sleep", "1000000"]
  wait_for_interfaces = ["veth1"]
}

resource "container" "box" {
  root_image = root_image.small.id
  command    = ["/bin/sh", "-c", "echo ${var.greeting} >/data/greeting; exec sleep 1000000"]
  wait       = true
  hosts = {
    "db.example" = "192.0.2.7"
  }
  limits {
    memory = var.memory
  }
  restart {
    policy = "always"
    delay  = "100ms"
  }
  health_check {
    command  = ["/bin/stat", "/data/greeting"]
    interval = "50ms"
    retries  = 100
  }
  volume {
    volume = volume.data.id
    target = "/data"
  }
  mount {
    source    = "shared"
    target    = "/shared"
    read_only = true
  }
  mount {
    type   = "tmpfs"
    target = "/scratch"
  }
}

resource "container" "beside" {
  root_image = root_image.small.id
  command    = ["/bin/sleep", "2000000"]
  namespaces {
    join      = ["network", "ipc"]
    container = container.box.id
  }
}

# What another greeting replaces by what is made before.
resource "network_namespace" "moved" {
  name = "moved-${var.greeting}"
  lifecycle {
    create_before_destroy = true
  }
}

resource "veth_pair" "moved" {
  name      = "mv-${var.greeting}"
  addresses = ["10.1.0.1/24"]
  peer {
    name      = "eth0"
    namespace = network_namespace.moved.name
    addresses = ["10.1.0.2/24"]
  }
  lifecycle {
    create_before_destroy = true
  }
}

resource "route" "moved" {
  namespace   = network_namespace.moved.name
  destination = "default"
  gateway     = "10.1.0.1"
  depends_on  = [veth_pair.moved]
}

resource "masquerade" "moved" {
  namespace = network_namespace.moved.name
  source    = "10.2.0.0/24"
  lifecycle {
    create_before_destroy = true
  }
}

resource "trigger" "moved" {
  triggers_replace = var.greeting
  lifecycle {
    create_before_destroy = true
  }
}
