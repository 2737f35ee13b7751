# Settings that the scripts of this folder share; sourced, not run.
CLUSTER=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
KUBE_HOME=${KUBE_HOME:-${XDG_CACHE_HOME:-$HOME/.cache}/kube-here} # what is built, kept between runs
BIN=$KUBE_HOME/bin
RUN=${RUN:-$KUBE_HOME/run}            # what a running cluster writes, removed by down.sh
NODE=node-1
NET=${NET:-10.88}                     # first two numbers of the pod network; another cluster beside this one needs another
IP=$NET.0.1 HOST_IP=$NET.0.2          # node, API server and pod gateway in one; the machine as pods see it
SERVICES=10.$((${NET#*.} + 100)).0.0/16 # no overlap with the pod network
DNS=${SERVICES%.0.0/16}.0.10
VETH=k8s-${NET#*.}
PATH=$PATH:$BIN                       # kubectl, where the machine has none
export KUBE_HOME RUN NET PATH KUBECONFIG=$RUN/etc/admin.kubeconfig

# wait_for SECONDS COMMAND...
wait_for() {
	local n=$(($1 * 10))
	shift
	until "$@" >/dev/null 2>&1; do
		n=$((n - 1))
		[ $n -gt 0 ] || { echo "timed out: $*" >&2; return 1; }
		sleep 0.1
	done
}

# inside COMMAND... runs a command in the running cluster's namespaces.
inside() { nsenter -t "$(awk '/init/{print $1}' "$RUN/outer")" -n -m -p "$@"; }
