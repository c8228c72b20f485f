data "host" "here" {}

resource "network_namespace" "worker" {
  count = data.host.here.cpus
}
