# One that ip netns add made.
data "network_namespace" "lab" {
  name = "lab"
}

output "inode" {
  value = data.network_namespace.lab.inode
}
