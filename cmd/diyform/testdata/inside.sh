# Tells what a container is like from inside: "name value" lines, none for what cannot be.
read -r up _ </proc/uptime
echo "uptime ${up%%.*}"
while read -r name value; do
	case $name in CapBnd: | NoNewPrivs: | Seccomp:) echo "$name $value" ;; esac
done </proc/self/status
for path in /proc/interrupts /proc/kcore /proc/keys /proc/latency_stats /proc/sched_debug /proc/timer_list; do
	if [ -e $path ] && [ -n "$(cat $path 2>&1)" ]; then echo "seen $path"; fi
done
for path in /proc/acpi /proc/scsi /sys/firmware /sys/devices/virtual/powercap /sys/fs/selinux; do
	if [ -e $path ] && [ -n "$(ls -A $path 2>&1)" ]; then echo "seen $path"; fi
done
for path in /proc/sys/kernel/domainname /proc/sysrq-trigger /proc/irq/default_smp_affinity; do
	[ -e $path ] || continue
	case $( (: >$path) 2>&1) in *"Read-only file system"*) ;; *) echo "writable $path" ;; esac
done
echo "hostname $(cat /proc/sys/kernel/hostname)"
for path; do echo "owner $path $(stat -c %u:%g $path)"; done
if [ -e /kept ]; then echo "kept $(cat /kept)"; else echo kept >/kept && echo "wrote /kept"; fi
