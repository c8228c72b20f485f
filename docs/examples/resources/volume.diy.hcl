resource "root_image" "host" {
  host = true
}

resource "volume" "data" {
  owner = "1000:1000"
  mode  = "0750"
}

# Its files are there again when the container is replaced.
resource "container" "db" {
  root_image = root_image.host.id
  user       = "1000:1000"
  command    = ["/usr/bin/my-database", "--data", "/var/lib/db"]
  volume {
    volume = volume.data.id
    target = "/var/lib/db"
  }
}
