# Two services on one bridge. The store writes to a volume and is healthy when it has written; the
# reader starts after that, and finds the store by its name.

resource "bridge" "lan" {
  addresses = ["10.20.0.1/24"]
}

resource "network_namespace" "node" {
  for_each = toset(["store", "reader"])
}

resource "veth_pair" "node" {
  for_each = { store = 2, reader = 3 }
  bridge   = bridge.lan.name
  peer {
    name      = "eth0"
    namespace = network_namespace.node[each.key].name
    addresses = ["${cidrhost("10.20.0.0/24", each.value)}/24"]
  }
}

resource "root_image" "host" {
  host = true
}

resource "volume" "data" {}

resource "container" "store" {
  root_image          = root_image.host.id
  network_namespace   = network_namespace.node["store"].name
  wait_for_interfaces = [veth_pair.node["store"].peer.name]
  command = ["/bin/sh", "-c", <<-EOT
    while :; do
      date >> /data/log
      sleep 1
    done
  EOT
  ]
  wait = true

  health_check {
    command  = ["/bin/sh", "-c", "test -s /data/log"]
    interval = "1s"
  }
  restart {
    policy = "always"
  }
  limits {
    memory = "64M"
    pids   = 20
  }
  volume {
    volume = volume.data.id
    target = "/data"
  }
}

resource "container" "reader" {
  root_image        = root_image.host.id
  network_namespace = network_namespace.node["reader"].name
  command           = ["/bin/sh", "-c", "ping -c 1 -W 2 store && echo found; exec sleep infinity"]
  read_only         = true
  depends_on        = [container.store, veth_pair.node]

  volume {
    volume    = volume.data.id
    target    = "/data"
    read_only = true
  }
}

check "reader_finds_the_store" {
  data "ping" "store" {
    namespace = network_namespace.node["reader"].name
    target    = "10.20.0.2"
  }
  assert {
    condition     = data.ping.store.received > 0
    error_message = "The reader cannot reach the store."
  }
}
