package main

import (
	"net"
	"net/netip"
	"os"
	"strings"

	"github.com/diyform/diyform/plan"
)

// remote gives the SSH connection that this command is run through, or nil: where there is
// none, or where its address is none of this network namespace's.
func remote() *plan.Remote {
	fields := strings.Fields(os.Getenv("SSH_CONNECTION")) // client, port, server, port
	if len(fields) != 4 {
		return nil
	}
	client, err1 := netip.ParseAddr(fields[0])
	server, err2 := netip.ParseAddr(fields[2])
	if err1 != nil || err2 != nil {
		return nil
	}
	interfaces, err := net.Interfaces()
	if err != nil {
		return nil
	}
	for _, i := range interfaces {
		addresses, err := i.Addrs()
		if err != nil {
			continue // it has gone
		}
		for _, a := range addresses {
			prefix, err := netip.ParsePrefix(a.String())
			if err == nil && prefix.Addr() == server.WithZone("") {
				return &plan.Remote{Client: client.WithZone(""), Server: server.WithZone(""), Interface: i.Name}
			}
		}
	}
	return nil
}
