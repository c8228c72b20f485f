package config

import (
	"fmt"
	"math/big"
	"net"
	"regexp"

	"github.com/apparentlymart/go-cidr/cidr"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/gocty"
)

// cidrhost(prefix, hostnum): the address of host hostnum; negative numbers count from the end.
var cidrHostFunc = function.New(&function.Spec{
	Params:       []function.Parameter{{Name: "prefix", Type: cty.String}, {Name: "hostnum", Type: cty.Number}},
	Type:         function.StaticReturnType(cty.String),
	RefineResult: notNull,
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		var number *big.Int
		if err := gocty.FromCtyValue(args[1], &number); err != nil {
			return cty.NilVal, function.NewArgError(1, err)
		}
		network, err := parsePrefix(args[0])
		if err != nil {
			return cty.NilVal, err
		}
		ip, err := cidr.HostBig(network, number)
		if err != nil {
			return cty.NilVal, err
		}
		return cty.StringVal(ip.String()), nil
	},
})

// cidrnetmask(prefix): the mask of an IPv4 prefix as an address.
var cidrNetmaskFunc = function.New(&function.Spec{
	Params:       []function.Parameter{{Name: "prefix", Type: cty.String}},
	Type:         function.StaticReturnType(cty.String),
	RefineResult: notNull,
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		network, err := parsePrefix(args[0])
		if err != nil {
			return cty.NilVal, err
		}
		if network.IP.To4() == nil {
			return cty.NilVal, function.NewArgErrorf(0, "IPv6 addresses cannot have a netmask: %s", args[0].AsString())
		}
		return cty.StringVal(net.IP(network.Mask).String()), nil
	},
})

// cidrsubnet(prefix, newbits, netnum): the prefix that is newbits longer, with number netnum.
var cidrSubnetFunc = function.New(&function.Spec{
	Params: []function.Parameter{
		{Name: "prefix", Type: cty.String},
		{Name: "newbits", Type: cty.Number},
		{Name: "netnum", Type: cty.Number},
	},
	Type:         function.StaticReturnType(cty.String),
	RefineResult: notNull,
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		var newBits int
		if err := gocty.FromCtyValue(args[1], &newBits); err != nil {
			return cty.NilVal, function.NewArgError(1, err)
		}
		var number *big.Int
		if err := gocty.FromCtyValue(args[2], &number); err != nil {
			return cty.NilVal, function.NewArgError(2, err)
		}
		network, err := parsePrefix(args[0])
		if err != nil {
			return cty.NilVal, err
		}
		if newBits < 0 {
			return cty.NilVal, function.NewArgErrorf(1, "must not be negative")
		}
		subnet, err := cidr.SubnetBig(network, newBits, number)
		if err != nil {
			return cty.NilVal, err
		}
		return cty.StringVal(subnet.String()), nil
	},
})

// cidrsubnets(prefix, newbits...): consecutive prefixes, each that many bits longer.
var cidrSubnetsFunc = function.New(&function.Spec{
	Params:       []function.Parameter{{Name: "prefix", Type: cty.String}},
	VarParam:     &function.Parameter{Name: "newbits", Type: cty.Number},
	Type:         function.StaticReturnType(cty.List(cty.String)),
	RefineResult: notNull,
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		network, err := parsePrefix(args[0])
		if err != nil {
			return cty.NilVal, err
		}
		var subnets []cty.Value
		var current *net.IPNet
		for i, arg := range args[1:] {
			length, err := subnetLength(network, arg)
			if err != nil {
				return cty.NilVal, function.NewArgError(i+1, err)
			}
			if current == nil {
				current, _ = cidr.PreviousSubnet(network, length)
			}
			next, rollover := cidr.NextSubnet(current, length)
			if rollover || !network.Contains(next.IP) {
				return cty.NilVal, function.NewArgErrorf(i+1,
					"not enough remaining address space for a subnet with a prefix of %d bits after %s", length, current)
			}
			current = next
			subnets = append(subnets, cty.StringVal(current.String()))
		}
		if len(subnets) == 0 {
			return cty.ListValEmpty(cty.String), nil
		}
		return cty.ListVal(subnets), nil
	},
})

// subnetLength gives the prefix length of a subnet of network that is newBits longer.
func subnetLength(network *net.IPNet, newBits cty.Value) (int, error) {
	var more int
	if err := gocty.FromCtyValue(newBits, &more); err != nil {
		return 0, err
	}
	if more < 1 {
		return 0, fmt.Errorf("must extend prefix by at least one bit")
	}
	ones, bits := network.Mask.Size()
	if ones+more > bits {
		protocol := map[int]string{32: "IPv4", 128: "IPv6"}[bits]
		return 0, fmt.Errorf("would extend prefix to %d bits, which is too long for an %s address", ones+more, protocol)
	}
	return ones + more, nil
}

// cidrcontains(prefix, address or prefix): whether the first holds all of the second.
var cidrContainsFunc = function.New(&function.Spec{
	Params: []function.Parameter{
		{Name: "containing_prefix", Type: cty.String},
		{Name: "contained_ip_or_prefix", Type: cty.String},
	},
	Type:         function.StaticReturnType(cty.Bool),
	RefineResult: notNull,
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		outer, err := parsePrefix(args[0])
		if err != nil {
			return cty.NilVal, err
		}
		inside := withoutLeadingZeros(args[1].AsString())
		first := net.ParseIP(inside)
		last := first
		if first == nil {
			_, inner, err := net.ParseCIDR(inside)
			if err != nil {
				return cty.NilVal, function.NewArgErrorf(1, "invalid IP address or prefix: %s", args[1].AsString())
			}
			first, last = cidr.AddressRange(inner)
		}
		if (first.To4() == nil) != (outer.IP.To4() == nil) {
			return cty.NilVal, fmt.Errorf("address family mismatch: %s and %s", args[0].AsString(), args[1].AsString())
		}
		return cty.BoolVal(outer.Contains(first) && outer.Contains(last)), nil
	},
})

func parsePrefix(arg cty.Value) (*net.IPNet, error) {
	_, network, err := net.ParseCIDR(withoutLeadingZeros(arg.AsString()))
	if err != nil {
		return nil, function.NewArgErrorf(0, "invalid CIDR expression: %w", err)
	}
	return network, nil
}

var leadingZeros = regexp.MustCompile(`\b0+([0-9a-fA-F])`)

// withoutLeadingZeros makes 10.1.0.1 of 010.001.0.1. Some take 010 for octal, therefore Go
// refuses it; in configurations it has always been decimal.
func withoutLeadingZeros(address string) string { return leadingZeros.ReplaceAllString(address, "$1") }

func notNull(b *cty.RefinementBuilder) *cty.RefinementBuilder { return b.NotNull() }
