package process

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"slices"
	"strings"
)

// Addresses gives the IP addresses in a process's network namespace, without those of the
// loopback interface and link-local ones. It is read from /proc/PID/net, so that nobody has to
// enter the namespace, which an ordinary user may not.
func Addresses(pid int) ([]netip.Addr, error) {
	v4, err := os.ReadFile(fmt.Sprintf("/proc/%d/net/fib_trie", pid))
	if err != nil {
		return nil, fmt.Errorf("read addresses: %w", err)
	}
	list := addresses4(string(v4))
	v6, err := os.ReadFile(fmt.Sprintf("/proc/%d/net/if_inet6", pid))
	if errors.Is(err, fs.ErrNotExist) {
		return list, nil // IPv6 is off
	}
	if err != nil {
		return nil, fmt.Errorf("read addresses: %w", err)
	}
	return append(list, addresses6(string(v6))...), nil
}

// addresses4 takes the local ones from the routing table:
//
//	|-- 10.0.0.2
//	   /32 host LOCAL
func addresses4(trie string) []netip.Addr {
	var list []netip.Addr
	var last netip.Addr
	for line := range strings.Lines(trie) {
		line = strings.TrimSpace(line)
		if text, ok := strings.CutPrefix(line, "|-- "); ok {
			last, _ = netip.ParseAddr(text)
		}
		// Each is there for the table "local" and for that of all together.
		if line == "/32 host LOCAL" && last.IsValid() && !last.IsLoopback() && !slices.Contains(list, last) {
			list = append(list, last)
		}
	}
	slices.SortFunc(list, netip.Addr.Compare)
	return list
}

// addresses6 takes the addresses of global scope, which is 00 in the fourth field:
//
//	fd00000000000000000000000000000a 02 40 00 80 veth1
func addresses6(table string) []netip.Addr {
	var list []netip.Addr
	for line := range strings.Lines(table) {
		fields := strings.Fields(line)
		if len(fields) < 6 || fields[3] != "00" {
			continue
		}
		bytes, err := hex.DecodeString(fields[0])
		if err != nil {
			continue
		}
		if a, ok := netip.AddrFromSlice(bytes); ok {
			list = append(list, a)
		}
	}
	slices.SortFunc(list, netip.Addr.Compare)
	return list
}
