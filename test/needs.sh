#!/bin/sh
# Installs what the tests need and this machine lacks, and says so. On a machine that has everything it's done in a moment.
set -eu
cd "$(dirname "$0")/.."

packages=""
[ -x /usr/sbin/rabbitmq-server ] || command -v rabbitmq-server >/dev/null || packages="$packages rabbitmq-server"
ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1 || packages="$packages postgresql"
if [ -n "$packages" ]; then
	echo "installing Debian packages:$packages"
	[ "$(id -u)" = 0 ] || { echo "not root: install them yourself, then try again" >&2; exit 1; }
	# The packages would start their services; the tests start their own.
	printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
	chmod +x /usr/sbin/policy-rc.d
	trap 'rm -f /usr/sbin/policy-rc.d' EXIT
	apt-get update -qq
	DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $packages >/dev/null
fi

# Those of test/sailors are many, and installed outside of the tree by make test-sailors.
for folder in $(git ls-files '*/package-lock.json' ':!test/sailors' | xargs -r -n1 dirname); do
	if [ ! -d "$folder/node_modules" ] || [ "$folder/package-lock.json" -nt "$folder/node_modules" ]; then
		echo "installing npm packages of $folder"
		(cd "$folder" && npm ci --no-audit --no-fund --silent && touch node_modules)
	fi
done
