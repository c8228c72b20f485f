resource "root_image" "host" {
  host = true
}

resource "network_namespace" "lab" {}

resource "volume" "data" {}

# In a network that it cannot change, watched, limited, and with files that outlive it.
resource "container" "web" {
  root_image        = root_image.host.id
  network_namespace = network_namespace.lab.name
  hostname          = "web"
  user              = "www-data"
  command           = ["/bin/sh", "-c", "exec my-server --port $PORT"]
  env = {
    PORT = "8080"
  }
  hosts = {
    "db.example" = "192.0.2.7"
  }
  wait_for_interfaces = ["eth0"]
  stop_timeout        = "30s"

  # Apply, and what depends on the container, waits until it is healthy.
  wait = true
  health_check {
    http         = "http://127.0.0.1:8080/health"
    interval     = "10s"
    retries      = 3
    start_period = "20s"
  }
  restart {
    policy = "on-failure"
    delay  = "2s"
  }
  limits {
    memory = "256M"
    cpus   = 0.5
    pids   = 200
  }

  volume {
    volume = volume.data.id
    target = "/var/lib/my-server"
  }
  mount {
    source    = "/srv/www"
    target    = "/srv/www"
    read_only = true
  }
  mount {
    type   = "tmpfs"
    target = "/var/cache/my-server"
    size   = "64M"
  }
}

# In the processes of another one, and with no more capabilities than it needs.
resource "container" "sidecar" {
  root_image = root_image.host.id
  command    = ["/usr/sbin/my-exporter"]
  namespaces {
    join      = ["pid"]
    container = container.web.id
  }
  capabilities {
    drop = ["ALL"]
  }
}

# A job in a network of its own: apply waits until it has ended with exit code 0.
resource "container" "job" {
  root_image = root_image.host.id
  boot_time  = "zero"
  command    = ["/bin/sh", "-c", "my-migration --once"]
  must_run   = false
  wait       = true
}
