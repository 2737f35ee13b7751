#!/bin/bash
# Stops what up.sh started, by the pids it noted, and deletes $RUN.
. "$(dirname "$0")/env.sh"
[ -e "$RUN" ] || exit 0
# "full": killing the first process of the namespaces kills all in it; devices and mounts go with it. "api": each process.
list=$RUN/pids
[ -e "$RUN/outer" ] && list=$RUN/outer
for p in $(awk '{print $1}' "$list" 2>/dev/null); do kill -9 "$p" 2>/dev/null; done
for p in $(awk '{print $1}' "$list" 2>/dev/null); do while kill -0 "$p" 2>/dev/null; do sleep 0.05; done; done
[ -e "$RUN/outer" ] && find /sys/fs/cgroup/*/"$VETH" -depth -type d -exec rmdir {} \; 2>/dev/null
ip link delete "$VETH" 2>/dev/null # the kernel takes its time with the namespace, and another up.sh may follow
rm -rf "$RUN"
