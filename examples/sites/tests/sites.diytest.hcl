# The default has two sites, which the check of the configuration joins.
run "two_sites" {
  assert {
    condition     = module.site["lisbon"].addresses["carol"] == "10.0.2.2"
    error_message = "Carol is elsewhere."
  }
}

# A third site leaves the others as they are: nobody moves.
run "three_sites" {
  variables {
    sites = {
      berlin = ["alice"]
      lisbon = ["carol"]
      oslo   = ["dave"]
    }
  }
  assert {
    condition     = output.addresses.lisbon == run.two_sites.addresses.lisbon
    error_message = "Carol has moved."
  }
}

# One site alone has nobody to reach, and the check says so.
run "one_site" {
  command = plan
  variables {
    sites = { berlin = ["alice", "bob"] }
  }
  plan_options {
    target = [module.site]
  }
  assert {
    condition     = length(module.site) == 1
    error_message = "There are others."
  }
}
