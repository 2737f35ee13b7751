#!/bin/sh
# Runs every fuzz target of the module for a while each, one at a time:
#
#	sh test/fuzz.sh              a minute each
#	FUZZTIME=1000000x sh test/fuzz.sh ./internal/broker/...   a million inputs each, of some packages only
#
# What a target finds is written to its testdata/fuzz folder: commit it with the fix.
set -eu
cd "$(dirname "$0")/.."
time=${FUZZTIME:-60s}
failed=

# Packages with a fuzz target, without building those that have none.
for dir in $(go list -f '{{.Dir}}' "${@:-./...}"); do
	targets=$(cat "$dir"/*_test.go 2>/dev/null | sed -n 's/^func \(Fuzz[A-Za-z0-9_]*\)(.*/\1/p' | sort -u)
	for target in $targets; do
		echo "== ${dir#"$PWD"/} $target, $time"
		go test -run '^$' -fuzz "^$target\$" -fuzztime "$time" "$dir" || failed="$failed ${dir#"$PWD"/}:$target"
	done
done

if [ -n "$failed" ]; then
	echo "failed:$failed" >&2
	exit 1
fi
