"""Failures that can be switched on: their names in a JSON list, in the file that $STANDIN_FAULTS names.

The file is read anew by every program, so a test may change it between two commands. mk#N is an issue of minikube.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

KNOWN = {
    # -- start, before there is a machine
    "no-github": "a Kubernetes newer than the released 1.38.1 knows is looked up in vain: K8S_FAIL_CONNECT, 40",
    "socket-vmnet-missing": "socket_vmnet isn't installed: NOT_FOUND_SOCKET_VMNET, 15 (mk#16342)",
    "socket-vmnet-refused": "its daemon is dead, its socket file is still there: GUEST_PROVISION, 80 (mk#19745)",
    "socket-vmnet-denied": "somebody else owns the socket below /opt/homebrew: GUEST_PROVISION, 80 (mk#17615)",
    "socket-vmnet-denied-var-run": "the same below /var/run: PR_QEMU_SOCKET_VMNET_DENIED, 60 (mk#15907)",
    "no-ip-for-mac": "no DHCP lease: could not find an IP address for MAC (mk#15960)",
    "bootpd-firewall": "the firewall blocks bootpd, and sudo may not ask: IF_BOOTPD_FIREWALL, 70 (mk#19014, #19518)",
    "no-route-to-host": "a lease, yet the Mac may not talk to it: macOS' Local Network permission (mk#23691)",
    "hvf-unknown": "an amd64 minikube on arm64 (mk#17020)",
    "hvf-invalid": "a qemu that can't do hvf, such as an amd64 one under Rosetta (mk#18712)",
    "qemu-too-old": "a qemu that doesn't know a feature of the processor (mk#20169)",
    "qemu-missing": "no qemu: PROVIDER_QEMU2_NOT_FOUND, 65",
    "as-root": "DRV_AS_ROOT, 57, as root gets it from most drivers; without this fault the stand-in takes root",
    # -- start, with a machine
    "half-created": "killed after the machine's folder was made: the profile is there, the machine isn't",
    "slow-start": "$STANDIN_SLOW_SECONDS (2) before every step, so that it can be killed in the middle",
    "apiserver-unhealthy": "apiserver healthz never reported healthy: GUEST_START, 80 (mk#18640)",
    # -- a cluster that was running
    "vm-gone": "the machine's process is dead when the next command looks",
    "apiserver-stopped": "the machine runs, the API server doesn't: status 2, tunnel 103, a tunnel's block a timeout",
    # -- images
    "image-build-fails": "an error on stderr, nothing built, exit 0 (mk#12556)",
    "image-build-keeps-old": "exit 0 and no error, but an image of that name stays what it was (mk#11276)",
    "image-build-wrong-architecture": "built for another architecture: `exec format error` (ro#4125)",
    "image-load-keeps-old": "`image load` does nothing, exit 0 (mk#16032, #23023)",
    "image-save-fails": "`image save` writes nothing, exit 0",
    # -- tunnel
    "tunnel-already-running": "TUNNEL_ALREADY_RUNNING, 111",
    "tunnel-registered": "another process has the route in tunnels.json: SVC_TUNNEL_START, 110 (mk#17645, #9188)",
    "tunnel-conflicting-route": "the service range is routed elsewhere: `conflicting route` in its status (mk#7900)",
    "tunnel-ends": "it ends by itself after its first status, exit 0, as when the machine isn't Running",
    # -- delete
    "delete-leaves-vm": "an event that it couldn't delete the machine, whose process stays; exit 0",
    # -- sudo
    "sudo-password": "a password is needed: $STANDIN_SUDO_PASSWORD (secret) by -S, remembered for 300 s",
    "sudo-denied": "the user is not in the sudoers file",
}


def active() -> set[str]:
    """The faults that are switched on now; those of other stand-ins may be among them."""
    named = os.environ.get("STANDIN_FAULTS")
    if not named or not Path(named).exists():
        return set()
    return set(json.loads(Path(named).read_text()))


def on(name: str) -> bool:
    """Whether a fault of KNOWN is switched on."""
    if name not in KNOWN:
        raise KeyError(f"no such fault: {name}")
    return name in active()
