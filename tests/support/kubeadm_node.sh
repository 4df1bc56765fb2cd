#!/bin/bash
# A cluster that the tool knows nothing of: one node by plain kubeadm, in namespaces of its own, as benchmarks/by_hand.sh
# makes one. Its images go by the names that they are published under; others it pulls from a registry at this host's end
# of its link.
#
#   kubeadm_node.sh up       brings it up; its kubeconfig is then $WORK/node/etc/kubernetes/admin.conf
#   kubeadm_node.sh remove   ends and deletes it, however far `up` came
#
# PROGRAMS is what an earlier `invoke up` of the embedded provider has compiled. WORK is a scratch folder.
set -euo pipefail

repository=$(cd "$(dirname "$0")/../.." && pwd)
programs=${PROGRAMS:?is not set: the folder of compiled programs}
work=${WORK:?is not set: a scratch folder}
state=$work/node
init_pid=$work/machine.pid

name=clexisting # of the network namespace, the link, the nftables table, the control groups and the node
range=10.251.0.0/16
link=10.251.0.0/24
host_address=10.251.0.1
node_address=10.251.0.2
node_pods=10.251.64.0/24
pods=10.251.64.0/18
services=10.251.128.0/18
registry_port=${REGISTRY_PORT:-5000}

version_of() { awk -v module="$1" '$1 == module { print $2; exit }' "$repository/node/go.mod"; }
fail() { echo "kubeadm_node.sh: $*" >&2; exit 1; }

patiently() { # SECONDS COMMAND...: again and again until it succeeds
    local end=$((SECONDS + $1))
    shift
    until "$@" > /dev/null 2>&1; do
        ((SECONDS < end)) || fail "in vain for too long: $*"
        sleep 0.1
    done
}

up() {
    [ ! -e "$state" ] && [ ! -e "/run/netns/$name" ] || fail "something of an earlier run is left: kubeadm_node.sh remove"
    [ -z "$(ip route show root "$range")" ] || fail "this host has routes to $range already"
    mkdir -p "$state"
    [ -n "$(ls -A "$work/images" 2> /dev/null)" ] || "$repository/benchmarks/by_hand.sh" prepare
    network
    machine
    images
    in_machine kubeadm init --config /etc/kubeadm/kubeadm.yaml
    [[ $(ip route get "$node_address") == *" dev $name "* ]] || fail "$node_address isn't reached over $name"
    local kubectl=("$programs/bin/kubectl" --kubeconfig "$state/etc/kubernetes/admin.conf")
    "${kubectl[@]}" wait node --all --for=condition=Ready --timeout=180s
    "${kubectl[@]}" --namespace kube-system rollout status deployment/coredns --timeout=180s
}

network() { # reachable from this host only; the one thing that it may ask this host for is an image
    nft --file - <<- RULES
	table inet $name {
	    chain input {
	        type filter hook input priority filter - 10; policy accept;
	        iifname "$name" ct state established,related accept
	        iifname "$name" ip daddr $host_address tcp dport $registry_port accept
	        iifname "$name" reject
	    }
	    chain forward {
	        type filter hook forward priority filter - 10; policy accept;
	        iifname "$name" reject
	        oifname "$name" drop
	    }
	}
	RULES
    ip netns add "$name"
    ip link add "$name" type veth peer name eth0 netns "$name"
    ip -n "$name" link set lo up
    ip -n "$name" address add "$node_address/${link#*/}" dev eth0
    ip -n "$name" link set eth0 up
    ip -n "$name" route add default via "$host_address"
    ip address add "$host_address/${link#*/}" dev "$name"
    ip link set "$name" up
    ip route add "$pods" via "$node_address" dev "$name"
    ip route add "$services" via "$node_address" dev "$name" # what a load balancer's network is elsewhere
}

fill() { # TEMPLATE PODS: with the names in it that begin with a dollar sign filled in
    local kubernetes coredns etcd
    kubernetes=$(version_of k8s.io/kubernetes)
    coredns=$(version_of github.com/coredns/coredns)
    etcd=$(version_of go.etcd.io/etcd/server/v3)
    sed -e "s|\$node_name|$name|g" -e "s|\$node_address|$node_address|g" -e "s|\$profile|$name|g" \
        -e "s|\$cgroup|/$name|g" -e "s|\$pods|$2|g" -e "s|\$services|$services|g" \
        -e "s|\$kubernetes|$kubernetes|g" -e "s|\$coredns|$coredns|g" -e "s|\$etcd|${etcd#v}|g" "$1"
}

machine() { # namespaces, and containerd in them, by the tool's own init.sh
    local group template=$repository/node/machine etc=$state/etc
    cp --archive "$programs/node/etc" "$programs/node/var" "$state"
    mkdir -p "$state/root" "$state"/var/{lib/kubelet,lib/etcd,lib/containerd,log/pods,log/containers,tmp} \
        "$etc"/{cni/net.d,containerd,kubeadm/patches}
    configure_containerd "$template/containerd.toml" "$etc/containerd"
    cp "$template/corednsdeployment.yaml" "$etc/kubeadm/patches/"
    fill "$template/cni.conflist" "$node_pods" > "$etc/cni/net.d/10-pods.conflist"
    fill "$template/kubeadm.yaml" "$pods" > "$etc/kubeadm/kubeadm.yaml"
    rm -f "$etc"/{hostname,hosts,resolv.conf,passwd,group}
    echo "$name" > "$etc/hostname"
    printf '127.0.0.1 localhost\n%s %s\n' "$node_address" "$name" > "$etc/hosts"
    echo "nameserver $host_address" > "$etc/resolv.conf"
    echo "root:x:0:0:root:/root:/bin/sh" > "$etc/passwd"
    echo "root:x:0:" > "$etc/group"

    for group in $(control_groups); do
        mkdir "$group"
        # A version 1 cpuset is empty, and useless, until it is filled.
        if [ -e "$group/cpuset.cpus" ] && [ -e "$group/../cpuset.cpus" ]; then
            cat "$group/../cpuset.cpus" > "$group/cpuset.cpus"
            cat "$group/../cpuset.mems" > "$group/cpuset.mems"
        fi
    done

    ROOT=$programs/node STATE=$state NAME=$name SERVICES=$repository/node/machine/services \
        setsid nsenter --net="/run/netns/$name" unshare --mount --uts --ipc --pid --fork --kill-child \
        "$repository/node/machine/init.sh" < /dev/null > "$work/machine.log" 2>&1 &
    echo $! > "$init_pid"
    patiently 30 in_machine cri-wait
}

configure_containerd() { # TEMPLATE FOLDER: the tool's own configuration, and where the registry is
    local registry=$host_address:$registry_port
    mkdir -p "$2/certs.d/$registry"
    rm -f "$2/config.toml"
    {
        cat "$1"
        printf '\n  [plugins."io.containerd.grpc.v1.cri".registry]\n    config_path = "/etc/containerd/certs.d"\n'
    } > "$2/config.toml"
    printf '[host."http://%s"]\n  capabilities = ["pull", "resolve"]\n' "$registry" > "$2/certs.d/$registry/hosts.toml"
}

in_machine() { # COMMAND...: run inside
    local parent init
    parent=$(< "$init_pid")
    init=$(< "/proc/$parent/task/$parent/children")
    nsenter --target "${init% }" --mount --uts --ipc --net --pid \
        env -i PATH=/usr/local/bin:/usr/local/sbin:/usr/bin:/usr/sbin HOME=/root "$@"
}

images() { # the node's own, and Istio's and Argo's under the names that the public knows them by
    local archive istio rollouts ctr=(in_machine ctr --namespace k8s.io image)
    cp --link "$work"/images/*.tar "$state/var/tmp/"
    for archive in "$work"/images/*.tar; do
        "${ctr[@]}" import "/var/tmp/$(basename "$archive")"
    done
    rm -f "$state"/var/tmp/*.tar
    istio=$("${ctr[@]}" list -q | sed -n 's|^localhost/istio/pilot:||p')
    rollouts=$(version_of github.com/argoproj/argo-rollouts)
    for archive in pilot proxyv2; do
        "${ctr[@]}" tag "localhost/istio/$archive:$istio" "docker.io/istio/$archive:${istio%%-*}"
    done
    "${ctr[@]}" tag "localhost/argoproj/argo-rollouts:$rollouts" "quay.io/argoproj/argo-rollouts:$rollouts"
}

control_groups() { # version 2 has one hierarchy, version 1 one for each controller
    local hierarchy
    if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
        echo "/sys/fs/cgroup/$name"
        return
    fi
    for hierarchy in /sys/fs/cgroup/*/; do
        [ -L "${hierarchy%/}" ] || echo "$hierarchy$name"
    done
}

remove() { # whatever is there of it: `up` may have been ended anywhere
    local group folder
    patiently 30 kill_all
    awk -v below="$state/" 'index($5, below) == 1 { print $5 }' /proc/self/mountinfo | sort --reverse |
        while read -r folder; do
            umount "$folder"
        done
    [ ! -e "/sys/class/net/$name" ] || ip link delete "$name" # its routes go with it
    [ ! -e "/run/netns/$name" ] || ip netns delete "$name"
    ! nft list table inet "$name" > /dev/null 2>&1 || nft delete table inet "$name"
    for group in $(control_groups); do
        [ ! -e "$group" ] || patiently 10 delete_group "$group" # the kernel may need a moment after the last process
    done
    rm -rf --one-file-system "$state"
}

delete_group() {
    find "$1" -depth -type d -exec rmdir {} + 2> /dev/null || true
    [ ! -e "$1" ]
}

kill_all() { # nothing else can be in this network namespace or in these control groups; fails while there is somebody
    local found
    found=$(
        [ ! -e "/run/netns/$name" ] || ip netns pids "$name"
        control_groups | while read -r group; do
            [ ! -e "$group" ] || find "$group" -name cgroup.procs -exec cat {} + 2> /dev/null || true
        done
    )
    [ -n "$found" ] || return 0
    # shellcheck disable=SC2086 # one word a process
    kill -KILL $found 2> /dev/null || true
    return 1
}

case ${1:-} in
    up | remove) "$1" ;;
    *) fail "say up or remove" ;;
esac
