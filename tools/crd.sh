#!/bin/sh
# Writes the custom resource definition of flows, from the types and markers in api/v1, to the given folder (default platform/crd), and the
# DeepCopy methods beside the types.
#
# controller-gen gives quantities a pattern that lets 1e999999999 through, on which resource.ParseQuantity works for ever; so it's replaced.
set -eu
cd "$(dirname "$0")/.."
out=${1:-platform/crd}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
objects=
[ "$out" = platform/crd ] && objects=object
"${GO:-go}" tool -modfile=tools/go.mod controller-gen crd:allowDangerousTypes=true $objects paths=./api/v1 output:crd:dir="$work"
awk '
	/pattern: \^\(\\\+\|-\)\?\(\(\[0-9\]\+/ {
		indent = $0; sub(/pattern:.*/, "", indent)
		print indent "maxLength: 32"
		print indent "pattern: ^[0-9]{1,18}(\\.[0-9]{1,9})?([KMGTPE]i|[numkMGTPE]|[eE][+-]?[0-9]{1,2})?$"
		next
	}
	{ print }
' "$work/elastic.io_flows.yaml" >"$out/flows.elastic.io.yaml"
