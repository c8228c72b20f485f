check "web_is_up" {
  data "tcp" "web" {
    host    = "10.0.0.2"
    port    = 8080
    timeout = 10
  }
  assert {
    condition     = data.tcp.web.reachable
    error_message = "Nobody listens: ${coalesce(data.tcp.web.error, "no reason given")}"
  }
}
