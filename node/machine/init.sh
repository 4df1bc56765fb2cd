#!/bin/sh
# The first program of the machine: turns a folder into its root and hands over to the supervisor, which becomes PID 1.
#
# Started in namespaces of its own (mount, PID, UTS, IPC, network) with
#   ROOT   the node's Debian root, shared by all profiles and never written to
#   STATE  this profile's folder: etc and var are its disk, root is where the new root is put together
#   NAME   the node's name
set -eu

# What is left of the pods' control groups when the machine was lost: the kubelet would ask for each container, for minutes.
find /sys/fs/cgroup -depth -type d -path "*/canarylab-$NAME/*" -exec rmdir {} + 2> /dev/null || true

mount --make-rprivate /
new="$STATE/root"
mount --bind "$ROOT" "$new"
mount -o remount,bind,ro "$new"

mount --bind "$STATE/etc" "$new/etc"
mount --bind "$STATE/var" "$new/var"
mount -t tmpfs -o mode=755,nosuid,nodev tmpfs "$new/run"
mount -t tmpfs -o mode=1777,nosuid,nodev tmpfs "$new/tmp"
mount --rbind /dev "$new/dev"
mount -t proc proc "$new/proc"
# A sysfs of this network namespace; it hides the control groups, which the kubelet needs.
mount -t sysfs sysfs "$new/sys"
mount --rbind /sys/fs/cgroup "$new/sys/fs/cgroup"

hostname "$NAME"
cp -R "$SERVICES" "$new/run/service"
cd "$new"
pivot_root . mnt
cd /
umount -l /mnt
# The kubelet sets these for the whole kernel, which isn't ours: it is shown the values that it wants.
for setting in vm/overcommit_memory=1 vm/panic_on_oom=0 kernel/panic=10 kernel/panic_on_oops=1 \
    kernel/keys/root_maxkeys=1000000 kernel/keys/root_maxbytes=25000000; do
    shown="/run/sysctl/${setting%=*}"
    mkdir -p "${shown%/*}"
    echo "${setting#*=}" > "$shown"
    mount --bind "$shown" "/proc/sys/${setting%=*}"
done
# Volumes and pods' namespaces that are mounted in a container must show here, and the other way round.
mount --make-rshared /
echo 1 > /proc/sys/net/ipv4/ip_forward

exec env -i PATH=/usr/local/bin:/usr/local/sbin:/usr/bin:/usr/sbin:/bin:/sbin s6-svscan /run/service
