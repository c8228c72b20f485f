package network

import (
	"io/fs"
	"strings"
	"testing"

	"github.com/diyform/diyform/providers"
)

func TestSysctlPath(t *testing.T) {
	for key, want := range map[string]string{
		"net.ipv4.ip_forward":              "net/ipv4/ip_forward",
		"net/ipv4/ip_forward":              "net/ipv4/ip_forward",
		"net/ipv4/conf/eth0.100/rp_filter": "net/ipv4/conf/eth0.100/rp_filter",
		"net.ipv4.conf.eth0/100.rp_filter": "net/ipv4/conf/eth0.100/rp_filter",
		"kernel.hostname":                  "kernel/hostname",
	} {
		if got := sysctlPath(key); got != want {
			t.Errorf("%s is %s", key, got)
		}
	}
}

func TestSysctlPlaces(t *testing.T) {
	link := func(key string) int {
		return len(sysctl{}.Places(&sysctlAttrs{Namespace: "lab", Key: key}, nil).Within) - 1
	}
	for key, want := range map[string]int{
		"net.ipv4.conf.veth0.rp_filter": 1, "net/ipv6/neigh/eth0.1/delay_first_probe_time": 1,
		"net.ipv4.conf.all.rp_filter": 0, "net.ipv6.conf.default.accept_ra": 0, "net.ipv4.ip_forward": 0,
	} {
		if got := link(key); got != want {
			t.Errorf("%s is within %d links", key, got)
		}
	}
	a := sysctl{}.Places(&sysctlAttrs{Key: "net.ipv4.ip_forward"}, nil).Holds
	b := sysctl{}.Places(&sysctlAttrs{Key: "net/ipv4/ip_forward"}, nil).Holds
	if a[0] != b[0] {
		t.Errorf("two ways of writing are two places: %v, %v", a, b)
	}
}

func TestSysctlRead(t *testing.T) {
	const path = "net/ipv4/tcp_rmem"
	held := map[string]bool{"sysctl.x": true}
	for name, test := range map[string]struct {
		reading    sysctlReading
		unfinished bool
		want       string // "": gone
	}{
		"as written":      {sysctlReading{value: "4096 131072 6291456"}, false, "4096\t131072 6291456"},
		"drift":           {sysctlReading{value: "4096 131072 9"}, false, "4096 131072 9"},
		"crash after":     {sysctlReading{value: "4096 131072 6291456", held: held}, true, "4096\t131072 6291456"},
		"crash before":    {sysctlReading{value: "4096 131072 9", held: held}, true, "4096 131072 9"},
		"not registered":  {sysctlReading{value: "4096 131072 6291456"}, true, ""},
		"setting is gone": {sysctlReading{err: fs.ErrNotExist}, false, ""},
	} {
		s := &snapshot{namespaces: map[string]*view{"lab": {sysctls: map[string]sysctlReading{path: test.reading}}}}
		got, err := sysctl{}.Read(s, &providers.Recorded[sysctlAttrs, sysctlIdentity]{
			Address:    at("sysctl", "x"),
			Attrs:      sysctlAttrs{Namespace: "lab", Key: "net.ipv4.tcp_rmem", Value: "4096\t131072 6291456"},
			Unfinished: test.unfinished,
		})
		switch {
		case err != nil:
			t.Errorf("%s: %v", name, err)
		case got == nil && test.want != "":
			t.Errorf("%s reads as gone", name)
		case got != nil && (got.Attrs.Value != test.want || got.Unfinished):
			t.Errorf("%s reads as %+v", name, got)
		}
	}
	s := &snapshot{namespaces: map[string]*view{"lab": {sysctls: map[string]sysctlReading{path: {err: fs.ErrPermission}}}}}
	if _, err := (sysctl{}).Read(s, &providers.Recorded[sysctlAttrs, sysctlIdentity]{
		Attrs: sysctlAttrs{Namespace: "lab", Key: "net.ipv4.tcp_rmem"},
	}); err == nil || !strings.Contains(err.Error(), "does not let this user") {
		t.Errorf("without permission: %v", err)
	}
}

func TestSysctlValidate(t *testing.T) {
	for name, v := range map[string]sysctlAttrs{
		"out of the tree":              {Key: "net/../../etc/passwd", Value: "1"},
		"absolute":                     {Key: "/proc/sys/net/ipv4/ip_forward", Value: "1"},
		"one word":                     {Key: "net", Value: "1"},
		"the machine's in a namespace": {Namespace: "lab", Key: "kernel.hostname", Value: "x"},
		"two lines":                    {Key: "net.ipv4.ip_forward", Value: "1\n2"},
	} {
		if err := (sysctl{}).Validate(&v, nil); err == nil {
			t.Errorf("%s passes", name)
		}
	}
	if err := (sysctl{}).Validate(&sysctlAttrs{Key: "kernel.hostname", Value: "x"}, nil); err != nil {
		t.Error(err)
	}
}

func TestSysctlLife(t *testing.T) {
	k := newKernel(t)
	twoHosts(t)
	get := func(key string) string { return shell(t, "ip netns exec near sysctl -n "+key) }
	host := shell(t, "sysctl -n net.ipv4.ip_forward")

	forward := k.mustCreate("sysctl", args("namespace", "near", "key", "net.ipv4.ip_forward", "value", "1"))
	if got := get("net.ipv4.ip_forward"); got != "1" {
		t.Errorf("it is %s", got)
	}
	if got := shell(t, "sysctl -n net.ipv4.ip_forward"); got != host {
		t.Errorf("the host's changed to %s", got)
	}
	k.delete(forward)
	if got := get("net.ipv4.ip_forward"); got != "0" {
		t.Errorf("after destroy it is %s", got)
	}

	old := get("net.ipv4.ip_local_port_range")
	ports := k.mustCreate("sysctl", args("namespace", "near", "key", "net.ipv4.ip_local_port_range", "value", "20000 30000"))
	ports = k.update(ports, args("namespace", "near", "key", "net.ipv4.ip_local_port_range", "value", "20000  40000"))
	k.delete(ports)
	if got := get("net.ipv4.ip_local_port_range"); got != old {
		t.Errorf("after two values %q came back, not %q", got, old)
	}
}

func TestSysctlOfSomebodyElseIsLeft(t *testing.T) {
	k := newKernel(t)
	twoHosts(t)
	config := args("namespace", "near", "key", "net/ipv4/conf/va/rp_filter", "value", "2")
	o := k.mustCreate("sysctl", config)
	shell(t, "ip netns exec near sysctl -q -w net.ipv4.conf.va.rp_filter=1")
	drifted := k.read(o)
	if got := drifted.Attributes.GetAttr("value").AsString(); got != "1" {
		t.Errorf("drift reads as %q", got)
	}
	k.delete(drifted)
	if got := shell(t, "ip netns exec near sysctl -n net.ipv4.conf.va.rp_filter"); got != "1" {
		t.Errorf("somebody else's value became %s", got)
	}
	o = k.mustCreate("sysctl", config)
	shell(t, "ip -n near link del va")
	if got := k.read(o); got != nil {
		t.Errorf("with its interface gone it reads as %#v", got)
	}
	k.delete(o)
}

func TestSysctlErrorsSayWhatToDo(t *testing.T) {
	k := newKernel(t)
	twoHosts(t)
	for name, test := range map[string]struct {
		config []any
		check  string
		create string
	}{
		"misspelt":      {[]any{"key", "net.ipv4.ip_forwrad", "value", "1"}, `Did you mean "net.ipv4.ip_forward"?`, "Did you mean"},
		"refused value": {[]any{"key", "net.ipv4.ip_forward", "value", "yes"}, "", `does not take "yes"`},
		"read-only":     {[]any{"key", "net.ipv4.tcp_available_congestion_control", "value", "cubic"}, "can only be read", "can only be read"},
		"write-only":    {[]any{"key", "net.ipv4.route.flush", "value", "1"}, "only be written", "only be written"},
		"the host's":    {[]any{"key", "net.core.netdev_budget", "value", "1"}, "only the host's", "only the host's"},
	} {
		config := args(append(test.config, "namespace", "near")...)
		if err := k.check("sysctl", config); (err == nil) != (test.check == "") || err != nil && !strings.Contains(err.Error(), test.check) {
			t.Errorf("%s: check: %v", name, err)
		}
		if _, err := k.create("sysctl", config); err == nil || !strings.Contains(err.Error(), test.create) {
			t.Errorf("%s: create: %v", name, err)
		}
	}
	promised := args("namespace", "near", "key", "net.ipv4.conf.veth7.rp_filter", "value", "1")
	if err := k.check("sysctl", promised, providers.Link("near", "veth7")); err != nil {
		t.Errorf("a setting of an interface to come: %v", err)
	}
}
