variable "release" {
  type    = string
  default = "2.1"
}

resource "root_image" "host" {
  host = true
}

# Nothing of its own: a change of it replaces the container.
resource "trigger" "release" {
  input = var.release
}

resource "container" "worker" {
  root_image = root_image.host.id
  command    = ["/usr/bin/worker"]
  env        = { RELEASE = trigger.release.output }
  lifecycle {
    replace_triggered_by = [trigger.release]
  }
}
