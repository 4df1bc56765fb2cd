"""What Istio's webhook refuses in a VirtualService with words that don't help."""

from __future__ import annotations

from collections.abc import Iterator

from canarylab.kube.objects import Object, dig, listed
from canarylab.rollouts.routes.virtual_services import routes
from canarylab.rollouts.validation.mistake import Mistake


def mistakes(virtual_service: Object) -> Iterator[Mistake]:
    """The SNI hosts that none of the VirtualService's own hosts covers."""
    hosts = [str(host) for host in listed(virtual_service, "spec", "hosts")]
    for route in routes(virtual_service):
        for index, match in enumerate(route.matches):
            for position, sni in enumerate(match.server_names or ()):
                if not any(covers(host, sni) for host in hosts):
                    place = ("spec", "tls", route.position, "match", index, "sniHosts", position)
                    yield _outside(virtual_service, place, sni)


def covers(host: str, sni: str) -> bool:
    """Whether the names that `sni` stands for are all among those of `host`; both may begin with `*`. Pure.

    As Istio's own `host.Name.SubsetOf` decides it.
    """
    return sni.endswith(host[1:]) if host.startswith("*") else host == sni


def _outside(virtual_service: Object, place: tuple[str | int, ...], sni: str) -> Mistake:
    hosts, name = dig(virtual_service, "spec", "hosts"), dig(virtual_service, "metadata", "name")
    return Mistake(
        place,
        f"SNI host {sni!r} is not covered by its hosts {hosts}",
        "Istio's webhook refuses it: every entry of tls[].match[].sniHosts has to be a subset of spec.hosts "
        "(argoproj/argo-rollouts#2033)",
        f'use hosts such as "*.{name}.bookinfo.com" (quoted) and an SNI host below them',
    )
