// Package netns is the one place that gives handles and sockets of network namespaces.
//
// It finds, makes and removes named namespaces, and opens rtnetlink and other
// sockets in them. It does not configure what is in them (package rtnl and the providers
// do). Callers never open a namespace themselves: what a [Namespace] gives may as well
// come from a supervisor that holds the namespaces of a lab without root.
//
// Start with [Set], which opens each namespace once, and [Set.Create].
//
// # Named namespaces
//
// A namespace has a name by being bind-mounted on /run/netns/NAME, where ip-netns(8) finds
// it too. Only who may mount can name one: root, or root of a user namespace.
//
// A namespace is made with its mark in it: its lo carries the mark as alias before the
// name is published, and the file that the mount covers holds the mark as its content,
// being linked to its name only when that is written. So whatever is visible under a
// name, at any instant, says whose it is; also what a crash left in the middle.
//
// # Threads
//
// A thread that entered a namespace is locked to its goroutine, and unlocked only when it
// is back in the host's; otherwise the runtime ends the thread with the goroutine. The
// runtime starts new threads from a clean one in that case, so no other goroutine ever
// runs in the wrong namespace.
package netns
