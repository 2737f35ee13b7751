#!/bin/bash
# Builds what up.sh runs, from Go modules and Debian packages, into $KUBE_HOME (default ~/.cache/kube-here): about 10 minutes on two cores the
# first time, seconds afterwards. Installs the Debian packages that the full tier needs when they are missing (needs root for that).
#   build.sh api     etcd and the Kubernetes programs (no root, no packages)
#   build.sh full    the same, the packages, CoreDNS, and the images that every cluster needs
#   build.sh tests   the same, and the images of the e2e tests: RabbitMQ, Node
set -euo pipefail
. "$(dirname "$0")/env.sh"
TIER=${1:-full}
VERSION=v1.32.2 # 1.34.2 works too; other patch releases may lack a staging module of the same number
export CGO_ENABLED=0 GOFLAGS=-buildvcs=false
mkdir -p "$BIN" "$KUBE_HOME/images"
V=k8s.io/component-base/version
STAMP="-X $V.gitVersion=$VERSION -X $V.gitMajor=1 -X $V.gitMinor=32 -X $V.gitTreeState=clean -X $V.gitCommit=0000000 -X $V.buildDate=1970-01-01T00:00:00Z"

# program FOLDER NAME [ARG...] builds $BIN/NAME from a folder here. A module whose files haven't changed isn't even looked at: with the
# programs there and the build cache gone, a machine would build for 10 minutes what it has.
program() {
	local folder=$1 name=$2 sum
	shift 2
	sum=$(find "$CLUSTER/$folder" -maxdepth 1 -name "*.go" -o -maxdepth 1 -name "go.*" | sort | xargs cat | sha256sum)
	[ -x "$BIN/$name" ] && [ "$(cat "$BIN/.$name.sum" 2>/dev/null)" = "$sum" ] && return
	(cd "$CLUSTER/$folder" && go build -trimpath -o "$BIN/$name" "$@")
	echo "$sum" >"$BIN/.$name.sum"
}

# packages NAME... installs the Debian packages that are missing.
packages() {
	local missing=() p
	for p in "$@"; do dpkg -s "$p" >/dev/null 2>&1 || missing+=("$p"); done
	[ ${#missing[@]} -eq 0 ] && return
	echo "installing Debian packages: ${missing[*]}"
	apt-get update -qq
	DEBIAN_FRONTEND=noninteractive apt-get install -qqy --no-install-recommends "${missing[@]}" >/dev/null
}

program kube kube -ldflags="-s -w $STAMP" .
for p in kube-apiserver kube-controller-manager kube-scheduler kube-proxy kubelet; do ln -sf kube "$BIN/$p"; done
[ -x /usr/bin/kubectl ] && ln -sf /usr/bin/kubectl "$BIN/kubectl" || program kube kubectl -ldflags="-s -w $STAMP" k8s.io/kubernetes/cmd/kubectl
program etcd etcd -ldflags="-s -w" go.etcd.io/etcd/server/v3
[ "$TIER" = api ] && exit 0

packages containerd runc containernetworking-plugins nftables conntrack iproute2 bc
program coredns coredns -ldflags="-s -w" .
program pause pause -ldflags="-s -w" .
program ../../platform/images images -ldflags="-s -w" .
# images TARGET... packs targets of images/Dockerfile.
images() {
	"$BIN/images" -file "$CLUSTER/images/Dockerfile" -context "$BIN" -from "build=$BIN" -from "files=$CLUSTER/images" -from "app=$CLUSTER/../e2e/sailor" \
		-out "$KUBE_HOME/images" "$@" >/dev/null
}
images -repository leat.local -tag 1 pause coredns
[ "$TIER" = full ] && exit 0

packages mmdebstrap
# rootfs NAME PACKAGE... makes a root filesystem of Debian packages, unpacked but not configured: no script of theirs runs.
rootfs() {
	local name=$1
	shift
	[ -e "$BIN/$name.rootfs.tar" ] && return
	echo "unpacking Debian packages for the image $name"
	mmdebstrap --quiet --variant=extract --hook-dir=/usr/share/mmdebstrap/hooks/merged-usr --include="$(IFS=,; echo "$*")" \
		--dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
		bookworm "$BIN/$name.rootfs.part.tar"
	mv "$BIN/$name.rootfs.part.tar" "$BIN/$name.rootfs.tar"
}
rootfs rabbitmq rabbitmq-server dash coreutils sed grep hostname libc-bin base-files findutils
rootfs node nodejs libc-bin base-files
(cd "$CLUSTER/../e2e/sailor" && { [ node_modules -nt package-lock.json ] || npm ci --omit=dev --no-audit --no-fund --silent && touch node_modules; })
# By the name that platform/ and Docker Hub have for it: the installation is tested as it is, with Debian's RabbitMQ in place of that one.
images -repository docker.io/library -tag 3.13-management rabbitmq
images -repository acme -tag 1 sailor
