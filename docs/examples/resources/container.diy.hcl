resource "root_image" "host" {
  host = true
}

resource "network_namespace" "lab" {}

# In a network that it cannot change.
resource "container" "web" {
  root_image        = root_image.host.id
  network_namespace = network_namespace.lab.name
  hostname          = "web"
  command           = ["/bin/sh", "-c", "exec my-server --port $PORT"]
  env = {
    PORT = "8080"
  }
}

# In one of its own.
resource "container" "alone" {
  root_image = root_image.host.id
  boot_time  = "zero"
  command    = ["/bin/sleep", "infinity"]
}
