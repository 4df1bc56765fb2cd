"""Who else has the addresses of the virtual machine and of the cluster's Services: a VPN, another profile."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from ipaddress import IPv4Network

from canarylab.contract.provider import Finding
from canarylab.providers.minikube.checks.host import Host
from canarylab.providers.minikube.routes import TableEntry, parse_table
from canarylab.tools import minikube
from canarylab.tools.minikube import Profile

MACHINES = IPv4Network("192.168.105.0/24")
"""socket_vmnet's network, by the gateway that its service is started with."""
_OWN_LINKS = ("bridge", "vmenet", "vmnet")
"""What macOS calls the links of its own virtual networks."""
_VPN_LINKS = ("utun", "ppp", "ipsec")
_EVERYTHING = 1
"""VPNs that take all traffic split the default route in two of this length."""


def routes(host: Host) -> Iterator[Finding]:
    """Every route that takes packets from the virtual machine or the Services, or that all is well."""
    if not host.needs_dhcp:
        return
    table = parse_table(host.ask("netstat", "-nr", "-f", "inet").stdout)
    known = host.profiles()
    services = _service_range(host, known)
    found = [*_machines(host, table), *_services(host, table, known, services), *_shared(host, known, services)]
    ranges = f"{MACHINES} and {services} are" if host.needs_socket_vmnet else f"{services} is"
    yield from found or [Finding("routes", True, f"{ranges} nobody else's")]


def _service_range(host: Host, known: Mapping[str, Profile]) -> IPv4Network:
    """The profile's own, or the one it would be given."""
    if own := known.get(host.ctx.profile):
        return IPv4Network(own.service_range, strict=False)
    taken = [profile.service_range for profile in known.values()]
    return IPv4Network(minikube.free_service_range(taken) or minikube.DEFAULT_SERVICE_RANGE)


def _machines(host: Host, table: list[TableEntry]) -> Iterator[Finding]:
    """A route as specific as the virtual network's own, or more so, takes its packets away."""
    if not host.needs_socket_vmnet:
        return
    for route in table:
        if route.network.subnet_of(MACHINES) and not route.link.startswith(_OWN_LINKS):
            seen = f"{route} takes {MACHINES}, socket_vmnet's network: the virtual machine wouldn't be reached"
            remedy = "disconnect that VPN or network, or give socket_vmnet another one: --vmnet-gateway in its service"
            yield Finding("routes", False, seen, remedy)
            return


def _services(
    host: Host, table: list[TableEntry], known: Mapping[str, Profile], services: IPv4Network
) -> Iterator[Finding]:
    own = known[host.ctx.profile].addresses if host.ctx.profile in known else ()
    for route in table:
        if not route.network.overlaps(services) or route.gateway in own:
            continue
        if route.network == services:
            yield _conflicting(route, known)
        elif route.network.subnet_of(services):
            seen = f"{route} lies in {services}, the Services' range: what is for a Service there would go to it"
            yield Finding("routes", False, seen, "disconnect that VPN while the cluster is in use", fatal=False)
        elif route.link.startswith(_VPN_LINKS) and route.network.prefixlen > _EVERYTHING:
            seen = f"{route} holds {services}, the Services' range: the tunnel hides that part of the VPN"
            remedy = f"{host.ctx.command('tunnel stop')}   (whenever that part is needed)"
            yield Finding("routes", False, seen, remedy, fatal=False)


def _conflicting(route: TableEntry, known: Mapping[str, Profile]) -> Finding:
    """Another tunnel's, or one that its tunnel left (kubernetes/minikube#7900, #17645)."""
    owner = next((profile.name for profile in known.values() if route.gateway in profile.addresses), None)
    whose = f"of the tunnel of profile {owner}" if owner else "of a tunnel that has ended, or of another program"
    seen = f"{route} is {whose}: minikube would say `conflicting route: {route.network}`"
    remedy = f"stop that tunnel; if none runs: sudo route -n delete {route.network}"
    return Finding("routes", False, seen, remedy, fatal=False)


def _shared(host: Host, known: Mapping[str, Profile], services: IPv4Network) -> Iterator[Finding]:
    """Two clusters with one range of Services can't both have a tunnel."""
    others = (profile for name, profile in known.items() if name != host.ctx.profile)
    sharing = [each.name for each in others if each.service_range == str(services) and host.runs(each)]
    if sharing:
        seen = f"{', '.join(sharing)} runs with the Services' range {services}, too: only one of them can have a tunnel"
        yield Finding("other profiles", False, seen, f"minikube -p {sharing[0]} stop", fatal=False)
