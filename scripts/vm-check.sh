#!/bin/sh
# vm-check.sh [-g PACKAGE]... RUNNER [ARGUMENT...]
#
# Checks containers on another kernel than this machine's. Builds what is needed and gives the
# checks, vm-check-guest.sh, to RUNNER: a command that runs the command line which is appended
# to it as root in a machine to be thrown away, where this machine's files are at their places
# and the links, control groups (version 2, with all controllers) and processes are its own.
# It passes on the output and the exit code.
#
# With -g, also the Go tests of a package, as ./internal/linux/cgroup. On a machine that may
# itself be thrown away: vm-check.sh env
set -eu
cd "$(dirname "$0")/.."
packages=
while getopts g: option; do
	case $option in
	g) packages="$packages $OPTARG" ;;
	*) exit 2 ;;
	esac
done
shift $((OPTIND - 1))
if [ $# = 0 ]; then
	echo "usage: $0 [-g PACKAGE]... RUNNER [ARGUMENT...]" >&2
	exit 2
fi

# Not in build/: a file that changes while the machine has it open would change there too.
bin=$(mktemp -d)
trap 'rm -rf "$bin"' EXIT
chmod 755 "$bin"
export CGO_ENABLED=0
go build -trimpath -buildvcs=false -o "$bin/diyform" ./cmd/diyform
go build -trimpath -buildvcs=false -o "$bin/playhost" ./internal/playhost/cmd/playhost
cp cmd/diyform/testdata/bin/* scripts/vm-check-guest.sh "$bin"
for package in $packages; do
	go test -c -o "$bin/$(echo "${package#./}" | tr / -).test" "$package"
done
"$@" sh "$bin/vm-check-guest.sh" "$bin" $packages
