"""Which mode of mutual TLS a pod takes at a port, and which PeerAuthentication says so. Pure.

Source: istio/istio, pilot/pkg/security/authn/policy_applier.go, ComposePeerAuthentication: the oldest policy of each
level wins; what is UNSET falls to the level above; without any it is PERMISSIVE. Ports are the pod's own, and only
policies with a selector have some.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from canarylab.kube.objects import Object, dig
from canarylab.rollouts.causes.mesh.settings import Mesh, selector_of

STRICT, PERMISSIVE, DISABLE = "STRICT", "PERMISSIVE", "DISABLE"
_UNSET = "UNSET"


@dataclass(frozen=True)
class PeerMode:
    """The mode, and the policy that sets it; None where no policy does."""

    mode: str = PERMISSIVE
    policy: Object | None = None


def peer_mode(policies: Sequence[Object], mesh: Mesh, pod: Object, port: int) -> PeerMode:
    """Of policies in the pod's namespace and the root namespace, the oldest first."""
    found = PeerMode()
    own = [one for one in policies if one["metadata"]["namespace"] == pod["metadata"]["namespace"]]
    general = [one for one in own if not selector_of(one)] if pod["metadata"]["namespace"] != mesh.root else []
    whole = [one for one in policies if one["metadata"]["namespace"] == mesh.root and not selector_of(one)]
    labels = dig(pod, "metadata", "labels") or {}
    special = [one for one in own if selector_of(one) and selector_of(one).items() <= labels.items()]
    if pod["metadata"]["namespace"] == mesh.root:
        special = []  # a selector has no meaning there
    for level in (whole, general, special):
        found = _at(level, found, "mtls")
    if special and str(port) in (ports := dig(special[0], "spec", "portLevelMtls") or {}):
        mode = dig(ports, str(port), "mode") or _UNSET
        return found if mode == _UNSET else PeerMode(mode, special[0])
    return found


def _at(level: Sequence[Object], above: PeerMode, field: str) -> PeerMode:
    """What a level says, or else the one above it."""
    mode = dig(level[0], "spec", field, "mode") if level else None
    return above if mode in (None, _UNSET) else PeerMode(str(mode), level[0])
