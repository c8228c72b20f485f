package supervisor

import (
	"net/netip"
	"testing"

	"github.com/diyform/diyform/providers/container/launch"
)

func addresses(texts ...string) []netip.Addr {
	var list []netip.Addr
	for _, t := range texts {
		list = append(list, netip.MustParseAddr(t))
	}
	return list
}

const localhosts = "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n"

func TestHosts(t *testing.T) {
	near := []netip.Prefix{netip.MustParsePrefix("10.0.2.0/24")}
	for _, c := range []struct {
		name  string
		from  reader
		peers []peer
		want  string
	}{
		{"nothing", reader{}, nil, localhosts},
		{"no address yet", reader{spec: launch.Spec{Hostname: "web"}}, nil, localhosts + "127.0.1.1\tweb\n"},
		{"own address, domain and names",
			reader{spec: launch.Spec{ID: "w", Hostname: "web", Domain: "lab"}, settings: Settings{Names: []string{"www", "web"}}},
			[]peer{{id: "w", addresses: addresses("10.0.1.2")}},
			localhosts + "10.0.1.2\tweb.lab web www\n"},
		{"configured", reader{settings: Settings{Hosts: map[string]string{"b": "10.9.9.2", "a": "10.9.9.1"}}}, nil,
			localhosts + "10.9.9.1\ta\n10.9.9.2\tb\n"},
		{"others, near addresses first", reader{spec: launch.Spec{ID: "w"}, subnets: near},
			[]peer{{id: "z", names: []string{"zed"}, addresses: addresses("10.0.1.3", "10.0.2.3", "fd00::3")}, {id: "a", names: []string{"nowhere"}}},
			localhosts + "10.0.2.3\tzed\n10.0.1.3\tzed\nfd00::3\tzed\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := c.from.hosts(c.peers); got != c.want {
				t.Errorf("got\n%s\nwant\n%s", got, c.want)
			}
		})
	}
}

func TestResolv(t *testing.T) {
	stub := map[string]string{
		resolvPath:   "# stub\nnameserver 127.0.0.53\noptions edns0\nsearch lan\n",
		resolvedPath: "# real\nnameserver 192.0.2.1\nsearch lan\n",
	}
	kept := launch.Spec{Namespaces: launch.Namespaces{Keep: []string{"network"}}}
	for _, c := range []struct {
		name string
		from reader
		host map[string]string
		want string
	}{
		{"as the host", reader{}, map[string]string{resolvPath: "nameserver 192.0.2.9\nnameserver 127.0.0.1\n"}, "nameserver 192.0.2.9\n"},
		{"systemd-resolved", reader{}, stub, "nameserver 192.0.2.1\nsearch lan\n"},
		{"the host's network", reader{spec: kept}, stub, stub[resolvPath]},
		{"no server", reader{}, map[string]string{resolvPath: "nameserver ::1\nsearch lan\n"}, "search lan\n"},
		{"configured", reader{settings: Settings{DNS: &DNS{Servers: []string{"10.0.0.1", "fd00::1"}, Search: []string{"a", "b"}, Options: []string{"ndots:2"}}}},
			stub, "nameserver 10.0.0.1\nnameserver fd00::1\nsearch a b\noptions ndots:2\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := c.from.resolv(func(path string) string { return c.host[path] }); got != c.want {
				t.Errorf("got\n%s\nwant\n%s", got, c.want)
			}
		})
	}
}
