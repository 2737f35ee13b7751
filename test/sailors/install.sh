#!/bin/sh
# Installs the libraries of elastic.io and the Open Integration Hub for the tests of this folder, each generation into a folder of its own below
# $1, which is outside of the tree. What is there already stays: a folder with a file "installed" is left alone.
#
# Java's library comes from Maven Central, which doesn't serve it everywhere. Without it the script says so and goes on: its tests will fail,
# unless LEAT_SAILORS_WITHOUT=java, or =java-3.4.0, leaves them out. To put a copy there by hand, for instance of version 5.0.0:
#
#	mkdir -p $1/java-5.0.0/lib && cp sailor-jvm-5.0.0.jar and all jars that it needs $1/java-5.0.0/lib/
#
# and run the script again: jars in "lib" are taken as they are, and only the test component is compiled against them.
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
	folder=$target/java-$1
	[ -f "$folder/installed" ] && return
	rm -rf "${folder:?}/classes" "$folder/src" "$folder/lib.new"
	mkdir -p "$folder/classes"
	if ls "$folder"/lib/*.jar >/dev/null 2>&1; then
		echo "taking the jars in $folder/lib for io.elastic:sailor-jvm $1"
	else
		echo "installing from Maven: io.elastic:sailor-jvm $1"
		mvn -q -B -f "$here/java/pom.xml" -Dsailor.version="$1" dependency:copy-dependencies -DoutputDirectory="$folder/lib.new" \
			>"$folder/maven.log" 2>&1 || return 1
		mv "$folder/lib.new" "$folder/lib"
	fi
	cp -r "$here/java/src" "$folder/src"
	case $1 in
	[123].*) sed -i 's/jakarta\.json/javax.json/' "$folder"/src/leat/*.java ;; # the package's name before version 4
	esac
	javac -cp "$folder/lib/*" -d "$folder/classes" "$folder"/src/leat/*.java || return 1
	cp "$here/java/resources/component.json" "$folder/classes/"
	touch "$folder/installed"
}

for version in 3.4.0 5.0.0; do
	java "$version" && continue
	echo "io.elastic:sailor-jvm $version is NOT installed: its tests will fail. The head of $0 tells how to put a copy there by hand."
	grep -m1 ERROR "$target/java-$version/maven.log" 2>/dev/null | cut -c1-300 || true
done
