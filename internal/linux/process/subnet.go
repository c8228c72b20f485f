package process

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"math/bits"
	"net/netip"
	"os"
	"strconv"
	"strings"
)

// Subnets gives the IP subnets that a process's network namespace is in: the destinations that
// it reaches without a gateway. It is read from /proc/PID/net, as Addresses.
func Subnets(pid int) ([]netip.Prefix, error) {
	v4, err := os.ReadFile(fmt.Sprintf("/proc/%d/net/route", pid))
	if err != nil {
		return nil, fmt.Errorf("read subnets: %w", err)
	}
	list := subnets4(string(v4))
	v6, err := os.ReadFile(fmt.Sprintf("/proc/%d/net/if_inet6", pid))
	if errors.Is(err, fs.ErrNotExist) {
		return list, nil // IPv6 is off
	}
	if err != nil {
		return nil, fmt.Errorf("read subnets: %w", err)
	}
	return append(list, subnets6(string(v6))...), nil
}

// subnets4 takes the routes without a gateway. Numbers are in the machine's byte order, whose
// memory is the address:
//
//	Iface  Destination  Gateway   Flags  RefCnt  Use  Metric  Mask      ...
//	veth1  0000000A     00000000  0001   0       0    0       00FFFFFF  ...
func subnets4(table string) []netip.Prefix {
	var list []netip.Prefix
	for line := range strings.Lines(table) {
		fields := strings.Fields(line)
		if len(fields) < 8 || fields[2] != "00000000" {
			continue
		}
		destination, err := strconv.ParseUint(fields[1], 16, 32)
		mask, maskErr := strconv.ParseUint(fields[7], 16, 32)
		if err != nil || maskErr != nil || mask == 0 {
			continue
		}
		var b [4]byte
		binary.NativeEndian.PutUint32(b[:], uint32(destination))
		list = append(list, netip.PrefixFrom(netip.AddrFrom4(b), bits.OnesCount64(mask)))
	}
	return list
}

// subnets6 takes the prefixes of addresses of global scope, see addresses6.
func subnets6(table string) []netip.Prefix {
	var list []netip.Prefix
	for line := range strings.Lines(table) {
		fields := strings.Fields(line)
		if len(fields) < 6 || fields[3] != "00" {
			continue
		}
		bytes, err := hex.DecodeString(fields[0])
		length, lengthErr := strconv.ParseUint(fields[2], 16, 8)
		if a, ok := netip.AddrFromSlice(bytes); ok && err == nil && lengthErr == nil {
			list = append(list, netip.PrefixFrom(a, int(length)).Masked())
		}
	}
	return list
}
