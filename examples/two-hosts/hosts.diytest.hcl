# Run with `diyform test`: each run makes what it tests, in namespaces that are thrown away.

run "addresses" {
  command = plan # what can be told before anything is made

  assert {
    condition     = output.addresses == { alice = "10.0.0.1/24", bob = "10.0.0.2/24" }
    error_message = "The hosts have other addresses."
  }
}

# Here everything is made. The check of the configuration, that Alice reaches Bob, must hold too.
run "they_reach_each_other" {
  assert {
    condition     = alltrue([for cable in veth_pair.cable : cable.bridge == bridge.lan.name])
    error_message = "A host is not on the bridge."
  }
}

# They move to another network while they run.
run "another_subnet" {
  variables {
    subnet = "192.168.7.0/24"
  }
  assert {
    condition     = output.addresses.bob != run.they_reach_each_other.addresses.bob
    error_message = "Bob has not moved."
  }
}

run "not_a_subnet" {
  command = plan

  variables {
    subnet = "192.168.7"
  }
  expect_failures = [var.subnet]
}
