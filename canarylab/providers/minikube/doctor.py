"""Can this machine do it? Asked before a start that takes ten minutes to fail. Reads only; all checks side by side."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING

from canarylab.contract.provider import Finding
from canarylab.errors import CanarylabError, CancelledError, CommandError
from canarylab.providers.minikube.checks import (
    driver,
    firewall,
    kubernetes,
    local_network,
    machine,
    programs,
    routes,
    socket_vmnet,
    vmnet,
)
from canarylab.providers.minikube.checks.host import Host, look

if TYPE_CHECKING:
    from canarylab.contract.context import Context
    from canarylab.contract.playbook import ClusterSpec

Check = Callable[[Host], Iterable[Finding]]

CHECKS: tuple[tuple[str, Check], ...] = (
    ("operating system", machine.system),
    ("architecture", machine.architecture),
    ("hypervisor", machine.hypervisor),
    ("user", machine.user),
    ("Homebrew", machine.homebrew),
    *((each.name, partial(programs.program, each)) for each in programs.ALL),
    ("Kubernetes version", kubernetes.kubernetes),
    ("driver", driver.driver),
    ("socket_vmnet", socket_vmnet.socket_vmnet),
    ("Internet Sharing", vmnet.internet_sharing),
    ("firewall", firewall.firewall),
    ("Local Network", local_network.local_network),
    ("routes", routes.routes),
    ("memory", machine.memory),
    ("processors", machine.processors),
    ("disk", machine.disk),
    ("sudo", machine.sudo),
)
"""In the order in which they are reported, and fixed: what is installed comes before its service is started."""


def findings(ctx: Context, spec: ClusterSpec) -> list[Finding]:
    """What every check found, in their order. One that can't be made is a finding, too, and isn't fatal."""
    host = look(ctx, spec)
    with ThreadPoolExecutor(len(CHECKS)) as pool:
        found = list(pool.map(lambda check: _made(host, *check), CHECKS))
    return [finding for each in found for finding in each]


def _made(host: Host, subject: str, check: Check) -> list[Finding]:
    try:
        return list(check(host))
    except CancelledError:
        raise
    except (CanarylabError, OSError) as error:
        what = error.what if isinstance(error, CanarylabError) else str(error)
        by_hand = error.command if isinstance(error, CommandError) else f"look at {subject} by hand: this check can't"
        return [Finding(subject, False, f"can't be looked at: {what}", by_hand, fatal=False)]
