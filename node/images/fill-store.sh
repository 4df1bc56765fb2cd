#!/bin/sh
# Imports images into a containerd store, by a containerd that lives as long as this script.
#
# Started in a PID and a mount namespace of its own: whatever is left when it ends, ends and is unmounted with it.
#   fill-store.sh ROOT STORE STATE ARCHIVE... -- FROM=TO...
set -eu
root=$1 store=$2 state=$3
shift 3
socket="$state/containerd.sock"
printf 'version = 2\nroot = "%s"\nstate = "%s"\n[grpc]\naddress = "%s"\n' "$store" "$state" "$socket" > "$state/config.toml"
PATH="$root/usr/bin:$PATH"
containerd --config "$state/config.toml" > "$state/containerd.log" 2>&1 &
daemon=$!

ctr="ctr --address $socket --namespace k8s.io image"
until $ctr list -q > /dev/null 2>&1; do
    kill -0 "$daemon" || { cat "$state/containerd.log" >&2; exit 1; }
    sleep 0.1
done
while [ "$1" != -- ]; do
    $ctr import "$1"
    shift
done
shift
for pair in "$@"; do
    $ctr tag --force "${pair%%=*}" "${pair#*=}"
done
# Ended politely it has written all of its database.
kill "$daemon"
wait "$daemon" || true
