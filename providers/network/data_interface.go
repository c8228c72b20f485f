package network

import (
	"context"
	"errors"

	"golang.org/x/sys/unix"

	"github.com/diyform/diyform/internal/linux/rtnl"
	"github.com/diyform/diyform/providers"
)

type interfaceData struct {
	Namespace  string   `diy:"namespace" format:"namespace" doc:"Network namespace that the interface is in. Left out, it is the host's."`
	Name       string   `diy:"name,required" format:"interface" doc:"Name of the interface."`
	Index      int      `diy:"index,computed" doc:"The kernel's number of the interface, unique in its namespace."`
	Kind       string   `diy:"kind,computed" doc:"What it is, as ip link add type names it: veth, bridge. Null for a physical interface and for lo."`
	MACAddress string   `diy:"mac_address,computed" doc:"Ethernet address. Null where it has none."`
	MTU        int      `diy:"mtu,computed" unit:"bytes" doc:"Largest packet that it sends."`
	Up         bool     `diy:"up,computed" doc:"Whether it is set up. That says nothing about the cable or the other end."`
	Running    bool     `diy:"running,computed" doc:"Whether packets can pass: it is up and has a carrier."`
	Master     string   `diy:"master,computed" doc:"Name of the bridge or other interface that it is a port of. Null for none."`
	Addresses  []string `diy:"addresses,computed" doc:"Its IP addresses with their prefix lengths, link-local ones too."`
}

type interfaceSource struct{}

func defineInterfaceData() providers.DataDef[*session] {
	return providers.DefineData("interface",
		"An interface that exists, whoever made it.", interfaceSource{})
}

func (interfaceSource) Read(ctx context.Context, k *session, v *interfaceData) error {
	conn, err := k.route(v.Namespace)
	if err != nil {
		return namespaceError(v.Namespace, err)
	}
	var link rtnl.Link
	if err := conn.Do(ctx, rtnl.GetLink(rtnl.ByName(v.Name), &link)); errors.Is(err, unix.ENODEV) {
		return missingLink(v.Namespace, v.Name, "name")
	} else if err != nil {
		return err
	}
	addresses, err := conn.Addresses(ctx)
	if err != nil {
		return err
	}
	var master rtnl.Link
	if link.Master != 0 {
		err := doExcept(ctx, conn, unix.ENODEV, []*rtnl.Request{rtnl.GetLink(rtnl.ByIndex(link.Master), &master)})
		if err != nil {
			return err
		}
	}
	v.observe(&link, addresses)
	v.Master = master.Name
	return nil
}

func (v *interfaceData) observe(link *rtnl.Link, addresses []rtnl.Address) {
	v.Index, v.Kind, v.MTU = link.Index, link.Kind, link.MTU
	v.MACAddress = link.MAC.String()
	v.Up, v.Running = link.Up(), link.Flags&unix.IFF_RUNNING != 0
	for _, a := range addresses {
		if a.Index == link.Index {
			v.Addresses = append(v.Addresses, a.Prefix.String())
		}
	}
}
