#!/bin/sh
# Shows the lab of this folder from plan to destroy. Run it by `make demo`, which gives it
# a disposable machine with an uplink; on any other it stops here.
set -eu
if [ "$(uname -n)" != host ] || [ ! -e /run/netns/internet ]; then
	echo "demo.sh runs on a disposable machine: use make demo" >&2
	exit 1
fi

# The state belongs to the machine, not to the repository.
lab=$(mktemp -d -p "$XDG_RUNTIME_DIR")
cp "$(dirname "$0")"/*.diy.hcl "$lab"
cd "$lab"

say() { printf '\n# %s\n' "$*"; }
show() {
	printf '$ %s\n' "$*"
	"$@"
}

say "A host with an uplink, and nothing else."
show ip -brief address
say "What would diyform do?"
show diyform plan -out=nat.plan
say "Do exactly that."
show diyform apply nat.plan
say "A container runs, and its clocks began with it."
show diyform ps
show diyform exec container.diy -- hostname
show diyform exec container.diy -- cut -d. -f1 /proc/uptime
say "It is in the namespace that has one end of the cable."
show ip netns exec diy ip -brief address
say "It reaches the internet, which knows no way to 10.0.0.0/24: this is NAT."
show ip netns exec diy ping -c 3 -i 0.2 203.0.113.1
say "Is all still as declared?"
show diyform plan
say "Take it away."
show diyform destroy -auto-approve
say "The host is as it was."
show ip -brief address
show sysctl net.ipv4.ip_forward
