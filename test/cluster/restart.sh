#!/bin/bash
# Kills a program of the running cluster with SIGKILL and starts it again: restart.sh kubelet [SECONDS_DEAD]
# Programs: etcd kube-apiserver kube-controller-manager kube-scheduler containerd kubelet kube-proxy.
set -euo pipefail
. "$(dirname "$0")/env.sh"
pid=$(awk -v name="$1" '$2 == name {pid = $1} END {print pid}' "$RUN/pids")
inside kill -9 "$pid"
sleep "${2:-0}"
inside "$CLUSTER/up.sh" start "$1"
