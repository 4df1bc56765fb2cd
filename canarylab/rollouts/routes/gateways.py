"""Istio's Gateways: the routes that one of its gateways has for a request, in the order that istiod gives them. Pure.

Of the objects of all namespaces istiod makes, for each port of a gateway, virtual hosts with routes, which Envoy looks
through (istio, pilot/pkg/model/gateway.go, mergeGateways, and pilot/pkg/networking/core/gateway.go). What is said here
is held against istiod's own translation by tests/e2e/test_5c_istio_translation.py.
"""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from canarylab.kube.objects import Object, dig, listed
from canarylab.rollouts.routes import delegates, virtual_services
from canarylab.rollouts.routes.match import Match, Proxy, Request, host_rank
from canarylab.rollouts.routes.route import TO_HTTPS, Route, first, in_full, oldest_first, reached, under

API_VERSION = virtual_services.API_VERSION
KIND = "Gateway"

_ANY = "*"
_HTTP = {"HTTP", "HTTP2", "GRPC", "GRPC-WEB"}
_BY_ISTIOS_OWN_NAMES = "AUTO_PASSTHROUGH"
"""A mode of TLS in which no VirtualService is asked: connections between meshes, by the names of Envoy's clusters."""
_PASSED_THROUGH = {"PASSTHROUGH", _BY_ISTIOS_OWN_NAMES}


@dataclass(frozen=True)
class Server:
    """What a Gateway opens at a port. `gateway` is its namespace/name; `hosts` are of a namespace, `*` of any."""

    gateway: str
    index: int
    """Its place among the Gateway's servers."""
    port: int
    protocol: str
    hosts: Sequence[tuple[str, str]]
    tls: str
    """The mode, such as SIMPLE or PASSTHROUGH; "" where it is plain text."""
    mentions_tls: bool
    """Also where it is plain text: to be redirected."""
    redirects: bool
    """Whether it answers plain HTTP by sending to HTTPS."""
    bind: str = ""
    """The address that it is open at; "" for all."""

    @property
    def listener(self) -> tuple[int, str, str]:
        """What servers are listened for together by."""
        return self.port, self.protocol, self.bind

    @property
    def passes_through(self) -> bool:
        """Whether TLS is passed on as it is."""
        return self.tls in _PASSED_THROUGH

    @property
    def speaks_http(self) -> bool:
        """Whether requests are routed, not connections: TLS ends here, if there is any."""
        return self.protocol in _HTTP or (self.protocol == "HTTPS" and not self.passes_through)

    def takes(self, virtual_service: Object) -> list[str]:
        """The hosts of a VirtualService that are this server's as well, each as the narrower of the two names it."""
        namespace = dig(virtual_service, "metadata", "namespace")
        own = [host for where, host in self.hosts if where in (_ANY, namespace)]
        wanted = [in_full(str(host), namespace) for host in listed(virtual_service, "spec", "hosts")]
        return list(dict.fromkeys(one for mine in own for theirs in wanted if (one := _narrower(mine, theirs))))


class Routing:
    """All Gateways and VirtualServices of a cluster, as one gateway sees them."""

    def __init__(self, gateways: Iterable[Object], virtual_services: Iterable[Object], proxy: Proxy) -> None:
        self._proxy = proxy
        self._servers = servers(gateways, proxy)
        self._all = oldest_first(virtual_services)
        self._known = {
            (str(dig(one, "metadata", "namespace") or ""), dig(one, "metadata", "name")): one for one in self._all
        }

    def route(self, request: Request) -> Route | None:
        """The route that such a request takes; None where the gateway has none for it."""
        ports = (request.port, self._proxy.target_ports.get(request.port))
        there = (server for server in self._servers if server.port in ports and self._is_open(server))
        opened = reached(((server.bind, server) for server in there), self._proxy.addresses)
        plain = [server for server in opened if not server.tls]
        streams = [server for server in plain if not server.speaks_http]
        if not request.tls:
            return self._connected(streams) or self._requested((one for one in plain if one.speaks_http), request)
        chosen = under(request.host, self._by_server_name(opened))
        if isinstance(chosen, Server):
            return self._requested([chosen], request) if chosen.speaks_http else self._connected([chosen])
        return chosen or self._connected(streams)  # which passes on whatever it is

    def _is_open(self, server: Server) -> bool:
        """Whether istiod makes anything of it: a stream without a route it leaves out."""
        if server.speaks_http or server.tls == _BY_ISTIOS_OWN_NAMES:
            return True
        return any(self._by_server_name([server])) if server.tls else self._connected([server]) is not None

    def _by_server_name(self, opened: Iterable[Server]) -> Iterator[tuple[str, Server | Route]]:
        """By SNI, the servers at which TLS ends, and the tls routes of those that pass it through."""
        taken = set[str]()
        for server in (one for one in opened if one.tls and one.tls != _BY_ISTIOS_OWN_NAMES):
            if not server.passes_through:
                if server.speaks_http or self._connected([server]):
                    yield from ((host, server) for _, host in server.hosts)
                continue
            for route in (route for one in self._bound(server) for route in _of(one, "tls") if route.destinations):
                for match in route.matches:
                    names = set(match.server_names or ())
                    if _connects(match, server) and not names & taken:
                        taken |= names
                        yield from ((name, route) for name in names)

    def _connected(self, opened: Iterable[Server]) -> Route | None:
        """The tcp route of all connections to a port."""
        for server in opened:
            for route in (route for one in self._bound(server) for route in _of(one, "tcp") if route.destinations):
                if not route.matches or any(_connects(match, server) for match in route.matches):
                    return route
        return None

    def _requested(self, opened: Iterable[Server], request: Request) -> Route | None:
        """The http route: of the host's most specific name, in order, those for every request last."""
        by_host, to_https = defaultdict[str, list[Route]](list), dict[str, Server]()
        for server in opened:
            for one in self._bound(server):
                found = self._http_routes(one, server)
                for host in server.takes(one) if found else ():
                    by_host[host] += found
                    if server.redirects:
                        to_https[host] = server
            for host in (host for where, host in server.hosts if server.redirects and where == _ANY):
                by_host[host.lower()] += []
                to_https[host.lower()] = server
        name = under(request.host, ((host, host) for host in by_host))
        if name in to_https:
            return Route(f"Gateway {to_https[name].gateway}", (), answer=TO_HTTPS)
        return first(sorted(by_host.get(name or "", ()), key=lambda route: route.is_catch_all), request)

    def _http_routes(self, virtual_service: Object, server: Server) -> list[Route]:
        """One for each of its matches that is for the server, up to the first that any request meets."""
        found = list[Route]()
        for route in map(virtual_services.route_of, delegates.merged(virtual_service, self._known)):
            for match in route.matches or (None,):
                if match is None or match.is_at(server.gateway, server.port, self._proxy):
                    found.append(dataclasses.replace(route, matches=(match,) if match else ()))
                    if found[-1].is_catch_all:
                        return found
        return found

    def _bound(self, server: Server) -> list[Object]:
        """The VirtualServices that name the server's Gateway and share a host with it, as it is asked for them.

        Those of the gateway's own namespace alone come first, then those that are handed to it, then everybody's
        (pilot/pkg/model/push_context.go, VirtualServicesForGateway).
        """
        seen = [
            one
            for one in self._all
            if server.gateway in _gateways(one)
            and listed(one, "spec", "hosts")
            and virtual_services.is_exported(one, self._proxy.namespace)
            and server.takes(one)
        ]
        return sorted(seen, key=self._publicity)

    def _publicity(self, virtual_service: Object) -> int:
        if "*" in (listed(virtual_service, "spec", "exportTo") or (_ANY,)):
            return 2
        return int(dig(virtual_service, "metadata", "namespace") != self._proxy.namespace)


def _gateways(virtual_service: Object) -> list[str]:
    namespace = str(dig(virtual_service, "metadata", "namespace") or "")
    return [virtual_services.gateway_name(str(one), namespace) for one in listed(virtual_service, "spec", "gateways")]


def _of(virtual_service: Object, protocol: str) -> list[Route]:
    return [route for route in virtual_services.routes(virtual_service) if route.protocol == protocol]


def _connects(match: Match, server: Server) -> bool:
    """Whether a match of tls or tcp routes is for a server (pilot/pkg/networking/core/gateway.go, l4SingleMatch)."""
    return match.port in (None, server.port) and (not match.gateways or server.gateway in match.gateways)


def servers(gateways: Iterable[Object], proxy: Proxy) -> list[Server]:
    """What the Gateways that select these pods open, without those that istiod leaves out for an earlier one's sake.

    Of one port and address: plain text beside another protocol of plain text or before TLS, or a host of earlier TLS.
    """
    kept, plain, by_host = list[Server](), dict[int, Server](), defaultdict[int, dict[tuple[str, str], str]](dict)
    for server in _written(gateways, proxy):
        if server.mentions_tls:
            if any(by_host[server.port].get(host) == server.bind for host in server.hosts):
                continue
            by_host[server.port].update(dict.fromkeys(server.hosts, server.bind))
        current = plain.get(server.port)
        if current is None or current.bind != server.bind:
            is_new = not any(one.listener == server.listener for one in kept)
            if not server.tls and (current is None or is_new):
                plain[server.port] = server
        elif not {current.protocol, server.protocol} <= _HTTP:
            continue
        kept.append(server)
    return kept


def _written(gateways: Iterable[Object], proxy: Proxy) -> Iterator[Server]:
    for gateway in oldest_first(gateways):
        if (dig(gateway, "spec", "selector") or {}).items() <= proxy.labels.items():
            yield from (_server(gateway, *each) for each in enumerate(listed(gateway, "spec", "servers")))


def _server(gateway: Object, index: int, written: Any) -> Server:
    name, namespace = (dig(gateway, "metadata", key) for key in ("name", "namespace"))
    tls, protocol = dig(written, "tls"), str(dig(written, "port", "protocol") or "").upper()
    hosts = []
    for host in map(str, listed(written, "hosts")):
        where, slash, rest = host.partition("/")
        hosts.append((namespace if where == "." else where, rest) if slash else (_ANY, host))
    return Server(
        gateway=f"{namespace or ''}/{name}",
        index=index,
        port=int(dig(written, "port", "number") or 0),
        protocol=protocol,
        hosts=hosts,
        tls="" if tls is None or protocol in _HTTP else str(dig(tls, "mode") or "PASSTHROUGH"),
        mentions_tls=tls is not None,
        redirects=bool(dig(tls, "httpsRedirect")),
        bind=str(dig(written, "bind") or ""),
    )


def _narrower(some: str, other: str) -> str:
    """The more specific of two host names, if every host of it is one of the other's, too; else ""."""
    some, other = some.lower(), other.lower()
    return other if host_rank(some, other) else some if host_rank(other, some) else ""
