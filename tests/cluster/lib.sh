# Sourced by the scripts beside it: versions, places, and the few functions that all of them use.
# shellcheck shell=bash disable=SC2034 # what is set here is used there

# What fails without a word of its own says at least where. `fail` has said what: its exit code passes in silence.
set -E
trap '[ $? = 70 ] || echo "error: $0, line $LINENO: $BASH_COMMAND" >&2' ERR

CLUSTER_DIR=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
ROOT=$(cd "$CLUSTER_DIR/../.." && pwd)

# The official node image comes from kind's release notes, by digest, as they ask. What is made here is of the same minor
# version: the newest one that runs on the containerd of Debian 12.
KIND_VERSION=v0.33.0
OFFICIAL_NODE_IMAGE=kindest/node:v1.35.8@sha256:07b2536e30b803ed61d1677a79df6115f798ce64c80f9e22f6ed45afd09323c0
KUBERNETES_VERSION=v1.35.4
COREDNS_VERSION=v1.15.0
HELM_VERSION=v4.3.1
KUBECONFORM_VERSION=v0.8.0
KUBE_SCORE_VERSION=v1.20.0
DEBIAN=bookworm

CLUSTER_NAME=${CLUSTER_NAME:-intuition}
CACHE=${CLUSTER_CACHE:-${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/intuition/cluster}
BIN=$CACHE/bin
# What belongs to the running cluster, and goes with it.
RUN=$CACHE/$CLUSTER_NAME
ENV_FILE=$CACHE/env
# Another name is a cluster beside, for work on these scripts: it leaves alone what belongs to the first.
[ "$CLUSTER_NAME" = intuition ] || ENV_FILE=$RUN/env

PATH=$BIN:$PATH:/usr/local/sbin:/usr/sbin:/sbin

say() { printf '%s  %s\n' "$(date +%H:%M:%S)" "$*"; }

fail() {
    printf 'error: %s\n' "$*" >&2
    exit 70
}

# Runs the script again under a lock, so that two of them never build or create the same. `-o`: what it starts does not inherit
# the lock, or the monitor of a container would hold it for as long as the cluster lives.
locked() {
    local lock=$1
    shift
    mkdir -p "$CACHE"
    if [ "${CLUSTER_LOCK_HELD:-}" != "$lock" ]; then
        flock -n "$CACHE/$lock.lock" true || say "Waiting for another run of $(basename "$0") to finish."
        CLUSTER_LOCK_HELD=$lock exec flock -o "$CACHE/$lock.lock" "$0" "$@"
    fi
}

# seconds COMMAND...: runs it and leaves in TOOK how long that took.
seconds() {
    local start=$EPOCHSECONDS
    "$@"
    TOOK="$((EPOCHSECONDS - start)) s"
}

# Docker where its daemon answers, else podman. ENGINE=... overrules.
choose_engine() {
    if [ -z "${ENGINE:-}" ]; then
        if command -v docker >/dev/null && timeout 10 docker info >/dev/null 2>&1; then
            ENGINE=docker
        else
            ENGINE=podman
        fi
    fi
    # A network of our own, so that it can go with the cluster.
    export ENGINE KIND_EXPERIMENTAL_PROVIDER=$ENGINE KIND_EXPERIMENTAL_PODMAN_NETWORK=$CLUSTER_NAME KIND_EXPERIMENTAL_DOCKER_NETWORK=$CLUSTER_NAME
    [ "$ENGINE" != podman ] || configure_podman
}

# Sees to it that the engine is there and works.
need_engine() {
    choose_engine
    if [ "$ENGINE" = podman ]; then
        "$ROOT/.ci/need" podman:podman,containernetworking-plugins iptables:iptables ip:iproute2
        [ -z "${CONTAINERS_CONF:-}" ] || "$ROOT/.ci/need" runc:runc
        need_names
    fi
    timeout 60 "$ENGINE" info >/dev/null 2>"$CACHE/engine.log" ||
        fail "$ENGINE does not work here: $(tail -n 1 "$CACHE/engine.log"). A cluster needs podman as root or a running docker; without, use CLUSTER=existing."
    [ "$ENGINE" != podman ] || [ "$(id -u)" = 0 ] || fail "a cluster in podman takes root here. With a running docker it does not; or use CLUSTER=existing."
}

# Only where podman would refuse to start a container as it is set up by itself.
configure_podman() {
    local settings=""
    if [ ! -e /sys/fs/cgroup/cgroup.controllers ]; then
        # Else: "cgroups in hybrid mode not supported".
        settings+=$'[engine]\ncgroup_manager = "cgroupfs"\nruntime = "runc"\n'
    fi
    if ! may_raise_limits; then
        # Else: "setrlimit: Operation not permitted".
        settings+=$'[containers]\ndefault_ulimits = ["nofile=8192:8192", "nproc=8192:8192"]\n'
    fi
    if [ -n "$settings" ]; then
        mkdir -p "$CACHE"
        printf '%s' "$settings" >"$CACHE/containers.conf"
        export CONTAINERS_CONF=$CACHE/containers.conf
    fi
}

# Nodes find each other by name, which takes a helper of podman's that Debian does not install with it.
need_names() {
    case $(podman info -f '{{.Host.NetworkBackend}}' 2>/dev/null) in
    cni) "$ROOT/.ci/need" /usr/lib/cni/dnsname:golang-github-containernetworking-plugin-dnsname,dnsmasq-base ;;
    netavark) "$ROOT/.ci/need" /usr/lib/podman/aardvark-dns:aardvark-dns ;;
    esac
}

# CAP_SYS_RESOURCE is bit 24 of the effective capabilities.
may_raise_limits() {
    local effective
    effective=$(awk '/^CapEff:/ {print $2}' /proc/self/status)
    (((0x$effective >> 24) & 1))
}

image_exists() { "$ENGINE" image inspect "$1" >/dev/null 2>&1; }

# kind's containers of this cluster, also those that do not run.
node_containers() { "$ENGINE" ps -a --filter "label=io.x-k8s.kind.cluster=$CLUSTER_NAME" --format '{{.Names}}'; }

kubectl() { command kubectl --kubeconfig "${KUBECONFIG:-$RUN/kubeconfig}" --request-timeout="${TIMEOUT:-10s}" "$@"; }
