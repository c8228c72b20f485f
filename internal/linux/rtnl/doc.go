// Package rtnl speaks rtnetlink over one socket of one network namespace: it creates,
// changes, deletes and lists links, addresses and routes, and hears of their changes.
//
// It is not for finding or entering namespaces (package netns opens the sockets), and it
// decides nothing: which object is ours, in which order addresses move and what is given
// back is the provider's part.
//
// Start with [Conn.Do], which sends requests made by [CreateVeth], [SetLink],
// [AddAddress] and their like, and with [Conn.Links], [Conn.Addresses] and
// [Conn.Routes], which read what there is. [Events] hears of changes.
//
// # Requests sent together
//
// The kernel handles the messages of one sendmsg in order, and answers each before
// sendmsg returns; after one that failed it goes on with the next. So only requests that
// do no harm when an earlier one failed may be sent together. A link is therefore created
// first and named by its alias in a second call: an alias sent along by interface name
// would mark somebody else's link when the name was taken.
package rtnl
