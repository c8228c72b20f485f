# The host's own root file system, below a layer that is gone with the container.
resource "root_image" "host" {
  host = true
}

# All eight namespaces are the default: time, mount, cgroup, uts, ipc, user, pid, network.
resource "container" "diy" {
  root_image = root_image.host.id
  hostname   = "diy-container"
  boot_time  = "zero"
  command    = ["/bin/sh", "-c", "while :; do sleep 60; done"]
}

output "pid" {
  value = container.diy.pid
}
