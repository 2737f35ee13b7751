#!/bin/bash
# Loads image archives into the running cluster: load.sh FILE.tar...
set -euo pipefail
. "$(dirname "$0")/env.sh"
for file in "$@"; do
	inside ctr --address "$RUN/containerd.sock" --namespace k8s.io images import "$(realpath "$file")" >/dev/null
done
