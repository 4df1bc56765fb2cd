"""Sets of Istio's routing objects, and requests, as people may write them: right ones, odd ones and clashing ones."""

from __future__ import annotations

import copy
from typing import Any

from hypothesis import strategies as st

from canarylab.rollouts.routes.match import Request

PROXY_NAMESPACE = "istio-ingress"
PROXY_LABELS = {"istio": "ingressgateway", "app": "gateway"}
DOMAIN = "svc.cluster.local"

_NAMESPACES = ("shop", "other", PROXY_NAMESPACE)
_SERVICES = ("web-stable", "web-canary", "legacy")
_GATEWAYS = ("web", "public")
_HOSTS = ("web.test", "api.test", "deep.web.test", "*.test", "*.web.test", "*")
_PATHS = ("/", "/a", "/A", "/a/b", "/ab", "/color", "/a/")
_VALUES = ("1", "yes", "")

Object = dict[str, Any]


def _maybe(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | strategy


def _without_none(made: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in made.items() if value is not None}


def _dicts(**parts: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Of each part a value, or none where the part is None."""
    return st.fixed_dictionaries(parts).map(_without_none)


def _lists(strategy: st.SearchStrategy[Any], most: int, least: int = 0) -> st.SearchStrategy[list[Any]]:
    return st.lists(strategy, min_size=least, max_size=most)


def _texts(values: tuple[str, ...]) -> st.SearchStrategy[dict[str, str]]:
    """StringMatches that Go's and Python's regular expressions read alike."""
    value = st.sampled_from(values)
    regex = st.sampled_from((".*", ".+", "[a-z]*", "/a.*", "1|yes", "web.*"))
    return st.one_of(
        value.filter(bool).map(lambda text: {"exact": text}),
        value.filter(bool).map(lambda text: {"prefix": text}),
        regex.map(lambda text: {"regex": text}),
    )


_EVERY_GATEWAY = [f"{namespace}/{name}" for namespace in _NAMESPACES for name in _GATEWAYS]
_GATEWAY_NAMES = st.sampled_from((*_EVERY_GATEWAY, "web", "public", "public.shop", "mesh", "missing"))
_WEIGHTS = st.sampled_from((0, 1, 5, 50, 95, 100))

_SERVICE_HOSTS = st.sampled_from((*_SERVICES, f"web-stable.shop.{DOMAIN}", f"legacy.other.{DOMAIN}", "outside.test"))
_DESTINATION = _dicts(host=_SERVICE_HOSTS, subset=_maybe(st.sampled_from(("stable", "canary"))))


@st.composite
def _split(draw: st.DrawFn) -> list[Object]:
    """One destination, with a weight or without, or several whose weights aren't all 0."""
    destinations = draw(_lists(_DESTINATION, 3, 1))
    if len(destinations) == 1:
        return [_without_none({"destination": destinations[0], "weight": draw(st.sampled_from((None, 100)))})]
    weights = draw(st.lists(_WEIGHTS, min_size=len(destinations), max_size=len(destinations)).filter(any))
    return [{"destination": to, "weight": weight} for to, weight in zip(destinations, weights, strict=True)]


_NAMED_TEXTS = st.dictionaries(st.sampled_from(("x-canary", "x-user")), _texts(_VALUES) | st.just({}), max_size=2)
_HTTP_MATCH = _dicts(
    name=_maybe(st.just("first")),
    uri=_maybe(_texts(_PATHS)),
    ignoreUriCase=_maybe(st.booleans()),
    scheme=_maybe(_texts(("http", "https"))),
    method=_maybe(_texts(("GET", "POST"))),
    authority=_maybe(_texts(("web.test", "api.test", "web"))),
    headers=_maybe(_NAMED_TEXTS),
    withoutHeaders=_maybe(_NAMED_TEXTS),
    queryParams=_maybe(st.dictionaries(st.sampled_from(("q", "v")), _texts(("1", "yes")) | st.just({}), max_size=2)),
    port=_maybe(st.sampled_from((80, 8080, 443))),
    gateways=_maybe(_lists(_GATEWAY_NAMES, 2, 1)),
    sourceLabels=_maybe(st.sampled_from(({"istio": "ingressgateway"}, {"app": "web"}))),
    sourceNamespace=_maybe(st.sampled_from(_NAMESPACES)),
)
_ONE_CONDITION = st.one_of(
    _dicts(uri=_texts(_PATHS), ignoreUriCase=_maybe(st.booleans())),
    _dicts(headers=_NAMED_TEXTS),
    _dicts(withoutHeaders=_NAMED_TEXTS),
    st.just({"uri": {"prefix": "/"}}),
)
_MATCHES = _maybe(_lists(_ONE_CONDITION | _HTTP_MATCH, 3, 1))
_NAMES = _maybe(st.sampled_from(("primary", "second")))

_MIRROR = _dicts(destination=_DESTINATION, percentage=_maybe(st.sampled_from((10.0, 50.0)).map(lambda n: {"value": n})))
_PASSED_ON = _dicts(
    name=_NAMES,
    match=_MATCHES,
    route=_split(),
    mirrors=_maybe(_lists(_MIRROR, 1, 1)),
    rewrite=_maybe(st.just({"uri": "/rewritten"})),
)
_ANSWERED = st.one_of(
    _dicts(name=_NAMES, match=_MATCHES, redirect=st.just({"uri": "/elsewhere"})),
    _dicts(name=_NAMES, match=_MATCHES, directResponse=st.just({"status": 404})),
)
_DELEGATED = _dicts(
    name=_NAMES,
    match=_MATCHES,
    delegate=_dicts(name=st.sampled_from(("part-1", "part-2")), namespace=_maybe(st.sampled_from(_NAMESPACES))),
)
_EXPORTS = st.sampled_from((*[None] * 6, ["*"], ["."], [PROXY_NAMESPACE], ["shop"]))


_HOST_SETS = (["web.test"], ["web.test", "api.test"], ["api.test", "*.web.test"], ["*.test"], ["*"], ["deep.web.test"])
"""Of an object: no two that one name could be of."""


def _tls_routes(hosts: list[str]) -> st.SearchStrategy[list[Object]]:
    """By names that are the object's hosts, or within them."""
    within = [name for name in ("web.test", "api.test", "deep.web.test", "*.web.test") if _is_within(name, hosts)]
    match = _dicts(
        sniHosts=_lists(st.sampled_from(within or hosts), 2, 1),
        port=_maybe(st.sampled_from((443, 8443))),
        gateways=_maybe(_lists(_GATEWAY_NAMES, 1, 1)),
    )
    return _lists(_dicts(match=_lists(match, 2, 1), route=_split()), 2, 1)


def _is_within(name: str, hosts: list[str]) -> bool:
    return any(name == host or (host[0] == "*" and name.endswith(host[1:])) for host in hosts)


def _virtual_service(hosts: list[str]) -> st.SearchStrategy[Object]:
    bound = _EVERY_GATEWAY if "*" in hosts else None  # istiod refuses it for sidecars
    return _object(
        "VirtualService",
        _dicts(
            hosts=st.just(hosts),
            gateways=st.just(_EVERY_GATEWAY) | (st.just(bound) if bound else _maybe(_lists(_GATEWAY_NAMES, 3, 1))),
            exportTo=_EXPORTS,
            http=_lists(
                st.sampled_from((*[_PASSED_ON] * 4, _ANSWERED, _DELEGATED)).flatmap(lambda chosen: chosen), 3, 1
            ),
            tls=_maybe(_tls_routes(hosts)),
        ),
    )


def _object(kind: str, spec: st.SearchStrategy[Any]) -> st.SearchStrategy[Object]:
    """Names and namespaces are given later: they have to differ."""
    ages = st.integers(1, 3).map(lambda day: f"2026-01-0{day}T00:00:00Z")
    meta = st.fixed_dictionaries({"namespace": st.sampled_from(_NAMESPACES), "creationTimestamp": ages})
    return st.fixed_dictionaries(
        {"apiVersion": st.just("networking.istio.io/v1"), "kind": st.just(kind), "metadata": meta, "spec": spec}
    )


_VIRTUAL_SERVICE = st.sampled_from(_HOST_SETS).flatmap(_virtual_service)
_DELEGATE = _object("VirtualService", _dicts(exportTo=_EXPORTS, http=_lists(_PASSED_ON | _ANSWERED, 2, 1)))


def _server(port: int, protocol: str, tls: Object | None) -> st.SearchStrategy[Object]:
    """The port's name is one of a kind in its Gateway: it is made later."""
    hosts = st.sampled_from((*_HOSTS, "shop/*", "./*.test", "*/web.test", "other/api.test"))
    made = {"port": {"number": port, "protocol": protocol}} | ({"tls": tls} if tls else {})
    chosen = st.just(["*"]) | st.lists(hosts, min_size=1, max_size=2, unique=True)
    return chosen.map(lambda names: {**copy.deepcopy(made), "hosts": names})


_SERVER = st.one_of(
    *[_server(80, "HTTP", None)] * 4,
    _server(8080, "HTTP2", None),
    _server(80, "HTTP", {"httpsRedirect": True}),
    _server(443, "HTTPS", {"mode": "SIMPLE", "credentialName": "certificate"}),
    _server(443, "TLS", {"mode": "PASSTHROUGH"}),
    _server(8443, "HTTPS", {"mode": "PASSTHROUGH"}),
    _server(80, "TCP", None),
)
_GATEWAY = _object(
    "Gateway",
    st.fixed_dictionaries(
        {
            "selector": st.sampled_from((*[{"istio": "ingressgateway"}] * 4, PROXY_LABELS, {"istio": "private"}, {})),
            "servers": _lists(_SERVER, 3, 1),
        }
    ),
)


@st.composite
def routing(draw: st.DrawFn) -> list[Object]:
    """Gateways, VirtualServices and those that these delegate to, no two of a kind with one name."""
    made = draw(_lists(_GATEWAY, 3, 1)) + draw(_lists(_VIRTUAL_SERVICE, 3, 1)) + draw(_lists(_DELEGATE, 2))
    found = dict[tuple[str, str, str], Object]()
    for one in made:
        pool = (
            _GATEWAYS
            if one["kind"] == "Gateway"
            else ("web", "api")
            if "hosts" in one["spec"]
            else ("part-1", "part-2")
        )
        one["metadata"]["name"] = draw(st.sampled_from(pool))
        for position, server in enumerate(one["spec"].get("servers", ())):
            server["port"]["name"] = f"port-{position}"
        found[one["kind"], one["metadata"]["namespace"], one["metadata"]["name"]] = one
    return [*found.values()]


@st.composite
def requests(draw: st.DrawFn, objects: list[Object]) -> Request:
    """One that the objects may be for: to a host that they name, at a port that they open."""
    specs = [one["spec"] for one in objects]
    hosts = [host.replace("*", "deep.web") for spec in specs for host in spec.get("hosts", ())]
    ports = [server["port"]["number"] for spec in specs for server in spec.get("servers", ())]
    port = draw(st.sampled_from((*ports * 5, 9000)))
    return Request(
        host=draw(st.sampled_from((*hosts * 5, "nowhere.invalid"))),
        path=draw(st.sampled_from(_PATHS)),
        headers=draw(st.dictionaries(st.sampled_from(("x-canary", "x-user")), st.sampled_from(_VALUES), max_size=2)),
        tls=draw(st.sampled_from([port in (443, 8443)] * 9 + [port == 80])),  # the wrong one, now and then
        port=port,
        query=draw(st.dictionaries(st.sampled_from(("q", "v")), st.sampled_from(_VALUES), max_size=2)),
    )


def services() -> list[Object]:
    """ServiceEntries that stand for the Services behind the routes, in every namespace, and one outside."""
    hosts = [f"{name}.{namespace}.{DOMAIN}" for name in _SERVICES for namespace in _NAMESPACES] + ["outside.test"]
    return [
        {
            "apiVersion": "networking.istio.io/v1",
            "kind": "ServiceEntry",
            "metadata": {"name": f"service-{position}", "namespace": "shop"},
            "spec": {
                "hosts": [host],
                "location": "MESH_INTERNAL",
                "resolution": "STATIC",
                "ports": [{"number": 80, "name": "http", "protocol": "HTTP"}],
                "endpoints": [{"address": f"192.0.2.{position + 1}"}],
            },
        }
        for position, host in enumerate(hosts)
    ]
