#!/bin/bash
# Runs the tests of this folder on a cluster of their own: builds what is missing, starts it, loads the images, and stops it in the end.
#   run.sh [ARG...]   ARG are go test's, such as -run TestPrivateImage
# A cluster that runs already (make cluster-up) is used, and left running. One that died without being stopped is cleared away.
set -euo pipefail
cd "$(dirname "$0")/../.."
. test/cluster/env.sh
test/cluster/build.sh tests
if [ -e "$RUN" ] && ! kubectl get --raw /readyz --request-timeout=10s >/dev/null; then
	test/cluster/down.sh
fi
if [ ! -e "$RUN" ]; then
	trap test/cluster/down.sh EXIT
	test/cluster/up.sh full
fi
test/cluster/load.sh bin/images/*.tar
export HOST_IP IP
LEAT_E2E=1 go test -count=1 -timeout 40m -v "$@" ./test/e2e
