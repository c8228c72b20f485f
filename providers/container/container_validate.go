package container

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/diyform/diyform/internal/diag"
	"github.com/diyform/diyform/internal/linux/process"
	"github.com/diyform/diyform/providers/container/image"
	"github.com/diyform/diyform/providers/schema"
)

// problem is one about the attribute at a path.
func problem(attribute, summary, format string, args ...any) error {
	return &diag.Problem{Summary: summary, Attribute: attribute, Detail: fmt.Sprintf(format, args...)}
}

func (container) Validate(v *containerAttrs, unknown schema.Unknown) error {
	check := &validation{containerAttrs: v, unknown: unknown}
	for _, part := range []func(){
		check.command, check.names, check.sysctls, check.hosts, check.mountTargets, check.devices,
		check.rlimits, check.capabilities, check.shares, check.health, check.waiting, check.log,
	} {
		part()
	}
	return errors.Join(check.errs...)
}

// validation collects what is wrong between a container's attributes.
type validation struct {
	*containerAttrs
	unknown schema.Unknown
	errs    []error
}

func (c *validation) add(err error) {
	if err != nil {
		c.errs = append(c.errs, err)
	}
}

func (c *validation) fail(attribute, summary, format string, args ...any) {
	c.add(problem(attribute, summary, format, args...))
}

func noCommand(detail string) error {
	return &diag.Problem{Summary: "There is no command", Attribute: "command", Detail: detail}
}

func (c *validation) command() {
	if !c.unknown.Has("root_image") && c.RootImage != "" && !strings.HasPrefix(c.RootImage, image.Prefix) {
		_, err := imageSpec(c.RootImage)
		c.add(err)
		if err == nil && len(c.Command)+len(c.Entrypoint) == 0 && !c.unknown.Has("command") && !c.unknown.Has("entrypoint") {
			c.add(noCommand("The command must have at least the program to run. Only an image of the kinds archive and oci can have one of its own."))
		}
	}
	for name, list := range map[string][]string{"command": c.Command, "entrypoint": c.Entrypoint} {
		if len(list) > 0 && list[0] == "" && !c.unknown.Has(name) && !c.unknown.Has(name+".0") {
			c.fail(name, "There is no command", "The first element is the program to run, and it is empty.")
		}
	}
	if _, err := signalNumber(c.StopSignal); err != nil {
		c.add(err)
	}
}

func unknownSignal(name string) error {
	return problem("stop_signal", "Unknown signal", "%q is no signal. Write its name, as in SIGTERM or SIGINT.", name)
}

func (c *validation) names() {
	if c.Hostname != "" {
		c.add(validateHostname("hostname", c.Hostname))
	}
	if c.Domain != "" {
		c.add(validateHostname("domain", c.Domain))
	}
	for _, name := range slices.Sorted(maps.Keys(c.Env)) {
		if name == "" || strings.ContainsAny(name, "=\x00") {
			c.fail("env", "Invalid environment variable", "%q cannot be the name of an environment variable.", name)
		}
	}
	user, group, two := strings.Cut(c.User, ":")
	if c.User != "" && (user == "" || two && group == "" || strings.ContainsAny(c.User, " \t\n/") || strings.Contains(group, ":")) {
		c.fail("user", "Not a user", `%q is not a user: write a name or a number, and a group after a colon, as in "www-data" or "1000:1000".`, c.User)
	}
	if id, err := strconv.Atoi(user); err == nil && id != 0 && c.IDMap == "single" && !c.unknown.Has("id_map") {
		c.fail("user", "There is no such user", `With id_map = "single" root is the only user. Set id_map to range or auto, or remove user.`)
	}
}

// sysctlNamespaces are the beginnings of the keys that belong to a namespace, and to which.
var sysctlNamespaces = []struct{ prefix, kind string }{
	{"net.", "network"}, {"fs.mqueue.", "ipc"}, {"kernel.msg", "ipc"}, {"kernel.sem", "ipc"}, {"kernel.shm", "ipc"},
	{"kernel.auto_msgmni", "ipc"}, {"user.max_", "user"},
}

func (c *validation) sysctls() {
	for _, key := range slices.Sorted(maps.Keys(c.Sysctls)) {
		kind := ""
		for _, n := range sysctlNamespaces {
			if strings.HasPrefix(strings.ReplaceAll(key, "/", "."), n.prefix) {
				kind = n.kind
			}
		}
		switch {
		case kind == "" || strings.Contains(key, ".."):
			c.fail("sysctls", "Not a setting of a container", "%q does not belong to a namespace, so it is the whole machine's: "+
				"set it by a resource of the type sysctl. A container has those of the network (net.) and of ipc (fs.mqueue., kernel.msg, kernel.sem, kernel.shm).", key)
		case kind == "network" && strings.HasPrefix(c.NetworkMode, joined):
			c.fail("sysctls", "Not the container's own setting", "%q is a setting of the network namespace that the container joins, and cannot change. "+
				"Set it by a resource of the type sysctl with that namespace.", key)
		case c.Namespaces != nil && c.Namespaces.has(kind):
			c.fail("sysctls", "Not the container's own setting", "%q is a setting of the %s namespace, which is not the container's own.", key, kind)
		}
	}
}

func (c *validation) hosts() {
	for _, name := range slices.Sorted(maps.Keys(c.Hosts)) {
		if c.unknown.Has("hosts") {
			return
		}
		if err := validateHostname("hosts", name); err != nil {
			c.add(err)
			continue
		}
		if _, err := netip.ParseAddr(c.Hosts[name]); err != nil && c.Hosts[name] != "" {
			c.fail("hosts", "Not an IP address", "The host %s has %q, which is not an IP address.", name, c.Hosts[name])
		}
	}
}

func (c *validation) mountTargets() {
	targets := map[string]string{}
	target := func(path, at string) {
		if path == "" {
			return
		}
		clean := filepath.Clean(path)
		switch other, taken := targets[clean]; {
		case clean == "/":
			c.fail(at, "The root cannot be covered", "The root of the container is its root_image. Mount at a folder below.")
		case slices.Contains([]string{"/proc", "/sys", "/dev"}, clean) || strings.HasPrefix(clean, "/proc/"):
			c.fail(at, "The target is taken", "A container has a %s of its own. Mount elsewhere.", clean)
		case taken:
			c.fail(at, "Two mounts at one place", "%s is the target of %s too, which would be hidden.", clean, other)
		}
		targets[clean] = strings.TrimSuffix(at, ".target")
	}
	for i, m := range c.Mounts {
		c.mount(m, fmt.Sprintf("mount.%d", i))
		target(m.Target, fmt.Sprintf("mount.%d.target", i))
	}
	for i, v := range c.Volumes {
		target(v.Target, fmt.Sprintf("volume.%d.target", i))
	}
}

func (c *validation) mount(m mountBlock, at string) {
	tmpfs := m.Type == "tmpfs"
	switch {
	case c.unknown.Has(at + ".type"):
	case tmpfs && m.Source != "":
		c.fail(at+".source", "A tmpfs has no source", "A tmpfs is empty at first. Remove source, or the type.")
	case tmpfs && (m.MapIDs || m.Propagation != "rprivate"):
		c.fail(at, "Not for a tmpfs", "map_ids and propagation are about a folder of the host's, which a tmpfs is not.")
	case !tmpfs && m.Source == "" && !c.unknown.Has(at+".source"):
		c.fail(at, "A mount has no source", `Set source to a folder or file of the host's, or type = "tmpfs" for an empty folder in memory.`)
	case !tmpfs && (m.Size != "" || m.Mode != ""):
		c.fail(at, "Only for a tmpfs", `size and mode are those of a tmpfs. Set type = "tmpfs", or remove them.`)
	}
	if _, err := parseMode(m.Mode); err != nil {
		c.fail(at+".mode", "Invalid permissions", "%s", diag.Sentence(err.Error()))
	}
}

func (c *validation) devices() {
	targets := map[string]bool{}
	for i, d := range c.Devices {
		at, device := fmt.Sprintf("device.%d", i), d.spec()
		switch {
		case d.Source == "" || c.unknown.Has(at+".target"):
		case !strings.HasPrefix(device.Target, "/dev/"):
			c.fail(at, "A device belongs into /dev", "%s is not below /dev. Set target to where it shall be there.", device.Target)
		case targets[device.Target]:
			c.fail(at, "Two devices at one place", "%s is the target of two devices.", device.Target)
		}
		targets[device.Target] = true
	}
}

func (c *validation) rlimits() {
	known := slices.Sorted(slices.Values(process.LimitNames()))
	seen := map[string]bool{}
	for i, r := range c.RLimits {
		at := fmt.Sprintf("rlimit.%d", i)
		if r.Name != "" && !slices.Contains(known, r.Name) {
			c.fail(at+".name", "Unknown limit", "%q is not a limit of a process.%s Those are %s.", r.Name,
				diag.Suggest(strings.TrimPrefix(strings.ToLower(r.Name), "rlimit_"), known), strings.Join(known, ", "))
		}
		if seen[r.Name] && r.Name != "" {
			c.fail(at, "Two limits of one name", "%s is set twice.", r.Name)
		}
		seen[r.Name] = true
		soft, err := parseRLimit(r.Soft)
		if err != nil && r.Soft != "" {
			c.fail(at+".soft", "Invalid limit", "%s", diag.Sentence(err.Error()))
		}
		if r.Hard == "" {
			continue
		}
		hard, err := parseRLimit(r.Hard)
		switch {
		case err != nil:
			c.fail(at+".hard", "Invalid limit", "%s", diag.Sentence(err.Error()))
		case soft > hard:
			c.fail(at, "Soft above hard", "The soft limit of %s is %s, and the hard one %s, which it cannot exceed.", r.Name, r.Soft, r.Hard)
		}
	}
}

func (c *validation) log() {
	if b := c.LogBlock; b != nil && b.MaxSize != "" && sizeOf(b.MaxSize) < minLogFile {
		c.fail("log.max_size", "The log is too small", "A file of the log has at least %s.", schema.FormatSize(minLogFile))
	}
}

// minLogFile is the least size of a log file: less would turn over with every few lines.
const minLogFile = 4 << 10

// health checks that there is one probe, and that it can be tried.
func (c *validation) health() {
	h := c.HealthCheck
	if h == nil || c.unknown.Has("health_check.command") || c.unknown.Has("health_check.tcp") || c.unknown.Has("health_check.http") {
		return
	}
	probes := 0
	for _, set := range []bool{len(h.Command) > 0, h.TCP != "", h.HTTP != ""} {
		if set {
			probes++
		}
	}
	if probes != 1 {
		c.fail("health_check", "A health check is one thing", "Set exactly one of command, tcp and http: it says how to find out. There are %d.", probes)
		return
	}
	if h.TCP != "" {
		if _, port, err := net.SplitHostPort(h.TCP); err != nil || port == "" {
			c.fail("health_check.tcp", "Not an address and a port", `%q is not an address with a port. Write it as in "127.0.0.1:80" or "[::1]:80".`, h.TCP)
		}
	}
	if u, err := url.Parse(h.HTTP); h.HTTP != "" && (err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "") {
		c.fail("health_check.http", "Not a URL", `%q is not a URL of a web server. Write it as in "http://127.0.0.1:8080/health".`, h.HTTP)
	}
	for name, text := range map[string]string{"interval": h.Interval, "timeout": h.Timeout} {
		if text != "" && durationOf(text) == 0 {
			c.fail("health_check."+name, "No time at all", "The %s of a health check must be more than nothing.", name)
		}
	}
}

// waiting finds a container for which apply would wait without end.
func (c *validation) waiting() {
	if c.Wait && len(c.Interfaces) > 0 && c.NetworkMode == own {
		c.fail("wait", "The container would wait for itself", "With wait = true apply waits until the container runs. That waits for %s, which can be made only "+
			"when the container's own network namespace is there, and so only after it. Let it join a network_namespace, or remove wait.",
			strings.Join(c.Interfaces, ", "))
	}
	if c.Wait && c.WaitTimeout != "" && durationOf(c.WaitTimeout) == 0 {
		c.fail("wait_timeout", "No time at all", "To wait takes more than nothing. Set wait = false not to wait.")
	}
}
