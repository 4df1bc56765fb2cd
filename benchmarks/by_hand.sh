#!/bin/bash
# The whole of what the first `invoke up` does, by hand: the same programs, configuration, charts and values, one
# command after the other, each with the wait that it has itself. README.md says what was left out in its favour.
#
#   by_hand.sh prepare   write the node's images as archives; not part of what is timed
#   by_hand.sh up        namespaces to a Healthy rollout; prints the seconds of each step
#   by_hand.sh remove    end and delete everything that `up` made
#
# PROGRAMS is what an earlier `invoke up` has compiled, ~/.cache/canarylab/node/DIGEST. WORK is a scratch folder.
set -euo pipefail

repository=$(cd "$(dirname "$0")/.." && pwd)
programs=${PROGRAMS:?is not set: the folder of compiled programs, ~/.cache/canarylab/node/DIGEST}
work=${WORK:?is not set: a scratch folder, best on the same filesystem as PROGRAMS}
images=$work/images
scratch=$work/by-hand
state=$scratch/machine

name=clbench-hand # of the network namespace, the link, the nftables table, the control groups and the node
range=10.250.0.0/16
link=10.250.0.0/24
host_address=10.250.0.1
node_address=10.250.0.2
node_pods=10.250.64.0/24
pods=10.250.64.0/18
services=10.250.128.0/18

version_of() { awk -v module="$1" '$1 == module { print $2; exit }' "$repository/node/go.mod"; }
fail() { echo "by_hand.sh: $*" >&2; exit 1; }

step_began=${EPOCHREALTIME/[.,]/}
step() { # the seconds since the last step, under the name of what took them
    local now=${EPOCHREALTIME/[.,]/}
    awk -v took=$((now - step_began)) -v what="$1" 'BEGIN { printf "step %8.3f %s\n", took / 1e6, what }'
    step_began=$now
}

# -- prepare ----------------------------------------------------------------------------------------------------------

prepare() {
    export_images
    # What the tool keeps of Argo's manifest is a bare list of its objects; kubectl wants a List. Its image is ours.
    local image
    image=localhost/argoproj/argo-rollouts:$(version_of github.com/argoproj/argo-rollouts)
    {
        printf '{"apiVersion": "v1", "kind": "List", "items": '
        sed -e "s|quay.io/argoproj/argo-rollouts:[^\"]*|$image|" \
            -e 's|"imagePullPolicy": "Always"|"imagePullPolicy": "IfNotPresent"|' "$programs/argo-rollouts.json"
        printf '}\n'
    } > "$work/argo-rollouts.json"
}

export_images() { # out of the store that the tool starts its machines with: the very same images
    local run=$work/export store=$work/export/store references
    local ctr=("$programs/node/usr/bin/ctr" --address "$run/containerd.sock" --namespace k8s.io image)
    rm -rf "$run" "$images"
    mkdir -p "$store" "$images"
    cp --archive --link "$programs/store/io.containerd.content.v1.content" "$store"
    cp --archive "$programs/store/io.containerd.metadata.v1.bolt" "$store" # written to, so it isn't linked
    cat > "$run/config.toml" <<- TOML
	version = 2
	root = "$store"
	state = "$run/state"
	disabled_plugins = ["io.containerd.grpc.v1.cri"]
	[grpc]
	  address = "$run/containerd.sock"
	TOML
    "$programs/node/usr/bin/containerd" --config "$run/config.toml" > "$run/containerd.log" 2>&1 &
    daemon=$!
    trap 'kill "$daemon" 2> /dev/null || true' EXIT
    patiently 20 "${ctr[@]}" list -q
    # One archive an image, with all its names: the five of Kubernetes are one image, imported once.
    "${ctr[@]}" list |
        awk '/^localhost\// { names[$3] = names[$3] " " $1 } END { for (image in names) print names[image] }' |
        while read -ra references; do
            "${ctr[@]}" export "$images/$(basename "${references[0]%:*}").tar" "${references[@]}"
        done
    kill "$daemon"
    wait "$daemon" || true
    trap - EXIT
    rm -rf "$run"
}

patiently() { # SECONDS COMMAND...: again and again until it succeeds
    local end=$((SECONDS + $1))
    shift
    until "$@" > /dev/null 2>&1; do
        ((SECONDS < end)) || fail "in vain for too long: $*"
        sleep 0.1
    done
}

# -- up ---------------------------------------------------------------------------------------------------------------

up() {
    [ -n "$(ls -A "$images" 2> /dev/null)" ] || fail "no images in $images: by_hand.sh prepare"
    [ ! -e "$scratch" ] && [ ! -e "/run/netns/$name" ] || fail "something of an earlier run is left: by_hand.sh remove"
    [ -z "$(ip route show root "$range")" ] || fail "this host has routes to $range already"

    mkdir -p "$state" "$scratch/home"
    export HOME=$scratch/home KUBECONFIG=$state/etc/kubernetes/admin.conf PATH=$programs/bin:$PATH
    local charts=$programs/charts values=$repository/charts-values demo=$repository/manifests/rollouts-demo
    local waiting=--timeout=180s chart_version

    network
    machine
    step "namespaces, network, containerd"

    import_images
    step "images imported"

    in_machine kubeadm init --config /etc/kubeadm/kubeadm.yaml
    step "kubeadm init"

    require_route "$node_address"
    kubectl wait node --all --for=condition=Ready $waiting
    step "node Ready"

    kubectl --namespace kube-system rollout status deployment/coredns $waiting
    step "CoreDNS"

    chart_version=$(basename "$charts"/base-*.tgz .tgz)
    chart_version=${chart_version#base-}
    helm install istio-base "$charts/base-$chart_version.tgz" --namespace istio-system --create-namespace --wait
    step "istio-base"

    helm install istiod "$charts/istiod-$chart_version.tgz" --namespace istio-system --wait \
        --values "$values/istiod.yaml" --values "$values/istiod.embedded.yaml"
    step "istiod"

    # Without --wait: it would wait for the Service's address, which comes from the tunnel.
    helm install istio-ingressgateway "$charts/gateway-$chart_version.tgz" \
        --namespace istio-ingress --create-namespace \
        --values "$values/istio-ingressgateway.yaml"
    kubectl --namespace istio-ingress rollout status deployment/istio-ingressgateway $waiting
    step "istio-ingressgateway"

    tunnel
    step "tunnel"

    kubectl create namespace argo-rollouts
    kubectl apply --server-side --namespace argo-rollouts --filename "$work/argo-rollouts.json"
    kubectl --namespace argo-rollouts rollout status deployment/argo-rollouts $waiting
    step "Argo Rollouts"

    kubectl label namespace default istio-injection=enabled
    step "label for sidecars"

    demo_images
    step "demo images built and imported"

    # The Rollout last: it names the others, and Argo would call it Degraded for as long as they aren't there.
    # `kubectl argo rollouts status` ends with an error at the first such moment; kubectl waits.
    kubectl apply --filename "$demo/gateway.yaml" --filename "$demo/services.yaml" \
        --filename "$demo/virtualservices.yaml" --filename "$demo/rollout.yaml"
    kubectl wait rollout/rollouts-demo --for=jsonpath='{.status.phase}'=Healthy $waiting
    step "rollout Healthy"
}

network() { # reachable from this host only, and without a way out of it
    nft --file - <<- RULES
	table inet $name {
	    chain input {
	        type filter hook input priority filter - 10; policy accept;
	        iifname "$name" ct state established,related accept
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
    # Until the tunnel's route is there, nothing for a Service leaves this host.
    ip route add unreachable "$services" metric 4096
}

require_route() { # before any request to an address of the range: without our route it would leave this host
    [[ $(ip route get "$1") == *" dev $name "* ]] || fail "no request is sent to $1: it would not go over $name"
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
    cp --remove-destination "$template/containerd.toml" "$etc/containerd/config.toml"
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
        "$repository/node/machine/init.sh" < /dev/null > "$scratch/machine.log" 2>&1 &
    machine_parent=$!
    patiently 30 in_machine cri-wait
}

in_machine() { # COMMAND...: run inside
    local init
    init=$(< "/proc/$machine_parent/task/$machine_parent/children")
    nsenter --target "${init% }" --mount --uts --ipc --net --pid \
        env PATH=/usr/local/bin:/usr/local/sbin:/usr/bin:/usr/sbin "$@"
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

import_images() {
    local archive
    ln "$images"/*.tar "$state/var/tmp/"
    for archive in "$images"/*.tar; do
        in_machine ctr --namespace k8s.io image import "/var/tmp/$(basename "$archive")"
    done
}

tunnel() { # what `minikube tunnel` does: a route, and an address for the one Service of type LoadBalancer
    local address
    ip route add "$services" via "$node_address" dev "$name"
    address=$(kubectl --namespace istio-ingress get service istio-ingressgateway --output 'jsonpath={.spec.clusterIP}')
    require_route "$address"
    kubectl --namespace istio-ingress patch service istio-ingressgateway --subresource status --type merge \
        --patch '{"status": {"loadBalancer": {"ingress": [{"ip": "'"$address"'"}]}}}'
}

demo_images() {
    local colour image context=$scratch/context architecture
    local buildah=(buildah --storage-driver=overlay --root "$scratch/buildah/root" --runroot "$scratch/buildah/run")
    architecture=$(go env GOARCH)
    mkdir "$context"
    (cd "$repository/images/rollouts-demo" &&
        CGO_ENABLED=0 GOFLAGS=-buildvcs=false GOTOOLCHAIN=local \
            go build -trimpath -gcflags=all=-dwarf=false -ldflags "-s -w" -o "$context/rollouts-demo-$architecture" .)
    for colour in blue yellow; do
        image=localhost/argoproj/rollouts-demo:$colour
        "${buildah[@]}" build --quiet --isolation chroot --pull-never --platform "linux/$architecture" \
            --build-arg "COLOR=$colour" --tag "$image" \
            --file "$repository/images/rollouts-demo/Containerfile" "$context"
        "${buildah[@]}" push --quiet --disable-compression "$image" "oci-archive:$state/var/tmp/$colour.tar:$image"
        in_machine ctr --namespace k8s.io image import "/var/tmp/$colour.tar"
    done
}

# -- remove -----------------------------------------------------------------------------------------------------------

remove() { # whatever is there of it: `up` may have been ended anywhere
    local group folder
    patiently 30 kill_all
    awk -v below="$scratch/" 'index($5, below) == 1 { print $5 }' /proc/self/mountinfo | sort --reverse |
        while read -r folder; do
            umount "$folder"
        done
    [ ! -e "/sys/class/net/$name" ] || ip link delete "$name" # its routes go with it
    [ -z "$(ip route show type unreachable root "$services")" ] || ip route delete unreachable "$services" metric 4096
    [ ! -e "/run/netns/$name" ] || ip netns delete "$name"
    ! nft list table inet "$name" > /dev/null 2>&1 || nft delete table inet "$name"
    for group in $(control_groups); do
        # The kernel may need a moment after the last process is gone.
        [ ! -e "$group" ] || patiently 10 delete_group "$group"
    done
    rm -rf --one-file-system "$scratch"
}

delete_group() {
    find "$1" -depth -type d -exec rmdir {} + 2> /dev/null || true
    [ ! -e "$1" ]
}

kill_all() { # nothing else can be in our network namespace or in our control groups; fails while there is somebody
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
    prepare | up | remove) "$1" ;;
    *) fail "say prepare, up or remove" ;;
esac
