"""What Istio's webhook refuses in a VirtualService with words that don't help."""

from __future__ import annotations

from collections.abc import Iterator

from canarylab.kube.objects import Object, dig, listed
from canarylab.rollouts.routes.virtual_services import routes
from canarylab.rollouts.validation.mistake import Mistake, mistake


def mistakes(virtual_service: Object) -> Iterator[Mistake]:
    """The SNI hosts that none of the VirtualService's own hosts covers."""
    hosts, name = dig(virtual_service, "spec", "hosts"), dig(virtual_service, "metadata", "name")
    for route in routes(virtual_service):
        for index, match in enumerate(route.matches):
            for position, sni in enumerate(match.server_names or ()):
                if not any(covers(str(host), sni) for host in listed(virtual_service, "spec", "hosts")):
                    place = ("spec", "tls", route.position, "match", index, "sniHosts", position)
                    yield mistake("sni-outside-hosts", place, sni=repr(sni), hosts=hosts, name=name)


def covers(host: str, sni: str) -> bool:
    """Whether the names that `sni` stands for are all among those of `host`; both may begin with `*`. Pure.

    As Istio's own `host.Name.SubsetOf` decides it.
    """
    return sni.endswith(host[1:]) if host.startswith("*") else host == sni
