variable "name" {
  type = string
}

variable "subnet" {
  description = "The site's network, a /24. Its first address is the gateway's."
  type        = string
  validation {
    condition     = endswith(var.subnet, "/24") && can(cidrhost(var.subnet, 0))
    error_message = "The network of the site ${var.name} must be a /24, not ${var.subnet}."
  }
}

variable "hosts" {
  type = set(string)
}
