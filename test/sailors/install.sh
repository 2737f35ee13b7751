#!/bin/sh
# Installs the libraries of elastic.io and the Open Integration Hub for the tests of this folder, each generation into a folder of its own below
# $1, which is outside of the tree. What is there already stays. Java libraries come from Maven Central; without a way there the script says so
# and goes on: their tests will fail, unless LEAT_SAILORS_WITHOUT=java leaves them out.
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

# Java: the library's jars, and the test component compiled against them.
java() {
	name=java-$1
	[ -f "$target/$name/installed" ] && return
	echo "installing from Maven: io.elastic:sailor-jvm $1"
	rm -rf "${target:?}/$name"
	mkdir -p "$target/$name/classes"
	mvn -q -B -f "$here/java/pom.xml" -Dsailor.version="$1" dependency:copy-dependencies -DoutputDirectory="$target/$name/lib" \
		>"$target/$name/maven.log" 2>&1 || return 1
	javac -cp "$target/$name/lib/*" -d "$target/$name/classes" "$here"/java/src/leat/*.java
	cp "$here/java/resources/component.json" "$target/$name/classes/"
	touch "$target/$name/installed"
}

for version in 3.4.0 5.0.0; do
	java "$version" || echo "io.elastic:sailor-jvm $version can't be installed: its tests will fail. $(grep -m1 ERROR "$target/java-$version/maven.log" | cut -c1-300)"
done
