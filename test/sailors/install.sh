#!/bin/sh
# Installs the libraries of elastic.io and the Open Integration Hub for the tests of this folder, each generation into a folder of its own below
# $1, which is outside of the tree. What is there already stays. Java libraries come from Maven Central; without a way there the script says so
# and ends with an error, unless LEAT_WITHOUT_JAVA is set.
set -eu
target=$1
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$target"

for folder in "$here"/npm/*/; do
	name=$(basename "$folder")
	[ -f "$target/$name/installed" ] && cmp -s "$folder/package-lock.json" "$target/$name/package-lock.json" && continue
	echo "installing npm packages: $name"
	mkdir -p "$target/$name"
	cp "$folder/package.json" "$folder/package-lock.json" "$target/$name/"
	(cd "$target/$name" && npm ci --no-audit --no-fund --silent)
	touch "$target/$name/installed"
done
