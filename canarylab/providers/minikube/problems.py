"""minikube's reasons and known traps, each with what minikube leaves out: why it happened, and what to do. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from canarylab.errors import CanarylabError, MachineError, StageError
from canarylab.tools.minikube import Reason, plain, reason_of
from canarylab.tools.runner import tail

_ISSUES = "https://github.com/kubernetes/minikube/issues/"
_TAIL_LINES = 8

SOCKET_VMNET_START = "sudo $(brew --prefix)/bin/brew services start socket_vmnet"
"""As its makers say it: the service of root's Homebrew services, but the user's Homebrew."""

UNBLOCK_BOOTPD = (
    "sudo /usr/libexec/ApplicationFirewall/socketfilterfw --add /usr/libexec/bootpd && "
    "sudo /usr/libexec/ApplicationFirewall/socketfilterfw --unblock /usr/libexec/bootpd"
)
RECREATE = "`invoke up --recreate` deletes the cluster and makes it anew; `invoke teardown` only deletes it"


@dataclass(frozen=True)
class Problem:
    """What is wrong, as a user needs it. `machine`: it is this machine that can't do it, as it is."""

    id: str
    why: str
    remedy: str
    links: tuple[str, ...] = ()
    machine: bool = False


@dataclass(frozen=True)
class _Trap:
    """A problem and how it is recognised: by what was printed, by minikube's id of it, or by an exit code alone."""

    problem: Problem
    text: str = ""
    ids: tuple[str, ...] = ()
    code: int | None = None


def _issues(*numbers: int) -> tuple[str, ...]:
    return tuple(f"{_ISSUES}{number}" for number in numbers)


_MACHINE_TRAPS = (
    _Trap(
        Problem(
            "SOCKET_VMNET_NOT_RUNNING",
            "socket_vmnet's socket is there, but nobody answers at it: its daemon isn't running. minikube only looks "
            "whether the file exists, so it finds out when the virtual machine is started",
            f"{SOCKET_VMNET_START}; then `invoke up` again",
            _issues(16342, 19745),
            machine=True,
        ),
        text=r"socket_vmnet\"?:? ?.*Connection refused",
    ),
    _Trap(
        Problem(
            "SOCKET_VMNET_DENIED",
            "socket_vmnet's socket belongs to somebody else: its daemon was started as another user, or its folder "
            "isn't root's",
            "`ls -l $(brew --prefix)/var/run/socket_vmnet` shows the owner; `brew services stop socket_vmnet` ends one "
            f"that runs as you, then: {SOCKET_VMNET_START}",
            _issues(17615, 19745),
            machine=True,
        ),
        text=r"socket_vmnet\"?:? ?.*Permission denied",
        ids=("PR_QEMU_SOCKET_VMNET_DENIED",),
    ),
    _Trap(
        Problem(
            "NOT_FOUND_SOCKET_VMNET",
            "the network socket_vmnet is asked for, and socket_vmnet isn't installed where minikube looks: below "
            "/opt/homebrew, /usr/local and /opt/socket_vmnet",
            f"brew install socket_vmnet && {SOCKET_VMNET_START}",
            _issues(16342),
            machine=True,
        ),
        ids=("NOT_FOUND_SOCKET_VMNET",),
    ),
    _Trap(
        Problem(
            "MANAGED_FIREWALL",
            "this Mac is managed: its firewall can't be changed from the command line, and it blocks bootpd, which "
            "gives the virtual machine its address",
            "ask whoever manages it to allow /usr/libexec/bootpd; until then no virtual machine gets an address here",
            _issues(19014),
            machine=True,
        ),
        text=r"Firewall settings cannot be modified from command line on managed Mac",
    ),
    _Trap(
        Problem(
            "IF_BOOTPD_FIREWALL",
            "the virtual machine asked for an address for two minutes and got none: macOS' firewall keeps bootpd, the "
            "system's DHCP server, from answering",
            f"{UNBLOCK_BOOTPD}; then `invoke up` again. If it stays so, restart the Mac: bootpd reads its leases anew",
            _issues(15960, 19014),
            machine=True,
        ),
        text=r"could not find an IP address for|failed to get IP address",
        ids=("IF_BOOTPD_FIREWALL",),
    ),
    _Trap(
        Problem(
            "LOCAL_NETWORK_PERMISSION",
            "the virtual machine has an address, but this terminal may not reach it: since macOS 15 each app needs the "
            "permission to reach the local network, and the one that you work in doesn't have it",
            "System Settings > Privacy & Security > Local Network: switch your terminal app on, restart it, then "
            "`invoke up` again",
            _issues(23691),
            machine=True,
        ),
        text=r"no route to host",
    ),
    _Trap(
        Problem(
            "WRONG_ARCHITECTURE",
            "minikube or qemu is a build for Intel and runs translated by Rosetta: macOS' hypervisor serves native "
            "programs only",
            "`file $(which minikube) $(which qemu-system-aarch64)` must say arm64; install Homebrew below "
            "/opt/homebrew, and with it: brew install minikube qemu",
            _issues(17020, 18712),
            machine=True,
        ),
        text=r"-?accel hvf: Unknown Error|invalid accelerator hvf",
    ),
    _Trap(
        Problem(
            "SUDO_PASSWORD",
            "minikube wanted to run a command with sudo, which would have asked for a password that nobody could type",
            "run `sudo -v` first, then `invoke up` in the same terminal",
            _issues(19518),
            machine=True,
        ),
        text=r"requires a password, and --interactive=false|sudo: a (terminal|password) is required",
    ),
    _Trap(
        Problem(
            "NETWORK_ONLY_ON_MACOS",
            "socket_vmnet is the way to macOS' own vmnet: no other system has it",
            "take `network` out of the playbook's cluster, or choose another driver: docker, kvm2, podman",
            machine=True,
        ),
        text=r"socket_vmnet network is only supported on macOS",
    ),
    _Trap(
        Problem(
            "DRV_AS_ROOT",
            "minikube refuses to make a virtual machine as root: everything in its folder would be root's",
            "run it as yourself, without sudo; where root is all there is: `driver: none`, or the embedded provider",
            _issues(5146),
            machine=True,
        ),
        ids=("DRV_AS_ROOT",),
        code=57,
    ),
    _Trap(
        Problem(
            "PROVIDER_QEMU2_NOT_FOUND",
            "the driver qemu is asked for, and there is no qemu on the PATH",
            "brew install qemu; or another driver in the playbook: vfkit, krunkit",
            machine=True,
        ),
        ids=("PROVIDER_QEMU2_NOT_FOUND", "PROVIDER_QEMU_NOT_FOUND"),
        code=65,
    ),
    _Trap(
        Problem(
            "DRV_UNSUPPORTED_OS",
            "minikube doesn't have this driver on this system",
            "choose another `driver` in the playbook. Apple Silicon: qemu, vfkit, krunkit; Linux: docker, kvm2, podman",
            machine=True,
        ),
        ids=("DRV_UNSUPPORTED_OS",),
        code=56,
    ),
    _Trap(
        Problem(
            "DRV_NOT_DETECTED",
            "the playbook names no driver, and minikube found none that is installed and works",
            "brew install qemu socket_vmnet, or start Docker; then name it: `driver` in the playbook's cluster",
            machine=True,
        ),
        ids=("DRV_NOT_DETECTED",),
        code=55,
    ),
    _Trap(
        Problem(
            "RSRC_INSUFFICIENT_CORES",
            "a cluster needs 2 processors at least, and can't have more than the machine (or Docker) has",
            "set `cpus` in the playbook's cluster accordingly; Istio and the demonstration want 4",
            machine=True,
        ),
        ids=("RSRC_INSUFFICIENT_CORES", "RSRC_INSUFFICIENT_CONTAINER_CORES", "RSRC_INSUFFICIENT_WINDOWS_DOCKER_CORES"),
        code=29,
    ),
    _Trap(
        Problem(
            "RSRC_INSUFFICIENT_MEMORY",
            "a cluster needs 1800 MB at least, and can't have more than the machine (or Docker) has",
            "set `memory` in the playbook's cluster accordingly; Istio and the demonstration want 8192mb",
            machine=True,
        ),
        ids=("RSRC_INSUFFICIENT_REQ_MEMORY", "RSRC_INSUFFICIENT_SYS_MEMORY", "RSRC_INSUFFICIENT_CONTAINER_MEMORY"),
        code=23,
    ),
    _Trap(
        Problem(
            "RSRC_OVER_ALLOC_MEM",
            "more memory is asked for than this machine can spare",
            "set `memory` in the playbook's cluster to less, or end other programs and virtual machines",
            machine=True,
        ),
        ids=("RSRC_OVER_ALLOC_MEM", "RSRC_OVER_ALLOC_MEM_PERCENT"),
    ),
)
"""What is wrong with the machine: nothing that `invoke up` does again changes it."""

_CLUSTER_TRAPS = (
    _Trap(
        Problem(
            "OLD_NETWORK",
            "the virtual machine still has the address 10.0.2.15 of qemu's builtin network, where nothing reaches it: "
            "the profile was made with that network, and minikube changes it in its notes only",
            RECREATE,
            _issues(18640),
        ),
        text=r"10\.0\.2\.15[\s\S]*never reported healthy|never reported healthy[\s\S]*10\.0\.2\.15",
    ),
    _Trap(
        Problem(
            "TUNNEL_ALREADY_RUNNING",
            "a tunnel of this profile runs already: one that this tool didn't start, or one that was left behind",
            "`invoke tunnel status` shows it; end the `minikube tunnel` in the other terminal with Ctrl-C",
            _issues(17645, 7900),
        ),
        text=r"[Aa]nother tunnel (process )?is already running",
        ids=("TUNNEL_ALREADY_RUNNING",),
        code=111,
    ),
    _Trap(
        Problem(
            "CONFLICTING_ROUTE",
            "the range of Services' addresses is routed elsewhere already: by another profile's tunnel with the same "
            "range, by one that was killed, or by a VPN",
            "`netstat -rn -f inet | grep '^10'` shows who has it. Stop the other tunnel; or give this profile a range "
            "of its own (`service_cluster_ip_range` in the playbook's cluster) and `invoke up --recreate`",
            _issues(7900),
        ),
        text=r"conflicting route",
    ),
    _Trap(
        Problem(
            "NO_TUNNEL_ON_BUILTIN",
            "qemu's builtin network can't be reached from outside: there is neither a tunnel nor a NodePort",
            f"`network: socket_vmnet` in the playbook's cluster, then: {RECREATE}",
        ),
        text=r"(tunnel|service).*builtin network|builtin network.*(tunnel|service)",
    ),
    _Trap(
        Problem(
            "CRIO_ON_ARM64",
            "minikube's virtual machine for arm64 has no CRI-O",
            "`container_runtime: containerd` or `docker` in the playbook's cluster",
        ),
        text=r"(?i)arm64 VM.*cri-?o|cri-?o.*arm64",
    ),
    _Trap(
        Problem(
            "GUEST_DRIVER_MISMATCH",
            "the cluster was made with another driver, and a machine can't be moved from one to another",
            f"write that driver into the playbook; or: {RECREATE}",
        ),
        ids=("GUEST_DRIVER_MISMATCH",),
        code=81,
    ),
    _Trap(
        Problem(
            "K8S_DOWNGRADE_UNSUPPORTED",
            "a cluster can't go back to an older Kubernetes",
            f"write its version into the playbook's cluster (`kubernetes`); or: {RECREATE}",
        ),
        ids=("K8S_DOWNGRADE_UNSUPPORTED",),
    ),
    _Trap(
        Problem(
            "K8S_UNSUPPORTED",
            "this minikube doesn't know that version of Kubernetes",
            "`minikube config defaults kubernetes-version` lists what it knows: choose one (`kubernetes` in the "
            "playbook's cluster), or brew upgrade minikube",
        ),
        ids=("K8S_OLD_UNSUPPORTED", "K8S_NEW_UNSUPPORTED"),
        code=106,
    ),
    _Trap(
        Problem(
            "IF_SSH_TIMEOUT",
            "the virtual machine runs but doesn't answer over SSH: it is still starting on a busy machine, or "
            "something keeps this terminal from reaching it",
            "`invoke doctor` looks at firewall, VPN and the Local Network permission; then `invoke up` again",
        ),
        ids=("IF_SSH_TIMEOUT",),
        code=72,
    ),
    _Trap(
        Problem(
            "NOT_RUNNING",
            "the cluster isn't running",
            "invoke up",
        ),
        code=83,
    ),
    _Trap(
        Problem(
            "NO_PROFILE",
            "minikube has no profile of that name",
            "invoke up",
        ),
        code=85,
    ),
    _Trap(
        Problem(
            "APISERVER_DOWN",
            "the machine runs and its API server doesn't",
            "`invoke up` starts it again; `minikube logs` has the API server's last words",
        ),
        code=103,
    ),
    _Trap(
        Problem(
            "DOWNLOAD",
            "minikube fetches its machine's image and Kubernetes on the first start, and couldn't",
            "look at the network, and at HTTPS_PROXY where there is a proxy; then `invoke up` again: what it has, it "
            "keeps",
        ),
        text=r"INET_|[Ff]ailed to (cache|download)|unable to cache ISO",
    ),
)
_TRAPS = (*_MACHINE_TRAPS, *_CLUSTER_TRAPS)


def explain(exit_code: int, reason_id: str, text: str) -> Problem:
    """The problem behind an exit code, minikube's id of it and what was printed: the plainest sign is words.

    minikube's patterns miss some of what they are for, so the same trap comes under a general id as well. What is
    not known is a problem without an explanation.
    """
    for trap in _TRAPS:
        if trap.text and re.search(trap.text, text):
            return trap.problem
    for trap in _TRAPS:
        if reason_id in trap.ids:
            return trap.problem
    for trap in _TRAPS:
        if trap.code == exit_code and not reason_id:
            return trap.problem
    ended = f"signal {-exit_code}" if exit_code < 0 else f"exit code {exit_code}"
    return Problem(reason_id or ended, "", "")


def failure(
    what: str,
    output: str,
    exit_code: int,
    profile: str,
    *,
    hints: Iterable[str] = (),
    otherwise: str = "",
    where: str | None = None,
) -> CanarylabError:
    """The error for a minikube that gave up: `what` it was to do, `output` all that it printed.

    `hints` are things known from elsewhere that help to recognise a trap, such as the machine's address; `otherwise`
    is the remedy where nothing is known.
    """
    reason = reason_of(output, exit_code) or Reason("", "")
    problem = explain(exit_code, reason.id, "\n".join([output, reason.message, *hints]))
    advice = advice_for(reason.advice, profile)
    links = dict.fromkeys((*problem.links, *reason.links))
    name = reason.id or problem.id
    said = reason.message or tail(plain(output), _TAIL_LINES)
    unknown = otherwise or "`minikube logs` has more; `invoke up` goes on from here"
    remedies = [problem.remedy or "; ".join(filter(None, (advice, unknown)))]
    if problem.remedy and advice:
        remedies.append(f"minikube's own advice: {advice}")
    if links:
        remedies.append(f"more: {', '.join(links)}")
    kind = MachineError if problem.machine else StageError
    return kind(
        f"minikube couldn't {what} ({name})",
        where=where,
        why="; minikube says: ".join(filter(None, (problem.why, said))) if problem.why else said,
        remedy="; ".join(remedies),
    )


def advice_for(advice: str, profile: str) -> str:
    """minikube's advice with what it forgot to fill in: a literal `{{.profile}}` stands for ` -p NAME`, or for NAME."""
    named = re.sub(r"(-p |--profile[ =])\{\{\.profile\}\}", rf"\g<1>{profile}", advice)
    return " ".join(re.sub(r" ?\{\{\.profile\}\}", f" -p {profile}", named).split())
