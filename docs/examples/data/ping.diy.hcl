check "gateway_answers" {
  data "ping" "gateway" {
    namespace = "lab"
    target    = "10.0.0.1"
  }
  assert {
    condition     = data.ping.gateway.received > 0
    error_message = "The gateway does not answer."
  }
}
