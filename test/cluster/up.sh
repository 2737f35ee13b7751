#!/bin/bash
# Starts a single-node Kubernetes from plain processes; prints the seconds each stage took. Stop with down.sh.
#   up.sh api    etcd + kube-apiserver + kube-controller-manager: objects, Jobs and owner references, but no pods run
#   up.sh full   the same + kube-scheduler, containerd, kubelet, kube-proxy, DNS, volumes: real pods (needs root)
# "full" lives in its own network, mount and process namespaces. The machine itself gets only a veth device and a route,
# and killing the namespace's first process takes everything down, pods included.
set -euo pipefail
. "$(dirname "$0")/env.sh"
TIER=${1:-full}
[ "$TIER" = api ] && IP=127.0.0.1

T0=${T0:-$(date +%s.%N)}
export T0
say() { printf '%6.1fs %s\n' "$(echo "$(date +%s.%N)-$T0" | bc)" "$*"; }
# bg NAME COMMAND... starts it in its own session with its own log, and notes "pid name".
bg() {
	local n=$1
	shift
	setsid "$@" </dev/null >>"$RUN/log/$n.log" 2>&1 &
	echo "$! $n" >>"$RUN/pids"
}

# Bearer tokens identify every client; the one CA is there because API server -> kubelet takes nothing but a certificate.
identities() (
	cd "$RUN/pki"
	openssl genrsa -out sa.key 2048 2>/dev/null
	openssl req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.crt -days 365 -subj /CN=ca 2>/dev/null
	openssl req -newkey rsa:2048 -nodes -keyout kubelet-client.key -out kubelet-client.csr -subj /O=system:masters/CN=apiserver 2>/dev/null
	openssl x509 -req -in kubelet-client.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 365 -out kubelet-client.crt 2>/dev/null
	local name user group token
	while read -r name user group; do
		token=$(openssl rand -hex 16)
		echo "$token,$user,$user,\"$group\"" >>tokens.csv
		cat >"$RUN/etc/$name.kubeconfig" <<T
apiVersion: v1
kind: Config
clusters: [{name: c, cluster: {server: "https://$IP:16443", certificate-authority: $RUN/pki/apiserver.crt}}]
users: [{name: u, user: {token: "$token"}}]
contexts: [{name: x, context: {cluster: c, user: u}}]
current-context: x
T
	done <<T
admin admin system:masters
kcm system:kube-controller-manager
scheduler system:kube-scheduler
proxy system:kube-proxy
node system:node:$NODE system:nodes
T
)

start() {
	case $1 in
	etcd)
		bg etcd "${ETCD:-$BIN/etcd}" --data-dir "$RUN/etcd" --listen-client-urls http://127.0.0.1:12379 \
			--advertise-client-urls http://127.0.0.1:12379 --listen-peer-urls http://127.0.0.1:12380 \
			--initial-advertise-peer-urls http://127.0.0.1:12380 --initial-cluster default=http://127.0.0.1:12380 \
			--logger zap --unsafe-no-fsync
		;;
	kube-apiserver)
		# Makes its own serving certificate under --cert-dir; apiserver.crt also holds the CA that signed it, so clients trust that file.
		# The advertised address is refused if it's loopback; nothing uses it in the api tier.
		local advertise=$IP
		[ "$TIER" = api ] && advertise=192.0.2.1
		bg kube-apiserver "$BIN/kube-apiserver" --etcd-servers http://127.0.0.1:12379 --bind-address "$IP" --secure-port 16443 \
			--cert-dir "$RUN/pki" --advertise-address "$advertise" --service-cluster-ip-range "$SERVICES" \
			--authorization-mode Node,RBAC --token-auth-file "$RUN/pki/tokens.csv" \
			--service-account-issuer https://kubernetes.default.svc --service-account-key-file "$RUN/pki/sa.key" \
			--service-account-signing-key-file "$RUN/pki/sa.key" --kubelet-client-certificate "$RUN/pki/kubelet-client.crt" \
			--kubelet-client-key "$RUN/pki/kubelet-client.key" --kubelet-preferred-address-types InternalIP \
			--enable-admission-plugins NodeRestriction --allow-privileged
		;;
	kube-controller-manager)
		# The default of 20 requests/s makes starting all controllers take 4 s more.
		bg kube-controller-manager "$BIN/kube-controller-manager" --kubeconfig "$RUN/etc/kcm.kubeconfig" --leader-elect=false \
			--use-service-account-credentials --kube-api-qps 500 --kube-api-burst 1000 \
			--service-account-private-key-file "$RUN/pki/sa.key" --root-ca-file "$RUN/pki/apiserver.crt" --secure-port 0
		;;
	kube-scheduler) bg kube-scheduler "$BIN/kube-scheduler" --kubeconfig "$RUN/etc/scheduler.kubeconfig" --leader-elect=false --secure-port 0 ;;
	containerd) bg containerd containerd --config "$RUN/etc/containerd.toml" ;;
	kubelet) bg kubelet "$BIN/kubelet" --config "$RUN/etc/kubelet.yaml" --kubeconfig "$RUN/etc/node.kubeconfig" --hostname-override $NODE --node-ip "$IP" ;;
	kube-proxy) bg kube-proxy "$BIN/kube-proxy" --config "$RUN/etc/kube-proxy.yaml" ;;
	*) echo "no program $1" >&2 && exit 2 ;;
	esac
}

control_plane() {
	start etcd
	start kube-apiserver
	wait_for 60 kubectl get --raw /readyz
	say "API server ready"
	start kube-controller-manager
}

# configure writes the node's configuration files.
configure() {
	cat >"$RUN/etc/cni/10-net.conflist" <<T
{"cniVersion": "1.0.0", "name": "net", "plugins": [
  {"type": "bridge", "bridge": "br0", "isGateway": true, "hairpinMode": true,
   "ipam": {"type": "host-local", "routes": [{"dst": "0.0.0.0/0"}],
            "ranges": [[{"subnet": "$NET.0.0/16", "rangeStart": "$NET.0.10", "gateway": "$IP"}]]}},
  {"type": "portmap", "capabilities": {"portMappings": true}}]}
T
	cat >"$RUN/etc/containerd.toml" <<T
version = 2
root = "$RUN/containerd"
state = "/run/containerd"
oom_score = 0
[grpc]
  address = "$RUN/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "leat.local/pause:1"
  restrict_oom_score_adj = true           # pause and guaranteed pods ask for a negative one, which needs CAP_SYS_RESOURCE
  disable_hugetlb_controller = true       # not mounted
  tolerate_missing_hugetlb_controller = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"              # where Debian puts the plugins
    conf_dir = "$RUN/etc/cni"
  [plugins."io.containerd.grpc.v1.cri".registry]
    config_path = "$RUN/etc/registries"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
    default_runtime_name = "runc"         # crun 1.8 refuses: "cgroups in hybrid mode not supported"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
T
	# Names under leat.local that aren't loaded are pulled from a registry on this machine, if a test starts one.
	mkdir -p "$RUN/etc/registries/leat.local"
	echo "[host.\"http://$HOST_IP:5000\"]" >"$RUN/etc/registries/leat.local/hosts.toml"
	cat >"$RUN/etc/kubelet.yaml" <<T
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
authentication: {anonymous: {enabled: false}, webhook: {enabled: true}, x509: {clientCAFile: $RUN/pki/ca.crt}}
authorization: {mode: Webhook}
address: $IP
healthzPort: 0
containerRuntimeEndpoint: unix://$RUN/containerd.sock
cgroupDriver: cgroupfs
cgroupRoot: /$VETH                  # all pods' cgroups under one folder that down.sh can remove
failSwapOn: false
oomScoreAdj: 0                      # the default of -999 needs CAP_SYS_RESOURCE
clusterDNS: [$DNS]
clusterDomain: cluster.local
resolvConf: ""                      # no upstream name server for pods
imageGCHighThresholdPercent: 100    # never collect images: local ones cannot be pulled again
evictionHard: {memory.available: 100Mi, nodefs.available: "0%", nodefs.inodesFree: "0%", imagefs.available: "0%"}
nodeStatusUpdateFrequency: 2s
T
	cat >"$RUN/etc/kube-proxy.yaml" <<T
apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
mode: ${PROXY_MODE:-nftables}
clientConnection: {kubeconfig: $RUN/etc/proxy.kubeconfig}
clusterCIDR: $NET.0.0/16
hostnameOverride: $NODE
oomScoreAdj: 0
conntrack: {maxPerCore: 0}          # leaves nf_conntrack_max alone: read-only outside the first network namespace
T
}

node() {
	start kube-scheduler
	configure
	start containerd
	local ctr="ctr --address $RUN/containerd.sock --namespace k8s.io" i
	wait_for 30 $ctr version
	for i in "$KUBE_HOME"/images/*.tar; do $ctr images import "$i" >/dev/null; done
	say "containerd up, images imported"
	start kubelet
	start kube-proxy
}

# services gives the cluster what bigger ones have: DNS, and volumes for those who claim one. The volumes are folders of this machine that
# anybody may write to, since no driver gives them to a pod's group.
services() {
	sed "s/DNS_ADDRESS/$DNS/" "$CLUSTER/dns.yaml" | kubectl apply -f - >/dev/null
	local n
	for n in 1 2 3 4 5 6 7 8 9 10 11 12; do
		mkdir -p -m 0777 "$RUN/volumes/$n"
		cat <<T
---
apiVersion: v1
kind: PersistentVolume
metadata: {name: volume-$n}
spec: {capacity: {storage: 10Gi}, accessModes: [ReadWriteOnce], persistentVolumeReclaimPolicy: Retain, hostPath: {path: $RUN/volumes/$n}}
T
	done | kubectl apply -f - >/dev/null
}

if [ "$TIER" = start ]; then # called by restart.sh, inside
	TIER=full
	start "$2"
	exit 0
fi

if [ "$TIER" = inside ]; then # first process of the namespaces
	TIER=full
	wait_for 10 ip link show veth0
	ip link set lo up
	# The bridge's own address is the node's address: the API refuses loopback, and this way nothing depends on eth0.
	ip link add br0 type bridge && ip addr add "$IP/16" dev br0 && ip link set br0 up
	ip link set veth0 master br0 up
	ip route add "$SERVICES" dev br0 # no route, no Service translation: API server -> webhook Service would fail at once
	# bridge-nf-call: replies between two pods on the bridge have to pass the Service translation too
	sysctl -qw net.ipv4.ip_forward=1 net.bridge.bridge-nf-call-iptables=1
	# State that several programs keep at fixed places stays in here.
	for d in /run /var/log /var/lib/kubelet /var/lib/cni; do mkdir -p $d "$RUN/private$d" && mount --bind "$RUN/private$d" $d; done
	control_plane
	node
	wait_for 90 kubectl wait --for=condition=Ready node/$NODE --timeout=1s
	wait_for 30 kubectl get serviceaccount default
	say "node Ready"
	services
	touch "$RUN/ready"
	while :; do sleep 1; done # bash reaps the orphans it inherits, such as containerd's shims
fi

[ -e "$RUN" ] && { echo "already there: $RUN (down.sh removes it)" >&2; exit 1; }
mkdir -p "$RUN"/{etc/cni,log,pki}
identities
if [ "$TIER" = api ]; then
	control_plane
	wait_for 60 kubectl get serviceaccount default
	say "controllers working"
	exit 0
fi
for c in /sys/fs/cgroup/*/; do [ "$c" = /sys/fs/cgroup/unified/ ] || mkdir -p "$c/$VETH"; done # kubelet wants its cgroupRoot to exist
for f in cpus mems; do cat /sys/fs/cgroup/cpuset/cpuset.$f >"/sys/fs/cgroup/cpuset/$VETH/cpuset.$f"; done # v1: starts empty
echo 30000 >"/sys/fs/cgroup/cpu/$VETH/cpu.shares" # all pods together; the default is that of a single process of this machine
setsid unshare --net --mount --pid --fork --kill-child --mount-proc "$CLUSTER/up.sh" inside </dev/null >"$RUN/log/inside.log" 2>&1 &
echo "$! unshare" >"$RUN/outer"
wait_for 5 pgrep -P $!
INIT=$(pgrep -P $!)
echo "$INIT init" >>"$RUN/outer"
ip link add "$VETH" type veth peer name veth0 netns "$INIT"
ip addr add "$HOST_IP/16" dev "$VETH" && ip link set "$VETH" up && ip route add "$SERVICES" via "$IP"
wait_for 120 test -e "$RUN/ready" || { cat "$RUN/log/inside.log"; exit 1; }
cat "$RUN/log/inside.log"
echo "export KUBECONFIG=$KUBECONFIG"
