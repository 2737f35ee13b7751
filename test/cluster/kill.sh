#!/bin/bash
# Kills a container of the running cluster with SIGKILL, by its id: kill.sh ID
set -euo pipefail
. "$(dirname "$0")/env.sh"
inside ctr --address "$RUN/containerd.sock" --namespace k8s.io tasks kill --signal SIGKILL "$1"
