package playhost

import (
	"fmt"
	"net"
	"os"
	"runtime"
	"syscall"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"

	"github.com/diyform/diyform/internal/linux/machine"
)

const namespaceFolder = "/run/netns"

const (
	carrierDeadline = 10 * time.Second

	// The kernel reports the carrier of a link at once only if its peer has another index:
	// linkwatch_urgent_event() takes a link that is its own peer by number for a plain one,
	// which waits for a second.
	farEndIndex = 51
)

// An interface of the playhost's world, as it is to be configured.
type endpoint struct {
	link      string
	addresses []string
	gateways  []string
}

var (
	uplink = endpoint{
		link:      "eth0",
		addresses: []string{HostAddress4 + "/24", HostAddress6 + "/64"},
		gateways:  []string{GatewayAddress4, GatewayAddress6},
	}
	farEnd = endpoint{
		link:      "host",
		addresses: []string{GatewayAddress4 + "/24", GatewayAddress6 + "/64"},
	}
	farLoopback = endpoint{
		link:      "lo",
		addresses: []string{InternetAddress4 + "/32", InternetAddress6 + "/128"},
	}
	loopback = endpoint{link: "lo"}
)

func buildNetwork() error {
	if err := makeNamespaceFolder(); err != nil {
		return err
	}
	if err := inNewNamespace(InternetNamespace, buildInternet); err != nil {
		return fmt.Errorf("namespace %s: %w", InternetNamespace, err)
	}
	return bringUp()
}

// bringUp configures the host's side, and returns when the uplink has all of its addresses.
// The last one is the link-local one, which the kernel makes when there is a carrier.
func bringUp() error {
	changes, done := make(chan netlink.AddrUpdate), make(chan struct{})
	defer close(done)
	if err := netlink.AddrSubscribe(changes, done); err != nil {
		return fmt.Errorf("subscribe to address changes: %w", err)
	}
	if err := configure(loopback, uplink); err != nil {
		return err
	}
	deadline := time.After(carrierDeadline)
	for {
		select {
		case change := <-changes:
			usable := change.NewAddr && change.Flags&syscall.IFA_F_TENTATIVE == 0
			if usable && change.LinkAddress.IP.IsLinkLocalUnicast() {
				return nil
			}
		case <-deadline:
			return fmt.Errorf("wait for the addresses of %s: nothing after %v", uplink.link, carrierDeadline)
		}
	}
}

// makeNamespaceFolder does what the first `ip netns add` on a machine does.
func makeNamespaceFolder() error {
	if err := os.Mkdir(namespaceFolder, 0o755); err != nil {
		return err
	}
	if err := machine.Bind(namespaceFolder, namespaceFolder); err != nil {
		return err
	}
	return machine.MakeShared(namespaceFolder)
}

// inNewNamespace calls f on a thread in a new network namespace of that name, with an open
// handle of the namespace that the caller is in. The thread never goes back to the others,
// which would be in the wrong namespace: it dies with its goroutine.
func inNewNamespace(name string, f func(home netns.NsHandle) error) error {
	failed := make(chan error)
	go func() {
		runtime.LockOSThread()
		failed <- func() error {
			home, err := netns.Get()
			if err != nil {
				return fmt.Errorf("open own namespace: %w", err)
			}
			defer home.Close()
			created, err := netns.NewNamed(name)
			if err != nil {
				return fmt.Errorf("create: %w", err)
			}
			defer created.Close()
			return f(home)
		}()
	}()
	return <-failed
}

// buildInternet makes the uplink from its far end, each end in its own namespace.
func buildInternet(home netns.NsHandle) error {
	cable := &netlink.Veth{
		LinkAttrs: netlink.LinkAttrs{
			Name:         farEnd.link,
			Index:        farEndIndex,
			HardwareAddr: net.HardwareAddr{2, 0, 0, 0, 0, 1},
		},
		PeerName:         uplink.link,
		PeerHardwareAddr: net.HardwareAddr{2, 0, 0, 0, 0, 2},
		PeerNamespace:    netlink.NsFd(home),
	}
	if err := netlink.LinkAdd(cable); err != nil {
		return fmt.Errorf("create veth pair %s, %s: %w", farEnd.link, uplink.link, err)
	}
	// No link-local address here: nobody would wait until it is there.
	if err := setIPv6(farEnd.link, "addr_gen_mode", "1"); err != nil {
		return err
	}
	return configure(farLoopback, farEnd)
}

// configure sets up interfaces of the calling thread's namespace, in order.
func configure(endpoints ...endpoint) error {
	for _, e := range endpoints {
		if err := e.configure(); err != nil {
			return fmt.Errorf("configure %s: %w", e.link, err)
		}
	}
	return nil
}

func (e endpoint) configure() error {
	link, err := netlink.LinkByName(e.link)
	if err != nil {
		return fmt.Errorf("find link: %w", err)
	}
	// Spare the playhost the seconds in which IPv6 addresses, the kernel's link-local one
	// included, are tentative and answer nobody.
	if err := setIPv6(e.link, "accept_dad", "0"); err != nil {
		return err
	}
	if err := netlink.LinkSetUp(link); err != nil {
		return fmt.Errorf("set up: %w", err)
	}
	for _, address := range e.addresses {
		if err := addAddress(link, address); err != nil {
			return err
		}
	}
	for _, gateway := range e.gateways {
		route := &netlink.Route{LinkIndex: link.Attrs().Index, Gw: net.ParseIP(gateway)}
		if err := netlink.RouteAdd(route); err != nil {
			return fmt.Errorf("add default route by %s: %w", gateway, err)
		}
	}
	return nil
}

func setIPv6(link, key, value string) error {
	return os.WriteFile("/proc/sys/net/ipv6/conf/"+link+"/"+key, []byte(value), 0)
}

func addAddress(link netlink.Link, address string) error {
	prefix, err := netlink.ParseAddr(address)
	if err != nil {
		return fmt.Errorf("parse address %s: %w", address, err)
	}
	if prefix.IP.To4() == nil {
		prefix.Flags = syscall.IFA_F_NODAD
	}
	if err := netlink.AddrAdd(link, prefix); err != nil {
		return fmt.Errorf("add address %s: %w", address, err)
	}
	return nil
}
