#!/bin/sh
# vm-check-guest.sh BIN [PACKAGE...]
#
# The checks of vm-check.sh, inside the machine: as root in the checkout, with the programs and
# this script in the folder BIN. It changes the machine, which is to be thrown away then.
set -eu
bin=$1
shift
PATH=$bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
checkout=$PWD
self=$bin/vm-check-guest.sh
failed=0
passed=0

# check WHAT COMMAND [ARGUMENT...]
check() {
	what=$1
	shift
	if output=$("$@" 2>&1); then
		passed=$((passed + 1))
		echo "ok    $what"
	else
		failed=$((failed + 1))
		printf 'FAIL  %s\n' "$what"
		printf '%s\n' "$output" | sed 's/^/      /'
	fi
}

# says PATTERN COMMAND [ARGUMENT...]: the output of the command, which succeeds, has the pattern.
says() {
	pattern=$1
	shift
	text=$("$@" 2>&1) || {
		printf '%s\n' "$text"
		return 1
	}
	printf '%s\n' "$text"
	printf '%s\n' "$text" | grep -Eq -e "$pattern"
}

# refused PATTERN COMMAND [ARGUMENT...]: the command fails, and says why.
refused() {
	pattern=$1
	shift
	if text=$("$@" 2>&1); then
		printf 'it succeeded: %s\n' "$text"
		return 1
	fi
	printf '%s\n' "$text"
	printf '%s\n' "$text" | grep -Eq -e "$pattern"
}

# is CONTAINER FILTER: what jq says of it in diyform ps.
is() { diyform ps -json | jq -e "map(select(.address == \"container.$1\"))[0] | if $2 then true else ., false end"; }
pid() { diyform ps -json | jq "map(select(.address == \"container.$1\"))[0].pid"; }
inside() {
	name=$1
	shift
	diyform exec "container.$name" -- "$@"
}

# lab NAME COMMAND [ARGUMENT...]: a folder for a stack, whose configuration the command prints.
lab() {
	mkdir -p "$work/$1"
	cd "$work/$1"
	shift
	"$@" >lab.diy.hcl
}

# remains prints what diyform has left.
remains() {
	find /sys/fs/cgroup -type d -name diyform
	ls /run/netns /run/diyform 2>/dev/null | grep -v :$ || true
	find /var/lib/diyform -mindepth 1 -path '*/images' -prune -o -mindepth 1 -print 2>/dev/null || true
	pgrep -af '^diyform-supervisor' || true
	findmnt --raw --noheadings --output TARGET,FSTYPE | diff "$work/mounts" - || true
	ls /sys/class/net | diff "$work/links" - || true
}
nothing_left() { test -z "$(remains)" || { remains; return 1; }; }

prepare() {
	uname -r
	grep -q '^0::' /proc/self/cgroup && [ -e /sys/fs/cgroup/cgroup.controllers ] ||
		{ echo "version 2 of control groups is not mounted at /sys/fs/cgroup" >&2; exit 2; }
	work=$(mktemp -d)
	chmod 755 "$work"
	# A disk for what diyform keeps: that of the machine may be such that no ids can be mapped
	# on it, nor an overlay write to it.
	truncate -s 1G "$work/disk"
	mkfs.ext4 -q -F "$work/disk"
	mount -o loop "$work/disk" /var/lib
	ip netns add first # the folder of names is a mount from then on: ip-netns(8)
	ip netns delete first
	findmnt --raw --noheadings --output TARGET,FSTYPE >"$work/mounts"
	ls /sys/class/net >"$work/links"
}

demo() {
	cd "$checkout"
	playhost -- sh examples/nat/demo.sh >"$work/demo" 2>&1 || { cat "$work/demo"; return 1; }
	grep -q ' 0% packet loss' "$work/demo" && grep -q '^No changes' "$work/demo" && return
	cat "$work/demo"
	return 1
}

check_services() {
	lab services cat "$checkout/examples/services/main.diy.hcl"
	check "services: apply waits for health" says 'Checks: 1 passed' diyform apply -auto-approve
	check "services: the store is healthy" is store '.health == "healthy" and .memory_limit == 67108864'
	check "services: found by name" says '1 received' inside reader ping -c 1 -W 2 store
	check "services: the volume is read-only for the reader" refused 'Read-only' inside reader touch /data/x
	check "services: killed" diyform kill container.store
	check "services: the restart policy starts it again" retry 20 sh -c \
		'diyform ps -json | jq -e "map(select(.address == \"container.store\"))[0] | .restarts == 1 and .status == \"running\""'
	before=$(pid store)
	sed -i 's/"64M"/"96M"/' lab.diy.hcl
	check "services: a limit changes" diyform apply -auto-approve
	check "services: while the container runs" is store ".memory_limit == 100663296 and .pid == $before"
	lines=$(inside store sh -c 'wc -l </data/log')
	sed -i 's/sleep 1$/sleep 2/' lab.diy.hcl
	check "services: the command changes" diyform apply -auto-approve
	check "services: the volume outlives the container" inside store sh -c "test \$(wc -l </data/log) -ge $lines"
	check "services: destroy" diyform destroy -auto-approve
	check "services: nothing is left" retry 20 "$self" "$bin" --remains "$work"
}

limits_lab() {
	cat <<'END'
variable "memory" {
  type    = string
  default = "64M"
}
resource "root_image" "host" {
  host = true
}
resource "container" "box" {
  root_image   = root_image.host.id
  command      = ["sleep", "1000"]
  stop_timeout = 0
  limits {
    memory = var.memory
    pids   = 50
  }
}
resource "container" "busy" {
  root_image   = root_image.host.id
  command      = ["sh", "-c", "while :; do :; done"]
  stop_timeout = 0
  limits {
    cpus = 0.1
  }
}
resource "container" "hog" {
  root_image   = root_image.host.id
  command      = ["awk", "BEGIN { s = \"x\"; while (1) s = s s }"]
  stop_timeout = 0
  limits {
    memory = "16M"
    swap   = "0"
  }
}
resource "container" "bomb" {
  root_image   = root_image.host.id
  command      = ["sh", "-c", "i=0; while [ $i -lt 100 ]; do sleep 100 & i=$((i+1)); done; wait"]
  stop_timeout = 0
  limits {
    pids = 20
  }
}
END
}

# check_limits WHO: the same for root and for an ordinary user.
check_limits() {
	who=$1
	# Controllers that may be threaded alone come first: where the group has processes, the others
	# must still come later.
	check "$who: a container with a limit of processes alone" diyform apply -auto-approve -target=container.bomb
	check "$who: containers with limits" diyform apply -auto-approve
	check "$who: ps knows limits and use" is box '.memory_limit == 67108864 and .memory > 0 and .pids == 1'
	check "$who: a memory hog is killed, and ps says so" retry 60 sh -c 'diyform ps | grep -E "container.hog +oom-killed"'
	check "$who: a fork bomb stops" retry 60 sh -c 'diyform logs container.bomb 2>&1 | grep -i "cannot fork"'
	check "$who: processor time is limited" retry 60 diyform exec container.busy -- awk \
		'$1 == "nr_throttled" { n = $2 } END { print n; exit n == 0 }' /sys/fs/cgroup/cpu.stat
	check "$who: its control group is its own" says '^0::/$' inside box cat /proc/self/cgroup
	check "$who: it sees its limit" says '^67108864$' inside box cat /sys/fs/cgroup/memory.max
	check "$who: it cannot make control groups" refused 'Read-only' inside box mkdir /sys/fs/cgroup/x
	check "$who: it cannot change its limit" refused 'Read-only' inside box sh -c 'echo max >/sys/fs/cgroup/memory.max'
	before=$(pid box)
	check "$who: a limit changes" diyform apply -auto-approve -var memory=128M
	check "$who: while the container runs" is box ".memory_limit == 134217728 and .pid == $before"
	check "$who: the container sees it" says '^134217728$' inside box cat /sys/fs/cgroup/memory.max
	check "$who: destroy" diyform destroy -auto-approve
}

adoption_lab() {
	cat <<'END'
resource "root_image" "host" {
  host = true
}
resource "container" "box" {
  root_image = root_image.host.id
  command    = ["sh", "-c", "trap 'exit 7' TERM; echo began; while :; do sleep 0.1; done"]
}
END
}

# kill_supervisors ends those of this machine, which has no others.
kill_supervisors() { kill -9 $(pgrep -f '^diyform-supervisor'); }

# check_adoption: a supervisor that is killed stops no container, and the next one goes on.
check_adoption() {
	lab adoption adoption_lab
	check "adoption: apply" diyform apply -auto-approve
	before=$(pid box)
	check "adoption: its supervisor is killed" kill_supervisors
	check "adoption: the container runs" is box ".status == \"running\" and .pid == $before"
	check "adoption: no changes" diyform plan -detailed-exitcode
	check "adoption: it is stopped" diyform stop container.box
	# Only from Linux 6.15 on does the kernel tell whose child it was not how it ended.
	check "adoption: it ended" is box '.status == "stopped" and (.exit_code == 7 or .exit_code == null)'
	check "adoption: it begins again" diyform start container.box
	check "adoption: logs" says '^began$' diyform logs container.box
	check "adoption: destroy" diyform destroy -auto-approve
	check "adoption: nothing is left" retry 20 "$self" "$bin" --remains "$work"
}

images() {
	make-rootfs rootfs first
	tar -C rootfs --owner=7 --group=7 -czf rootfs.tar.gz .
	umoci init --layout layout
	umoci new --image layout:v1
	umoci unpack --image layout:v1 bundle
	cp -a rootfs/. bundle/rootfs/
	mkdir bundle/rootfs/opaque
	touch bundle/rootfs/etc/gone bundle/rootfs/opaque/old
	umoci repack --refresh-bundle --image layout:v1 bundle
	rm -r bundle/rootfs/etc/gone bundle/rootfs/opaque
	mkdir bundle/rootfs/opaque
	touch bundle/rootfs/opaque/new
	umoci repack --refresh-bundle --image layout:v1 bundle
	umoci config --image layout:v1 --config.user web --config.workingdir /opaque \
		--config.cmd /bin/sh --config.cmd -c --config.cmd 'id -u; exec sleep 1000'
}

images_lab() {
	cat <<'END'
resource "root_image" "archive" {
  archive = "rootfs.tar.gz"
}
resource "root_image" "oci" {
  oci = "./layout:v1"
}
resource "container" "archive" {
  root_image   = root_image.archive.id
  command      = ["/bin/sleep", "1000"]
  stop_timeout = 0
}
resource "container" "oci" {
  root_image   = root_image.oci.id
  stop_timeout = 0
}
END
}

# check_images WHO: the same for root and for an ordinary user.
check_images() {
	who=$1
	check "$who: containers of images" diyform apply -auto-approve
	check "$who: whose the files are" says "^7\$" inside archive stat -c %u /etc/motd
	check "$who: user of the image" retry 20 sh -c 'diyform logs container.oci | grep -x 7'
	check "$who: layers hide what was removed" says '^new$' inside oci ls /opaque
	check "$who: also files" refused "No such file" inside oci cat /etc/gone
	check "$who: it writes" diyform exec -user=root container.oci -- sh -c 'echo kept >/etc/motd; rm /opaque/new'
	check "$who: a folder of the image is replaced" inside archive sh -c 'busybox rm -r /root && busybox mkdir /root && echo kept >/root/file'
	check "$who: restart" diyform restart container.oci container.archive
	check "$who: what was written is there" says '^kept$' inside oci cat /etc/motd
	check "$who: and in the new folder" says '^kept$' inside archive cat /root/file
	check "$who: what was removed is not" refused "No such file" inside oci cat /opaque/new
	check "$who: no changes" diyform plan -detailed-exitcode
	check "$who: destroy" diyform destroy -auto-approve
	check "$who: prune" diyform image prune -all
}

# as_user COMMAND [ARGUMENT...], in the control group $group.
as_user() {
	sh -c 'echo $$ >"$1/cgroup.procs"; shift; exec "$@"' sh "$group" \
		setpriv --reuid player --regid player --init-groups env HOME=/var/lib/player USER=player LOGNAME=player \
		XDG_RUNTIME_DIR=/run/user/player XDG_DATA_HOME=/var/lib/player/data PATH="$PATH" "$@"
}

add_user() {
	useradd --home-dir /var/lib/player --create-home --shell /bin/sh player
	grep -q ^player: /etc/subuid || echo player:200000:65536 | tee -a /etc/subgid >>/etc/subuid
	mkdir -p /run/user/player
	chown player:player /run/user/player
	chmod 700 /run/user/player
}

# delegate makes a control group that belongs to the user: cgroups(7), "Delegation".
delegate() {
	mkdir -p /sys/fs/cgroup/player
	chown player /sys/fs/cgroup/player
	for file in procs threads subtree_control; do
		chown player "/sys/fs/cgroup/player/cgroup.$file"
	done
}

check_users() {
	check "an ordinary user is added" add_user
	lab user/images images_lab
	cp -r "$work/images/layout" "$work/images/rootfs.tar.gz" .
	lab user limits_lab
	chown -R player:player "$work/user"
	group=/sys/fs/cgroup
	check "user: without control groups of its own it is told" as_user "$self" "$bin" --told "$work"
	check "user: a control group is delegated" delegate
	group=/sys/fs/cgroup/player
	as_user "$self" "$bin" --user "$work" >"$work/out" 2>&1 || true
	cat "$work/out"
	failed=$((failed + $(grep -c ^FAIL "$work/out" || true)))
	passed=$((passed + $(grep -c ^ok "$work/out" || true)))
	check "user: the checks came to their end" grep -q ^end "$work/out"
	check "user: nothing is left" retry 20 sh -c "! pgrep -u player && ! find $group -type d -name diyform | grep . &&
		! find /run/user/player /var/lib/player/data -mindepth 1 | grep -v -e images -e /run/user/player/diyform\$ -e data/diyform\$"
}

case ${1-} in
--remains)
	work=$2
	nothing_left
	exit
	;;
--told)
	cd "$2/user"
	refused 'The limits cannot be held here' diyform apply -auto-approve
	printf '%s\n' "$text" | grep -q 'Run diyform'
	says '^\[\]$' diyform ps -json
	exit
	;;
--user)
	work=$2
	cd "$work/user"
	check_limits user
	cd images
	check_images user
	echo end
	exit
	;;
esac

prepare
check "examples/nat" demo
check_services
lab limits limits_lab
check_limits root
check "root: nothing is left" retry 20 "$self" "$bin" --remains "$work"
check_adoption
lab images images_lab
check "images are made" images
check_images root
check "root: nothing is left of images" retry 20 "$self" "$bin" --remains "$work"
check_users
for package; do
	cd "$checkout/$package"
	check "go test $package" "$bin/$(echo "${package#./}" | tr / -).test" -test.v
done
echo "$passed checks passed, $failed failed"
[ "$failed" = 0 ]
