#!/bin/sh
# setup.sh [PROGRAM...]
#
# Installs what the tests look at the machine with, or the given programs of it, if anything
# is missing: the programs that diyform replaces, and those that it is measured against.
# diyform itself needs none of them.
#
# Does nothing when all are there. In CI the C compiler for the race detector is one of them.
set -eu

# PROGRAM:PACKAGE, the package in Debian's and Ubuntu's naming.
wanted='
	ip:iproute2 nft:nftables ping:iputils-ping jq:jq sysctl:procps ps:procps
	unshare:util-linux nsenter:util-linux setpriv:util-linux findmnt:util-linux
	script:bsdutils newuidmap:uidmap bwrap:bubblewrap crun:crun
	capsh:libcap2-bin umoci:umoci skopeo:skopeo busybox:busybox-static
	xz:xz-utils zstd:zstd bzip2:bzip2 mandoc:mandoc
	/usr/share/bash-completion/bash_completion:bash-completion fish:fish zsh:zsh
'
# Only when named: heavy, and measured against alone.
case " $* " in *" podman "*) wanted="$wanted podman:podman" ;; esac
if [ "${CI-}" = true ]; then
	wanted="$wanted gcc:gcc /usr/include/stdlib.h:libc6-dev"
fi

PATH=$PATH:/usr/sbin:/sbin
packages=
for pair in $wanted; do
	program=${pair%:*}
	case " ${*:-$program} " in *" $program "*) ;; *) continue ;; esac
	[ -e "$program" ] || command -v "$program" >/dev/null || packages="$packages ${pair##*:}"
done
[ -n "$packages" ] || exit 0

if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
	echo "Packages are missing that this needs. On Debian or Ubuntu:" >&2
	echo "  sudo apt-get install$packages" >&2
	exit 1
fi
export DEBIAN_FRONTEND=noninteractive
apt-get update --quiet --quiet
# shellcheck disable=SC2086 # one word a package
apt-get install --quiet --quiet --yes --no-install-recommends $packages
