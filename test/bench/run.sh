#!/bin/sh
# Runs the benchmarks against bin/leat; `make bench` calls it. Arguments are handed on: sh test/bench/run.sh -quick post
# It installs wrk if this machine lacks it and we may; without wrk the benchmark's own client makes the load.
set -eu
cd "$(dirname "$0")/../.."

if ! command -v wrk >/dev/null && command -v apt-get >/dev/null && [ "$(id -u)" = 0 ]; then
	echo "installing Debian package: wrk"
	{ apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends wrk >/dev/null; } || true
fi
exec go run ./test/bench -leat bin/leat "$@"
